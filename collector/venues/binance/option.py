"""Binance European options as a ``Venue``: trades, books, open interest, implied volatility of the mark price.

What covers many contracts of an underlying in one stream is subscribed so; only books are per contract. There is no
REST history by id: a missed trade older than the recent page is lost, and a gap says so.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from collector.rest import RestClient
from collector.venue import BookRule, BookUpdate, ConnectionPlan, Poll, RepairPage, Stream
from collector.venues.binance import books, channels, option_rows, rest, symbols
from collector.venues.binance.market import BinanceMarket, Items, page, reader
from collector.venues.binance.option_messages import (
    OptionDepthSnapshot,
    OptionExchangeInfo,
    OptionInterest,
    OptionMark,
    OptionTradeMessage,
    RestOptionInterest,
    RestOptionTrade,
)
from marketprism.events import Instrument, Row
from marketprism.settings import CollectorSettings

logger = logging.getLogger(__name__)

_EXPECT_S: Final = {"orderbooks": 300.0, "volatility_indices": 30.0, "open_interests": 300.0}
"""Many contracts have no order for minutes, and no trade for days."""

_trade = reader(OptionTradeMessage)
_marks = reader(list[OptionMark])
_interests = reader(list[OptionInterest])


class BinanceOption(BinanceMarket):
    """Premiums are in the quote currency; quantities are contracts of ``unit`` base units."""

    market_type = "option"
    book_rule: BookRule = staticmethod(books.futures_rule)
    volume_path = "/eapi/v1/ticker"
    volume_weight = 5
    expect_s = _EXPECT_S

    def __init__(self, settings: CollectorSettings, client: RestClient) -> None:
        api = rest.BinanceRest(client, "option", settings.binance_option_rest_url, rest.OPTION_BUDGET)
        super().__init__(settings, api, settings.binance_option_trade_stream, settings.binance_option_depth_stream)
        self._shared: dict[str, set[str]] = {}  # the contracts of each stream that several have

    async def fetch_instruments(self) -> list[Instrument]:
        answer, received_at = await self._api.get("/eapi/v1/exchangeInfo", OptionExchangeInfo, weight=1)
        self._api.observe_limits(answer.rateLimits)
        contracts = {contract.underlying: contract for contract in answer.optionContracts}
        found = []
        for info in answer.optionSymbols:
            try:
                found.append(symbols.option_instrument(info, contracts.get(info.underlying), received_at))
            except ValueError as error:
                logger.warning("instrument %s of binance.option is left out: %s", info.symbol, error)
        return found

    def plan(self, symbols: Sequence[str]) -> list[ConnectionPlan]:
        settings = self._settings
        public: list[Stream] = []
        market: list[Stream] = []
        for symbol in symbols:
            public.append(self._route(self._depth_stream, "orderbooks", symbol, self._on_depth))
            trades = self._name(self._trade_stream, symbol)
            public += self._wide(trades, "trades", self._on_trade)
            marks = self._name(settings.binance_option_mark_stream, symbol)
            market += self._wide(marks, "volatility_indices", self._on_marks)
            interest = self._name(settings.binance_option_interest_stream, symbol)
            market += self._wide(interest, "open_interests", self._on_interest)
            for name in (trades, marks, interest):
                self._shared.setdefault(name, set()).add(symbol)
        if symbols:
            market += self._wide(settings.binance_option_listing_stream, "listings", self._on_listing)
        return [
            *channels.connections("binance.option.public", (settings.binance_option_ws_public_url,), public),
            *channels.connections("binance.option.market", (settings.binance_option_ws_market_url,), market),
        ]

    def forget(self, streams: Sequence[Stream]) -> Collection[str]:
        """Streams of an expiry end with it: a year of daily expiries is more than a thousand."""
        super().forget(streams)
        gone = {stream.symbol for stream in streams}
        for contracts in self._shared.values():
            contracts -= gone
        empty = [name for name, contracts in self._shared.items() if not contracts]
        for name in empty:
            del self._shared[name]
            self._routes.pop(name, None)
        return empty

    def polls(self) -> Sequence[Poll]:
        if self._settings.binance_option_interest_stream:
            return ()
        return (
            Poll(
                "open interest",
                "open_interests",
                self._settings.open_interest_interval_s,
                self._open_interest,
                per_symbol=False,
            ),
        )

    async def fetch_book(self, symbol: str) -> BookUpdate:
        limit, weight = rest.depth_page(self._settings.book_snapshot_levels, self.market_type)
        answer, received_at = await self._api.get(
            "/eapi/v1/depth", OptionDepthSnapshot, {"symbol": symbol, "limit": limit}, weight=weight
        )
        return option_rows.option_snapshot(symbol, answer, received_at)

    def can_repair(self, trade_kind: str) -> bool:
        return True

    async def fetch_trades(self, symbol: str, trade_kind: str, first: int, last: int) -> RepairPage:
        answer, received_at = await self._api.get(
            "/eapi/v1/trades", list[RestOptionTrade], {"symbol": symbol, "limit": 500}, weight=5, urgent=True
        )
        of = self._of(symbol)
        trades = [option_rows.rest_option_trade(of, row, received_at) for row in answer]
        return page(sorted((trade for trade in trades if trade.sequence >= first), key=lambda row: row.sequence), last)

    def _name(self, template: str, symbol: str) -> str:
        """A stream name of the symbol, its underlying, or its underlying and expiry."""
        instrument = self._of(symbol).instrument
        name = template.replace("{underlying}", f"{instrument.base}{instrument.quote}".lower())
        return channels.stream_name(name.replace("{expiry}", symbols.expiry_day(instrument)), symbol)

    def _on_trade(self, data: msgspec.Raw, received_at: int) -> Items:
        message = _trade(data)
        of = self._tracked.get(message.symbol)  # a stream of the underlying has every contract
        return () if of is None else (option_rows.option_trade(of, message, received_at),)

    def _on_marks(self, data: msgspec.Raw, received_at: int) -> Items:
        found = []
        for message in _marks(data):
            of = self._tracked.get(message.symbol)
            row = None if of is None else option_rows.mark_volatility(of, message, received_at)
            if row is not None:
                found.append(row)
        return found

    def _on_interest(self, data: msgspec.Raw, received_at: int) -> Items:
        return [
            option_rows.streamed_interest(of, message, received_at)
            for message in _interests(data)
            if (of := self._tracked.get(message.symbol)) is not None
        ]

    async def _open_interest(self, _: str, newest: int) -> Sequence[Row]:
        """One request per underlying and expiry, each with a time of its own: ``newest`` is of all of them, and says
        nothing about one. What has not changed is dropped as a duplicate."""
        asked = {(of.instrument.base, symbols.expiry_day(of.instrument)) for of in self._tracked.values()}
        found = []
        for underlying, expiration in sorted(asked):
            answer, received_at = await self._api.get(
                "/eapi/v1/openInterest",
                list[RestOptionInterest],
                {"underlyingAsset": underlying, "expiration": expiration},
            )
            for row in answer:
                of = self._tracked.get(row.symbol)
                if of is not None:
                    found.append(option_rows.rest_interest(of, row, received_at))
        return found
