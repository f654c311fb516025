"""OKX's REST interface: every answer is wrapped in ``code``, ``msg`` and ``data``; limits are per path and IP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from collector.limiter import Budget
from collector.rest import Response, RestClient, RestError
from collector.venues.okx.messages import Answer

T = TypeVar("T")

_WINDOW_S: Final = 2.0
_LIMITS: Final[dict[str, int]] = {
    "/api/v5/public/instruments": 20,
    "/api/v5/public/underlying": 20,
    "/api/v5/public/instrument-tick-bands": 5,
    "/api/v5/public/funding-rate-history": 10,
    "/api/v5/public/open-interest": 20,
    "/api/v5/market/tickers": 20,
    "/api/v5/market/books": 40,
    "/api/v5/market/history-trades": 20,
}
"""Requests in two seconds; the rubik paths have 5 per instrument."""
_RUBIK: Final = 5
_RATE_LIMITED: Final = "50011"
_PAUSE_S: Final = 2.0

_envelope = msgspec.json.Decoder(Answer).decode


class OkxRest:
    """Typed GETs of one market. The second address is asked where the first does not answer."""

    def __init__(self, client: RestClient, market_type: str, urls: tuple[str, ...]) -> None:
        self._client = client
        self._venue = ("okx", market_type)
        self._urls = tuple(url.rstrip("/") for url in dict.fromkeys(urls) if url)

    async def get(self, path: str, answer: type[T], params: Mapping[str, str | int]) -> tuple[T, int]:
        """(decoded data, received_at). Raises RestError, also when the code says that it failed."""
        for url in self._urls[:-1]:
            try:
                return await self._get(url, path, answer, params)
            except RestError as error:
                if error.status not in (0, 403, 404):
                    raise
        return await self._get(self._urls[-1], path, answer, params)

    async def _get(self, url: str, path: str, answer: type[T], params: Mapping[str, str | int]) -> tuple[T, int]:
        budget = budget_of(path, str(params.get("instId", "")))
        response: Response = await self._client.get(self._venue, f"{url}{path}", params, budget=budget, weight=1)
        try:
            envelope = _envelope(response.body)
            if envelope.code != "0":
                if envelope.code == _RATE_LIMITED:
                    self._client.limiter(budget).block(_PAUSE_S)
                    raise RestError(429, f"{url}{path} answers {envelope.code}: {envelope.msg}")
                raise RestError(400, f"{url}{path} answers {envelope.code}: {envelope.msg}")
            return msgspec.json.decode(envelope.data, type=answer), response.received_at
        except msgspec.MsgspecError as error:
            raise RestError(0, f"{url}{path}: unexpected answer ({error}): {response.body[:120]!r}") from error


def budget_of(path: str, symbol: str) -> Budget:
    """The pool that a request draws from."""
    if "/rubik/" in path:
        return Budget(f"okx{path}.{symbol}", _RUBIK, _WINDOW_S)
    return Budget(f"okx{path}", _LIMITS.get(path, 10), _WINDOW_S)
