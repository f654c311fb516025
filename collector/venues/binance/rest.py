"""Binance's REST interface: metadata, snapshots, missing trades, and what has no stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from collector.limiter import Budget
from collector.rest import Response, RestClient, RestError
from collector.venues.binance.messages import RateLimit

T = TypeVar("T")

SPOT_BUDGET: Final = Budget("binance.spot", 6000)
FUTURES_BUDGET: Final = Budget("binance.futures", 2400)
"""USD-M and COIN-M share it (since 2026-06-30)."""
OPTION_BUDGET: Final = Budget("binance.option", 400)
"""Sources say 400 or 3000: the smaller until ``exchangeInfo`` has said."""
DATA_BUDGET: Final = Budget("binance.futures.data", 1000, window_s=300)
"""``/futures/data/…``: weight 0, but 1000 requests in five minutes."""
FUNDING_BUDGET: Final = Budget("binance.futures.funding", 500, window_s=300)

_USED: Final = "X-MBX-USED-WEIGHT-1M"
_DEPTH_PAGES: Final = {
    "spot": ((100, 5), (500, 25), (1000, 50), (5000, 250)),
    "futures": ((100, 5), (500, 10), (1000, 20)),
}
"""(limit, weight) of book snapshots, for the levels that may be set. Futures and options take none between them."""


class BinanceRest:
    """Typed GETs of one market."""

    def __init__(self, client: RestClient, market_type: str, base_url: str, budget: Budget) -> None:
        self._client = client
        self._venue = ("binance", market_type)
        self._base = base_url.rstrip("/")
        self._budget = budget

    async def get(
        self,
        path: str,
        answer: type[T],
        params: Mapping[str, str | int] | None = None,
        *,
        weight: int = 1,
        budget: Budget | None = None,
        urgent: bool = False,
    ) -> tuple[T, int]:
        """(decoded answer, received_at). Raises RestError, also when the answer is not what it should be."""
        budget = budget or self._budget
        response: Response = await self._client.get(
            self._venue,
            f"{self._base}{path}",
            params or {},
            budget=budget,
            weight=weight,
            used_header=_USED if budget is self._budget else "",
            urgent=urgent,
        )
        try:
            return msgspec.json.decode(response.body, type=answer), response.received_at
        except msgspec.MsgspecError as error:
            raise RestError(0, f"{self._base}{path}: unexpected answer ({error}): {response.body[:120]!r}") from error

    def observe_limits(self, limits: Sequence[RateLimit]) -> None:
        """What ``exchangeInfo`` says of the weight a minute."""
        for limit in limits:
            if (limit.rateLimitType, limit.interval, limit.intervalNum) == ("REQUEST_WEIGHT", "MINUTE", 1):
                self._client.limiter(self._budget).allow(limit.limit)


def depth_page(levels: int, market_type: str) -> tuple[int, int]:
    """(limit, weight) of a book snapshot of ``levels`` levels: the next that the market has, at most its largest."""
    pages = _DEPTH_PAGES["spot" if market_type == "spot" else "futures"]
    return next((page for page in pages if page[0] >= levels), pages[-1])
