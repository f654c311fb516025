"""Binance spot and USD-M as ``Venue``s: what all Binance markets share, and what each adds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from collector.rest import RestClient, RestError
from collector.venue import (
    BookRule,
    BookUpdate,
    ConnectionPlan,
    Control,
    MessageError,
    Parsed,
    Poll,
    RepairPage,
    Stream,
)
from collector.venues.binance import books, channels, rest, rows, symbols
from collector.venues.binance.messages import (
    AggTradeMessage,
    DepthMessage,
    DepthSnapshot,
    Envelope,
    ExchangeInfo,
    ForceOrderMessage,
    FundingInfo,
    FundingRow,
    MarkPriceMessage,
    OpenInterestAnswer,
    RatioRow,
    RestTrade,
    SymbolInfo,
    TradeMessage,
)
from collector.venues.binance.rows import HOUR_MS, Tracked
from marketprism.events import Instrument, Row, Trade
from marketprism.settings import CollectorSettings

logger = logging.getLogger(__name__)

M = TypeVar("M")
R = TypeVar("R", bound=Row)
Items = Sequence[Row | BookUpdate | Control]
Handler = Callable[[msgspec.Raw, int], Items]

_PAGE: Final = 1000
_PERIOD: Final = "5m"
_PERIOD_MS: Final = 300_000
_EXPECT_S: Final = {"trades": 60.0, "orderbooks": 30.0, "funding_rates": 15.0}


def _reader(message: type[M]) -> Callable[[msgspec.Raw], M]:
    return msgspec.json.Decoder(message).decode


_envelope = msgspec.json.Decoder(Envelope).decode
_trade = _reader(TradeMessage)
_agg_trade = _reader(AggTradeMessage)
_depth = _reader(DepthMessage)
_mark_price = _reader(MarkPriceMessage)
_force_order = _reader(ForceOrderMessage)


class _Binance:
    """What every Binance market has: combined streams, trades, depth diffs, exchangeInfo."""

    exchange = "binance"
    market_type: str
    dialect = channels.DIALECT
    book_rule: BookRule
    book_resubscribes = False
    depth_path: str
    agg_trades_path: str
    agg_trades_weight: int
    info_path: str
    info_weight: int

    def __init__(
        self, settings: CollectorSettings, api: rest.BinanceRest, trade_stream: str, depth_stream: str
    ) -> None:
        self._settings = settings
        self._api = api
        self._trade_stream = trade_stream
        self._depth_stream = depth_stream
        self._tracked: dict[str, Tracked] = {}
        self._routes: dict[str, Handler] = {}

    def track(self, instruments: Sequence[Instrument]) -> None:
        for instrument in instruments:
            self._tracked[instrument.symbol] = Tracked.of(instrument)

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
        instruments = []
        for info in answer.symbols:
            try:
                instruments.append(self._instrument(info, received_at))
            except ValueError as error:
                logger.warning("instrument %s of binance.%s is left out: %s", info.symbol, self.market_type, error)
        return instruments

    async def fetch_book(self, symbol: str) -> BookUpdate:
        limit = self._settings.book_snapshot_levels
        weight = rest.depth_weight(limit, self.market_type)
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
            {"symbol": symbol, "fromId": first, "limit": min(_PAGE, last - first + 1)},
            weight=self.agg_trades_weight,
        )
        of = self._of(symbol)
        return _page([rows.agg_trade_row(of, row, received_at, "rest") for row in answer], last)

    def _instrument(self, info: SymbolInfo, received_at: int) -> Instrument:
        return symbols.spot_instrument(info, received_at)

    def _of(self, symbol: str) -> Tracked:
        tracked = self._tracked.get(symbol)
        if tracked is None:
            raise MessageError(
                "unknown_symbol", f"message for {symbol!r}, which is not collected; see MARKETPRISM_COLLECTOR_SYMBOLS"
            )
        return tracked

    def _market_streams(self, symbol: str) -> tuple[Stream, Stream]:
        """(trades, depth) of a symbol; their messages are routed from now on."""
        agg = "aggtrade" in self._trade_stream.lower()
        return (
            self._route(self._trade_stream, "trades", symbol, self._on_agg_trade if agg else self._on_trade),
            self._route(self._depth_stream, "orderbooks", symbol, self._on_depth),
        )

    def _route(self, template: str, channel: str, symbol: str, handler: Handler) -> Stream:
        name = channels.stream_name(template, symbol)
        self._routes[name] = handler
        return Stream(name, channel, symbol, _EXPECT_S.get(channel))

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

    @staticmethod
    def _unrouted(stream: str) -> Items:
        if stream == "!serverShutdown":
            return (Control(restart="the server announces its shutdown"),)
        raise MessageError("unknown_stream", f"message on {stream!r}, which was not subscribed")

    def _bases(self, *urls: str) -> tuple[str, ...]:
        """Alternates only for live exchanges: a replay that falls silent must not be looked for on the internet."""
        return urls[:1] if self._settings.clock == "stamped" else urls


class BinanceSpot(_Binance):
    """Trades and books; spot has no other data types."""

    market_type = "spot"
    book_rule: BookRule = staticmethod(books.spot_rule)
    depth_path = "/api/v3/depth"
    agg_trades_path = "/api/v3/aggTrades"
    agg_trades_weight = 4
    info_path = "/api/v3/exchangeInfo"
    info_weight = 20

    def __init__(self, settings: CollectorSettings, client: RestClient) -> None:
        api = rest.BinanceRest(client, "spot", settings.binance_spot_rest_url, rest.SPOT_BUDGET)
        super().__init__(settings, api, settings.binance_spot_trade_stream, settings.binance_spot_depth_stream)

    def plan(self, symbols: Sequence[str]) -> list[ConnectionPlan]:
        streams = [stream for symbol in symbols for stream in self._market_streams(symbol)]
        urls = self._bases(self._settings.binance_spot_ws_url, self._settings.binance_spot_ws_fallback_url)
        return channels.connections("binance.spot", urls, streams)

    def polls(self) -> Sequence[Poll]:
        return ()

    def can_repair(self, trade_kind: str) -> bool:
        return True

    async def fetch_trades(self, symbol: str, trade_kind: str, first: int, last: int) -> RepairPage:
        if trade_kind == "agg_trade":
            return await super().fetch_trades(symbol, trade_kind, first, last)
        try:
            answer, received_at = await self._api.get(
                "/api/v3/historicalTrades",
                list[RestTrade],
                {"symbol": symbol, "fromId": first, "limit": min(_PAGE, last - first + 1)},
                weight=25,
            )
        except RestError as error:
            if error.status not in (401, 403):
                raise
            # where a key is asked for after all, the latest thousand need none
            answer, received_at = await self._api.get(
                "/api/v3/trades", list[RestTrade], {"symbol": symbol, "limit": _PAGE}, weight=25
            )
        of = self._of(symbol)
        return _page([rows.rest_trade_row(of, row, received_at) for row in answer if row.id >= first], last)


class BinanceLinear(_Binance):
    """USD-M futures: trades, books, funding, open interest, liquidations, long/short ratios."""

    market_type = "linear"
    book_rule: BookRule = staticmethod(books.futures_rule)
    depth_path = "/fapi/v1/depth"
    agg_trades_path = "/fapi/v1/aggTrades"
    agg_trades_weight = 20
    info_path = "/fapi/v1/exchangeInfo"
    info_weight = 1

    def __init__(self, settings: CollectorSettings, client: RestClient) -> None:
        api = rest.BinanceRest(client, "linear", settings.binance_linear_rest_url, rest.FUTURES_BUDGET)
        super().__init__(settings, api, settings.binance_linear_trade_stream, settings.binance_linear_depth_stream)
        self._intervals: dict[str, int] | None = None

    def plan(self, symbols: Sequence[str]) -> list[ConnectionPlan]:
        settings = self._settings
        raw_trades = "aggtrade" not in settings.binance_linear_trade_stream.lower()
        public: list[Stream] = []
        market: list[Stream] = []
        for symbol in symbols:
            trades, depth = self._market_streams(symbol)
            public.append(depth)
            # raw trades come on the public route (undocumented), aggregated ones on the market route
            (public if raw_trades else market).append(trades)
            market.append(
                self._route(settings.binance_linear_mark_stream, "funding_rates", symbol, self._on_mark_price)
            )
        liquidation = settings.binance_linear_liquidation_stream
        wide = "{symbol}" not in liquidation
        for symbol in [""] if wide and symbols else symbols:
            market.append(self._route(liquidation, "liquidations", symbol, self._on_force_order))
        bases = settings.binance_linear_ws_public_url, settings.binance_linear_ws_market_url
        fallback = settings.binance_linear_ws_fallback_url
        return [
            *channels.connections("binance.linear.public", self._bases(bases[0], fallback, bases[1]), public),
            *channels.connections("binance.linear.market", self._bases(bases[1], fallback, bases[0]), market),
        ]

    async def fetch_instruments(self) -> list[Instrument]:
        instruments = await super().fetch_instruments()
        try:
            answer, _ = await self._api.get(
                "/fapi/v1/fundingInfo", list[FundingInfo], weight=1, budget=rest.FUNDING_BUDGET
            )
        except RestError as error:
            logger.info("funding intervals of binance.linear stay unknown for now: %s", error)
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

    def _instrument(self, info: SymbolInfo, received_at: int) -> Instrument:
        return symbols.linear_instrument(info, received_at)

    def _interval_h(self, symbol: str) -> int:
        """fundingInfo lists only adjusted symbols: absence means 8 h; 0 (unknown) until it was read."""
        return 0 if self._intervals is None else self._intervals.get(symbol, 8)

    def _on_mark_price(self, data: msgspec.Raw, received_at: int) -> Items:
        message = _mark_price(data)
        row = rows.predicted_funding(self._of(message.symbol), message, self._interval_h(message.symbol), received_at)
        return () if row is None else (row,)

    def _on_force_order(self, data: msgspec.Raw, received_at: int) -> Items:
        message = _force_order(data)
        tracked = self._tracked.get(message.order.symbol)
        # the market-wide stream carries USD-M and COIN-M since 2026-06-30, and symbols that nobody asked for
        if tracked is None or (message.order.market or message.market or 1) != 1:
            return ()
        return (rows.liquidation_row(tracked, message.order, received_at),)

    async def _settled(self, symbol: str, newest: int) -> Sequence[Row]:
        answer, received_at = await self._api.get(
            "/fapi/v1/fundingRate", list[FundingRow], {"symbol": symbol, "limit": 10}, budget=rest.FUNDING_BUDGET
        )
        of = self._of(symbol)
        found = []
        for number, row in enumerate(answer):
            # the interval can change at any time; the distance to the settlement before is the fact
            before = answer[number - 1].fundingTime if number else 0
            interval = round((row.fundingTime - before) / HOUR_MS) if before else self._interval_h(symbol)
            if row.fundingTime > newest:
                found.append(rows.settled_funding(of, row, interval, received_at))
        return found

    async def _open_interest(self, symbol: str, newest: int) -> Sequence[Row]:
        answer, received_at = await self._api.get("/fapi/v1/openInterest", OpenInterestAnswer, {"symbol": symbol})
        return (rows.open_interest_row(self._of(symbol), answer, received_at),) if answer.time > newest else ()

    async def _top_positions(self, symbol: str, newest: int) -> Sequence[Row]:
        answer, received_at = await self._ratios("topLongShortPositionRatio", symbol, newest)
        return [rows.top_position_row(self._of(symbol), row, _PERIOD, received_at) for row in answer]

    async def _all_accounts(self, symbol: str, newest: int) -> Sequence[Row]:
        answer, received_at = await self._ratios("globalLongShortAccountRatio", symbol, newest)
        return [rows.all_account_row(self._of(symbol), row, _PERIOD, received_at) for row in answer]

    async def _ratios(self, name: str, symbol: str, newest: int) -> tuple[list[RatioRow], int]:
        """Period-end rows newer than ``newest``; asks for more when the usual page does not reach back to it."""
        for limit in (30, 500):
            answer, received_at = await self._api.get(
                f"/futures/data/{name}",
                list[RatioRow],
                {"symbol": symbol, "period": _PERIOD, "limit": limit},
                weight=1,
                budget=rest.DATA_BUDGET,
            )
            if not newest or not answer or min(row.timestamp for row in answer) <= newest + _PERIOD_MS:
                break
        answer.sort(key=lambda row: row.timestamp)
        return [row for row in answer if row.timestamp > newest], received_at


def _page(trades: list[Trade], last: int) -> RepairPage:
    """Rows of one answer, ascending without a break: whatever lies below the newest of them is not to be had."""
    if not trades:
        return RepairPage()
    return RepairPage([trade for trade in trades if trade.sequence <= last], min(trades[-1].sequence, last))


def _control(envelope: Envelope) -> Items:
    error = bytes(envelope.error)
    return (Control(refused=error.decode(errors="replace")[:200]),) if error else ()
