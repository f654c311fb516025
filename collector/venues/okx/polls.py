"""What OKX only tells when asked: settled funding, open interest of a whole market, long/short ratios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, TypeVar

from collector.tracked import Tracked
from collector.venue import MessageError, Poll
from collector.venues.okx import rows, symbols
from collector.venues.okx.messages import OpenInterestMessage, SettledFunding
from collector.venues.okx.rest import OkxRest
from collector.venues.okx.rows import HOUR_MS
from marketprism.events import Row
from marketprism.settings import CollectorSettings

R = TypeVar("R")

_PERIOD: Final = "5m"
_RATIO_LIMIT: Final = 100
_RUBIK: Final = "/api/v5/rubik/stat/contracts"
_POSITIONS: Final = "long-short-position-ratio-contract-top-trader"
_ACCOUNTS: Final = "long-short-account-ratio-contract"


class OkxPolls:
    """The polled half of an OKX market; what is tracked, families and the REST interface are shared with the other."""

    def __init__(self, market_type: str, settings: CollectorSettings, api: OkxRest) -> None:
        self.market_type = market_type
        self._settings = settings
        self._api = api
        self._tracked: dict[str, Tracked] = {}
        self._families: dict[str, str] = {}

    def polls(self) -> Sequence[Poll]:
        settings = self._settings
        polls = []
        if self.market_type != "spot" and settings.okx_open_interest_source == "rest":
            polls.append(
                Poll(
                    "open interest",
                    "open_interests",
                    settings.open_interest_interval_s,
                    self._open_interests,
                    per_symbol=False,
                )
            )
        if self.market_type in ("linear", "inverse"):
            polls += [
                Poll("settled funding", "funding_rates", settings.funding_interval_s, self._settled),
                Poll("top position ratio", "lsr_top_positions", settings.ratio_interval_s, self._top_positions),
                Poll("account ratio", "lsr_all_accounts", settings.ratio_interval_s, self._all_accounts),
            ]
        return polls

    def _pays_funding(self, symbol: str) -> bool:
        if self.market_type not in ("linear", "inverse"):
            return False
        return any(fnmatchcase(symbol, pattern) for pattern in self._settings.okx_funding_symbols)

    def _of(self, symbol: str) -> Tracked:
        tracked = self._tracked.get(symbol)
        if tracked is None:
            raise MessageError(
                "unknown_symbol", f"message for {symbol!r}, which is not collected; see MARKETPRISM_COLLECTOR_SYMBOLS"
            )
        return tracked

    def _family(self, symbol: str) -> str:
        """BTC-USD_UM is a family of its own, of the same pair as BTC-USD."""
        instrument = self._of(symbol).instrument
        return self._families.get(symbol) or f"{instrument.base}-{instrument.quote}"

    async def _open_interests(self, _: str, newest: int) -> Sequence[Row]:
        """The whole market in one answer per type; options by family."""
        parameters: list[dict[str, str]] = [{"instType": kind} for kind in symbols.TYPES[self.market_type]]
        if self.market_type == "option":
            families = {self._family(symbol) for symbol in self._tracked}
            parameters = [{"instType": "OPTION", "instFamily": family} for family in sorted(families)]
        found: list[Row] = []
        for asked in parameters:
            answer, received_at = await self._api.get("/api/v5/public/open-interest", list[OpenInterestMessage], asked)
            found += [
                rows.open_interest_row(tracked, row, received_at)
                for row in answer
                if (tracked := self._tracked.get(row.instId)) is not None
            ]
        return found

    async def _settled(self, symbol: str, newest: int) -> Sequence[Row]:
        if not self._pays_funding(symbol):
            return ()
        settled, received_at = await self._since(
            "/api/v5/public/funding-rate-history",
            list[SettledFunding],
            {"instId": symbol, "limit": self._settings.okx_funding_history_limit},
            "after",
            lambda row: int(row.fundingTime),
            newest,
        )
        found, before = [], 0
        for time, row in settled:
            # the interval can change at any time; the distance to the settlement before is the fact
            interval = round((time - before) / HOUR_MS) if before else 0
            if time > newest:
                found.append(rows.settled_funding(self._of(symbol), row, interval, received_at))
            before = time
        return found

    async def _top_positions(self, symbol: str, newest: int) -> Sequence[Row]:
        ratios, received_at = await self._ratios(_POSITIONS, symbol, newest)
        return [rows.top_position_row(self._of(symbol), time, ratio, _PERIOD, received_at) for time, ratio in ratios]

    async def _all_accounts(self, symbol: str, newest: int) -> Sequence[Row]:
        ratios, received_at = await self._ratios(_ACCOUNTS, symbol, newest)
        return [rows.all_account_row(self._of(symbol), time, ratio, _PERIOD, received_at) for time, ratio in ratios]

    async def _ratios(self, name: str, symbol: str, newest: int) -> tuple[list[tuple[int, str]], int]:
        """(end of period, ratio) newer than ``newest``, oldest first."""
        ratios, received_at = await self._since(
            f"{_RUBIK}/{name}",
            list[tuple[str, str]],
            {"instId": symbol, "period": _PERIOD, "limit": _RATIO_LIMIT},
            "end",
            lambda row: int(row[0]),
            newest,
        )
        return [(time, ratio) for time, (_, ratio) in ratios if time > newest], received_at

    async def _since(
        self,
        path: str,
        answer: type[list[R]],
        asked: Mapping[str, str | int],
        before: str,
        time_of: Callable[[R], int],
        newest: int,
    ) -> tuple[list[tuple[int, R]], int]:
        """Rows by time, and when they were received: pages run backwards, each to ``before`` the oldest that is known,
        until they reach ``newest`` or OKX has no more."""
        found: dict[int, R] = {}
        while True:
            page, received_at = await self._api.get(path, answer, asked)
            known = len(found)
            found |= {time_of(row): row for row in page}
            oldest = min(found, default=0)
            if not newest or oldest <= newest or len(found) == known:
                return sorted(found.items(), key=lambda item: item[0]), received_at
            asked = {**asked, before: oldest}
