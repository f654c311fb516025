"""Binance USD-M (linear) and COIN-M (inverse) futures as ``Venue``s: one set of streams, two hosts.

Both have trades, books, funding, open interest, liquidations and long/short ratios. COIN-M counts contracts of dollars,
asks for ratios by pair, and its open interest becomes base units at the mark price.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from collector.rest import RestClient, RestError
from collector.venue import BookRule, ConnectionPlan, Poll, Stream
from collector.venues.binance import books, channels, rest, rows, symbols
from collector.venues.binance.market import BinanceMarket, Items, reader
from collector.venues.binance.messages import (
    ForceOrderMessage,
    FundingInfo,
    FundingRow,
    MarkPriceMessage,
    OpenInterestAnswer,
    PremiumIndex,
    RatioRow,
    SymbolInfo,
)
from collector.venues.binance.rows import HOUR_MS
from marketprism.events import Instrument, Row
from marketprism.settings import CollectorSettings

logger = logging.getLogger(__name__)

_PERIOD: Final = "5m"
_PERIOD_MS: Final = 300_000
_RATIOS_USUAL: Final = 30
_RATIOS_MOST: Final = 500
_RATIO_REACH_MS: Final = 30 * 24 * HOUR_MS - HOUR_MS
"""An hour less than the 30 days that Binance has."""
_FUNDING_FEW: Final = 10
"""Settlements of a contract of which nothing is stored."""
_FUNDING_PAGE: Final = 1000
"""At most, oldest first: what is newer comes at the next look."""

_mark_price = reader(MarkPriceMessage)
_force_order = reader(ForceOrderMessage)


@dataclass(frozen=True, slots=True)
class Streams:
    """Stream names and addresses of one futures market, best first."""

    trade: str
    depth: str
    mark: str
    liquidation: str
    public_urls: tuple[str, ...]
    market_urls: tuple[str, ...]


class BinanceFutures(BinanceMarket):
    """What USD-M and COIN-M share. ``prefix`` of REST paths; ``merged``: the ``st`` of its rows on merged streams."""

    book_rule: BookRule = staticmethod(books.futures_rule)
    agg_trades_weight = 20
    info_weight = 1
    volume_weight = 40
    prefix: str
    merged: int

    def __init__(self, settings: CollectorSettings, client: RestClient, rest_url: str, streams: Streams) -> None:
        api = rest.BinanceRest(client, self.market_type, rest_url, rest.FUTURES_BUDGET)
        super().__init__(settings, api, streams.trade, streams.depth)
        self.depth_path = f"{self.prefix}/depth"
        self.agg_trades_path = f"{self.prefix}/aggTrades"
        self.info_path = f"{self.prefix}/exchangeInfo"
        self.volume_path = f"{self.prefix}/ticker/24hr"
        self._streams = streams
        self._contracts: dict[str, SymbolInfo] = {}
        self._intervals: dict[str, int] | None = None

    def plan(self, symbols: Sequence[str]) -> list[ConnectionPlan]:
        if not symbols:
            return []
        streams = self._streams
        raw_trades = "aggtrade" not in streams.trade.lower()
        public: list[Stream] = []
        market: list[Stream] = []
        for symbol in symbols:
            trades, depth = self._market_streams(symbol)
            public.append(depth)
            # raw trades come on the public route (undocumented), aggregated ones on the market route
            (public if raw_trades else market).append(trades)
            market.append(self._route(streams.mark, "funding_rates", symbol, self._on_mark_price))
        if "{symbol}" in streams.liquidation:
            market += [
                self._route(streams.liquidation, "liquidations", symbol, self._on_force_order) for symbol in symbols
            ]
        else:
            market += self._wide(streams.liquidation, "liquidations", self._on_force_order)
        market += self._wide(self._settings.binance_listing_stream, "listings", self._on_listing)
        name = f"binance.{self.market_type}"
        return [
            *channels.connections(f"{name}.public", self._bases(*streams.public_urls), public),
            *channels.connections(f"{name}.market", self._bases(*streams.market_urls), market),
        ]

    async def fetch_instruments(self) -> list[Instrument]:
        instruments = await super().fetch_instruments()
        try:
            answer, _ = await self._api.get(
                f"{self.prefix}/fundingInfo", list[FundingInfo], weight=1, budget=rest.FUNDING_BUDGET
            )
        except RestError as error:
            logger.info("funding intervals of binance.%s stay unknown for now: %s", self.market_type, error)
        else:
            self._intervals = {row.symbol: row.fundingIntervalHours for row in answer}
        return instruments

    def polls(self) -> Sequence[Poll]:
        settings = self._settings
        return (
            Poll("settled funding", "funding_rates", settings.funding_interval_s, self._settled),
            Poll("open interest", "open_interests", settings.open_interest_interval_s, self._open_interest),
            Poll("top position ratio", "lsr_top_positions", settings.ratio_interval_s, self._top_positions),
            Poll("account ratio", "lsr_all_accounts", settings.ratio_interval_s, self._all_accounts),
        )

    def _read_contracts(self, infos: Sequence[SymbolInfo]) -> None:
        self._contracts = {info.symbol: info for info in infos}

    def _interval_h(self, symbol: str) -> int:
        """fundingInfo lists only adjusted symbols: absence means 8 h; 0 (unknown) until it was read."""
        return 0 if self._intervals is None else self._intervals.get(symbol, 8)

    def _on_mark_price(self, data: msgspec.Raw, received_at: int) -> Items:
        message = _mark_price(data)
        of = self._of(message.symbol)
        of.mark_price = message.mark_price
        row = rows.predicted_funding(of, message, self._interval_h(message.symbol), received_at)
        return () if row is None else (row,)

    def _on_force_order(self, data: msgspec.Raw, received_at: int) -> Items:
        message = _force_order(data)
        tracked = self._tracked.get(message.order.symbol)
        # the market-wide stream carries USD-M and COIN-M since 2026-06-30, and symbols that nobody asked for
        if tracked is None or (message.order.market or message.market or self.merged) != self.merged:
            return ()
        return (rows.liquidation_row(tracked, message.order, received_at),)

    async def _settled(self, symbol: str, newest: int) -> Sequence[Row]:
        of = self._of(symbol)
        if of.instrument.type != "perpetual":
            return ()
        since = {"startTime": newest + 1, "limit": _FUNDING_PAGE} if newest else {"limit": _FUNDING_FEW}
        answer, received_at = await self._api.get(
            f"{self.prefix}/fundingRate", list[FundingRow], {"symbol": symbol, **since}, budget=rest.FUNDING_BUDGET
        )
        found, before = [], newest
        for row in answer:
            # the interval can change at any time; the distance to the settlement before is the fact
            interval = round((row.fundingTime - before) / HOUR_MS) if before else self._interval_h(symbol)
            if row.fundingTime > newest:
                found.append(rows.settled_funding(of, row, interval, received_at))
            before = row.fundingTime
        return found

    async def _open_interest(self, symbol: str, newest: int) -> Sequence[Row]:
        of = self._of(symbol)
        answer, received_at = await self._api.get(f"{self.prefix}/openInterest", OpenInterestAnswer, {"symbol": symbol})
        if answer.time <= newest:
            return ()
        mark_price = of.mark_price
        if of.unit.inverse and not mark_price:
            marks, _ = await self._api.get(
                f"{self.prefix}/premiumIndex", list[PremiumIndex], {"symbol": symbol}, weight=10
            )
            mark_price = next((row.markPrice for row in marks if row.symbol == symbol), "")
            if not mark_price:
                raise RestError(0, f"premiumIndex has no {symbol}: its open interest has no price")
        return (rows.open_interest_row(of, answer, mark_price, received_at),)

    async def _top_positions(self, symbol: str, newest: int) -> Sequence[Row]:
        answer, received_at = await self._ratios("topLongShortPositionRatio", symbol, newest)
        return [rows.top_position_row(self._of(symbol), row, _PERIOD, received_at) for row in answer]

    async def _all_accounts(self, symbol: str, newest: int) -> Sequence[Row]:
        answer, received_at = await self._ratios("globalLongShortAccountRatio", symbol, newest)
        return [rows.all_account_row(self._of(symbol), row, _PERIOD, received_at) for row in answer]

    def _ratio_of(self, symbol: str) -> dict[str, str]:
        """How a ratio is asked for."""
        return {"symbol": symbol}

    async def _ratios(self, name: str, symbol: str, newest: int) -> tuple[list[RatioRow], int]:
        """Period-end rows newer than ``newest``, by time. What the usual page does not reach is asked for by stretches
        of the largest page: which end of a longer one comes is not documented."""
        found, received_at = await self._ratio_page(name, symbol, {"limit": _RATIOS_USUAL})
        if newest and found:
            oldest = min(row.timestamp for row in found)
            first = max(newest + 1, max(row.timestamp for row in found) - _RATIO_REACH_MS)
            while first + _PERIOD_MS <= oldest:
                last = min(first + _RATIOS_MOST * _PERIOD_MS, oldest) - 1
                asked = {"limit": _RATIOS_MOST, "startTime": first, "endTime": last}
                try:
                    found += (await self._ratio_page(name, symbol, asked))[0]
                except RestError as error:
                    if not error.permanent:
                        raise
                    logger.warning("%s of %s before %d is not to be had: %s", name, symbol, last, error)
                first = last + 1
        found.sort(key=lambda row: row.timestamp)
        return [row for row in found if row.timestamp > newest], received_at

    async def _ratio_page(self, name: str, symbol: str, asked: dict[str, int]) -> tuple[list[RatioRow], int]:
        return await self._api.get(
            f"/futures/data/{name}",
            list[RatioRow],
            {**self._ratio_of(symbol), "period": _PERIOD, **asked},
            weight=1,
            budget=rest.DATA_BUDGET,
        )


class BinanceLinear(BinanceFutures):
    """USD-M: quantities are base units."""

    market_type = "linear"
    prefix = "/fapi/v1"
    merged = 1

    def __init__(self, settings: CollectorSettings, client: RestClient) -> None:
        public, market = settings.binance_linear_ws_public_url, settings.binance_linear_ws_market_url
        fallback = settings.binance_linear_ws_fallback_url
        streams = Streams(
            settings.binance_linear_trade_stream,
            settings.binance_linear_depth_stream,
            settings.binance_linear_mark_stream,
            settings.binance_linear_liquidation_stream,
            (public, fallback, market),
            (market, fallback, public),
        )
        super().__init__(settings, client, settings.binance_linear_rest_url, streams)

    def _instrument(self, info: SymbolInfo, received_at: int) -> Instrument:
        return symbols.linear_instrument(info, received_at)


class BinanceInverse(BinanceFutures):
    """COIN-M: quantities are contracts of ``contractSize`` dollars."""

    market_type = "inverse"
    prefix = "/dapi/v1"
    merged = 2

    def __init__(self, settings: CollectorSettings, client: RestClient) -> None:
        # sources disagree on whether this host has routes: each form is the other's fallback
        public, market = settings.binance_inverse_ws_public_url, settings.binance_inverse_ws_market_url
        streams = Streams(
            settings.binance_inverse_trade_stream,
            settings.binance_inverse_depth_stream,
            settings.binance_inverse_mark_stream,
            settings.binance_inverse_liquidation_stream,
            (public, market),
            (market, public),
        )
        super().__init__(settings, client, settings.binance_inverse_rest_url, streams)

    def _instrument(self, info: SymbolInfo, received_at: int) -> Instrument:
        return symbols.inverse_instrument(info, received_at)

    def _ratio_of(self, symbol: str) -> dict[str, str]:
        contract = self._contracts.get(symbol)
        if contract is None or not contract.pair:
            raise RestError(0, f"the pair of {symbol} is not known: exchangeInfo has not named it")
        return {"pair": contract.pair, "contractType": contract.contractType}
