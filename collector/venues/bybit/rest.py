"""Bybit's REST interface: ``retCode`` other than 0 is an error also at HTTP 200; one limit per IP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from collector.limiter import Budget
from collector.rest import Response, RestClient, RestError

T = TypeVar("T")

BUDGET: Final = Budget("bybit", 600, window_s=5.0)
_RATE_LIMITED: Final = 10006
_FREQUENT: Final = "too frequent"
"""What a 403 says that is a ban, of ten minutes; others are of the country."""
_BAN_S: Final = 600.0


class _Answer(msgspec.Struct):
    retCode: int
    retMsg: str = ""
    result: msgspec.Raw = msgspec.Raw()


_answer = msgspec.json.Decoder(_Answer).decode


class BybitRest:
    """Typed GETs of one market (``category``)."""

    def __init__(self, client: RestClient, market_type: str, url: str) -> None:
        self._client = client
        self._venue = ("bybit", market_type)
        self._url = url.rstrip("/")

    async def get(self, path: str, answer: type[T], params: Mapping[str, str | int]) -> tuple[T, int]:
        """(decoded result, received_at). Raises RestError, also when ``retCode`` says that it failed."""
        url = f"{self._url}/v5/market/{path}"
        asked = {"category": self._venue[1], **params}
        try:
            response: Response = await self._client.get(self._venue, url, asked, budget=BUDGET, weight=1)
        except RestError as error:
            if error.status != 403 or _FREQUENT not in str(error):
                raise
            self._client.ban(url, _BAN_S)
            raise RestError(429, str(error)) from error
        try:
            body = _answer(response.body)
            if body.retCode == _RATE_LIMITED:
                self._client.limiter(BUDGET).block(BUDGET.window_s)
                raise RestError(429, f"{url} answers {body.retCode}: {body.retMsg}")
            if body.retCode:
                raise RestError(400, f"{url} answers {body.retCode}: {body.retMsg}")
            return msgspec.json.decode(body.result, type=answer), response.received_at
        except msgspec.MsgspecError as error:
            raise RestError(0, f"{url}: unexpected answer ({error}): {response.body[:120]!r}") from error
