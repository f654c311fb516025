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
        response: Response = await self._client.get(self._venue, url, asked, budget=BUDGET, weight=1)
        try:
            body = _answer(response.body)
            if body.retCode:
                status = 429 if body.retCode == _RATE_LIMITED else 400
                raise RestError(status, f"{url} answers {body.retCode}: {body.retMsg}")
            return msgspec.json.decode(body.result, type=answer), response.received_at
        except msgspec.MsgspecError as error:
            raise RestError(0, f"{url}: unexpected answer ({error}): {response.body[:120]!r}") from error
