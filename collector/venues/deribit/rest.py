"""Deribit's REST interface: JSON-RPC answers, credits per IP, and a second host for what is older than a day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from collector.limiter import Budget
from collector.rest import Response, RestClient, RestError
from collector.venues.deribit.messages import RpcError

T = TypeVar("T")

BUDGET: Final = Budget("deribit", 20, window_s=1.0)
"""Matching-free requests: 20 a second, with a burst that we do not count on."""
INSTRUMENTS_BUDGET: Final = Budget("deribit.instruments", 1, window_s=1.0, use=1.0)
HISTORY_BUDGET: Final = Budget("deribit.history", 20, window_s=1.0)

_TOO_MANY: Final = "10028"
_PAUSE_S: Final = 5.0


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw()
    error: RpcError | None = None


_answer = msgspec.json.Decoder(_Answer).decode


class DeribitRest:
    """Typed GETs of ``public/…`` methods."""

    def __init__(self, client: RestClient, market_type: str, url: str, history_url: str) -> None:
        self._client = client
        self._venue = ("deribit", market_type)
        self._url = url.rstrip("/")
        self._history_url = history_url.rstrip("/")

    @property
    def has_history(self) -> bool:
        """A second host is configured."""
        return bool(self._history_url)

    async def get(
        self,
        method: str,
        answer: type[T],
        params: Mapping[str, str | int],
        *,
        budget: Budget = BUDGET,
        history: bool = False,
    ) -> tuple[T, int]:
        """(decoded result, received_at). Raises RestError, also for an error at HTTP 200."""
        url = f"{self._history_url if history else self._url}/public/{method}"
        budget = HISTORY_BUDGET if history else budget
        try:
            response: Response = await self._client.get(self._venue, url, params, budget=budget, weight=1)
        except RestError as error:
            if _TOO_MANY not in str(error):
                raise
            self._client.limiter(budget).block(_PAUSE_S)
            raise RestError(429, str(error)) from error
        try:
            body = _answer(response.body)
            if body.error is not None:
                raise RestError(400, f"{url} answers {body.error.code}: {body.error.message}")
            return msgspec.json.decode(body.result, type=answer), response.received_at
        except msgspec.MsgspecError as error:
            raise RestError(0, f"{url}: unexpected answer ({error}): {response.body[:120]!r}") from error
