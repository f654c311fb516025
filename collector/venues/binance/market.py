"""What all Binance markets share: combined streams, trades, depth diffs, exchangeInfo, listings, repair by id."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeVar

import msgspec

from collector.venue import BookRule, BookUpdate, Control, MessageError, Parsed, RepairPage, Stream
from collector.venues.binance import channels, rest, rows
from collector.venues.binance.messages import (
    AggTradeMessage,
    DepthMessage,
    DepthSnapshot,
    Envelope,
    ExchangeInfo,
    ListingMessage,
    SymbolInfo,
    Ticker24h,
    TradeMessage,
)
from collector.venues.binance.rows import Tracked
from marketprism.events import Instrument, Row, Trade
from marketprism.settings import CollectorSettings

logger = logging.getLogger(__name__)

M = TypeVar("M")
R = TypeVar("R", bound=Row)
Items = Sequence[Row | BookUpdate | Control]
Handler = Callable[[msgspec.Raw, int], Items]

PAGE: Final = 1000
_EXPECT_S: Final = {"trades": 60.0, "orderbooks": 30.0, "funding_rates": 15.0}


def reader(message: type[M]) -> Callable[[msgspec.Raw], M]:
    return msgspec.json.Decoder(message).decode


_envelope = msgspec.json.Decoder(Envelope).decode
_trade = reader(TradeMessage)
_agg_trade = reader(AggTradeMessage)
_depth = reader(DepthMessage)
_listing = reader(ListingMessage)


class BinanceMarket:
    """One market; the concrete ones name their paths, streams and polls."""

    exchange = "binance"
    market_type: str
    dialect = channels.DIALECT
    book_rule: BookRule
    book_resubscribes = False
    trades_consecutive = True
    lists_all = True
    depth_path: str
    agg_trades_path: str
    agg_trades_weight: int
    info_path: str
    info_weight: int
    volume_path: str
    volume_weight: int
    expect_s: dict[str, float] = _EXPECT_S
    """Seconds within which a channel's streams must bring data."""

    def __init__(
        self, settings: CollectorSettings, api: rest.BinanceRest, trade_stream: str, depth_stream: str
    ) -> None:
        self._settings = settings
        self._api = api
        self._trade_stream = trade_stream
        self._depth_stream = depth_stream
        self._tracked: dict[str, Tracked] = {}
        self._routes: dict[str, Handler] = {}

    @property
    def trade_kind(self) -> str:
        return "agg_trade" if "aggtrade" in self._trade_stream.lower() else "trade"

    def track(self, instruments: Sequence[Instrument]) -> None:
        for instrument in instruments:
            self._tracked[instrument.symbol] = Tracked.of(instrument)

    def forget(self, streams: Sequence[Stream]) -> Collection[str]:
        for stream in streams:
            self._tracked.pop(stream.symbol, None)
            self._routes.pop(stream.name, None)
        return ()

    def parse(self, payload: bytes, received_at: int) -> Parsed:
        try:
            envelope = _envelope(payload)
            if not envelope.stream:
                return Parsed("", _control(envelope))
            handler = self._routes.get(envelope.stream)
            if handler is None:
                return Parsed(envelope.stream, self._unrouted(envelope.stream))
            return Parsed(envelope.stream, handler(envelope.data, received_at))
        except msgspec.MsgspecError as error:
            raise MessageError("malformed", f"unreadable message ({error}); it is skipped") from error

    async def fetch_instruments(self) -> list[Instrument]:
        answer, received_at = await self._api.get(self.info_path, ExchangeInfo, weight=self.info_weight)
        self._api.observe_limits(answer.rateLimits)
        self._read_contracts(answer.symbols)
        return self._instruments(answer.symbols, received_at)

    async def fetch_volumes(self) -> dict[str, float]:
        answer, _ = await self._api.get(self.volume_path, list[Ticker24h], weight=self.volume_weight)
        return {row.symbol: row.value for row in answer}

    async def fetch_book(self, symbol: str) -> BookUpdate:
        limit, weight = rest.depth_page(self._settings.book_snapshot_levels, self.market_type)
        answer, received_at = await self._api.get(
            self.depth_path, DepthSnapshot, {"symbol": symbol, "limit": limit}, weight=weight
        )
        return rows.book_snapshot(symbol, answer, received_at)

    def can_repair(self, trade_kind: str) -> bool:
        return trade_kind == "agg_trade"

    async def fetch_trades(self, symbol: str, trade_kind: str, first: int, last: int) -> RepairPage:
        answer, received_at = await self._api.get(
            self.agg_trades_path,
            list[AggTradeMessage],
            {"symbol": symbol, "fromId": first, "limit": min(PAGE, last - first + 1)},
            weight=self.agg_trades_weight,
            urgent=True,
        )
        of = self._of(symbol)
        return page([rows.agg_trade_row(of, row, received_at, "rest") for row in answer], last)

    def _instruments(self, infos: Sequence[SymbolInfo], received_at: int) -> list[Instrument]:
        found = []
        for info in infos:
            try:
                found.append(self._instrument(info, received_at))
            except ValueError as error:
                logger.warning("instrument %s of binance.%s is left out: %s", info.symbol, self.market_type, error)
        return found

    def _instrument(self, info: SymbolInfo, received_at: int) -> Instrument:
        raise TypeError("a concrete market says how its instruments are read")

    def _read_contracts(self, infos: Sequence[SymbolInfo]) -> None:
        """For markets whose requests need more of a symbol than its name."""

    def _of(self, symbol: str) -> Tracked:
        tracked = self._tracked.get(symbol)
        if tracked is None:
            raise MessageError(
                "unknown_symbol", f"message for {symbol!r}, which is not collected; see MARKETPRISM_COLLECTOR_SYMBOLS"
            )
        return tracked

    def _market_streams(self, symbol: str) -> tuple[Stream, Stream]:
        """(trades, depth) of a symbol; their messages are routed from now on."""
        on_trade = self._on_agg_trade if self.trade_kind == "agg_trade" else self._on_trade
        return (
            self._route(self._trade_stream, "trades", symbol, on_trade),
            self._route(self._depth_stream, "orderbooks", symbol, self._on_depth),
        )

    def _route(self, template: str, channel: str, symbol: str, handler: Handler) -> Stream:
        name = channels.stream_name(template, symbol)
        self._routes[name] = handler
        return Stream(name, channel, symbol, self.expect_s.get(channel))

    def _wide(self, name: str, channel: str, handler: Handler) -> list[Stream]:
        """A stream of many symbols: subscribed once, with the first of them; none when ``name`` is empty."""
        if not name or name in self._routes:
            return []
        self._routes[name] = handler
        return [Stream(name, channel, "", self.expect_s.get(channel))]

    def _on_trade(self, data: msgspec.Raw, received_at: int) -> Items:
        message = _trade(data)
        return (rows.trade_row(self._of(message.symbol), message, received_at),)

    def _on_agg_trade(self, data: msgspec.Raw, received_at: int) -> Items:
        message = _agg_trade(data)
        return (rows.agg_trade_row(self._of(message.symbol), message, received_at),)

    def _on_depth(self, data: msgspec.Raw, received_at: int) -> Items:
        message = _depth(data)
        self._of(message.symbol)
        return (rows.book_update(message, received_at),)

    def _on_listing(self, data: msgspec.Raw, received_at: int) -> Items:
        message = _listing(data)
        return (Control(listing=f"{message.symbol} {message.status}".rstrip()),)

    @staticmethod
    def _unrouted(stream: str) -> Items:
        if stream == "!serverShutdown":
            return (Control(restart="the server announces its shutdown"),)
        raise MessageError("unknown_stream", f"message on {stream!r}, which was not subscribed")

    def _bases(self, *urls: str) -> tuple[str, ...]:
        """Alternates only for live exchanges: a replay that falls silent must not be looked for on the internet."""
        return urls[:1] if self._settings.clock == "stamped" else urls


def page(trades: list[Trade], last: int) -> RepairPage:
    """Rows of one answer, ascending without a break: whatever lies below the newest of them is not to be had."""
    if not trades:
        return RepairPage()
    return RepairPage([trade for trade in trades if trade.sequence <= last], min(trades[-1].sequence, last))


def _control(envelope: Envelope) -> Items:
    error = bytes(envelope.error)
    return (Control(refused=error.decode(errors="replace")[:200]),) if error else ()
