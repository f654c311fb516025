"""Bybit spot and linear as ``Venue``s."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeVar

import msgspec

from collector.grid import Grid
from collector.rest import RestClient, RestError
from collector.tracked import Tracked
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
from collector.venues.bybit import books, channels, rows, symbols
from collector.venues.bybit.messages import (
    BookMessage,
    Envelope,
    FundingPage,
    FundingRow,
    InstrumentPage,
    LiquidationMessage,
    TickerMessage,
    TradeMessage,
    TurnoverPage,
)
from collector.venues.bybit.rest import BybitRest
from collector.venues.bybit.rows import HOUR_MS
from marketprism.events import Instrument, Row
from marketprism.settings import CollectorSettings

logger = logging.getLogger(__name__)

M = TypeVar("M")
Items = Sequence[Row | BookUpdate | Control]
Handler = Callable[[Envelope, int], Items]

_PAGE: Final = 1000
_REST_BOOK_DEPTH: Final = 1000
"""REST numbers a book as the stream of so many levels does; each depth counts its own updates."""
_FUNDING_MS: Final = 1000
_FUNDING_FEW: Final = 10
_FUNDING_PAGE: Final = 200


def _reader(message: type[M]) -> Callable[[msgspec.Raw], M]:
    return msgspec.json.Decoder(message).decode


_envelope = msgspec.json.Decoder(Envelope).decode
_trades = msgspec.json.Decoder(list[TradeMessage]).decode
_book = _reader(BookMessage)
_ticker = _reader(TickerMessage)
_liquidations = msgspec.json.Decoder(list[LiquidationMessage]).decode


class Bybit:
    """One Bybit market."""

    exchange = "bybit"
    dialect = channels.DIALECT
    book_rule: BookRule = staticmethod(books.update_rule)
    book_resubscribes = True
    trades_consecutive = False
    lists_all = True
    trade_kind = "trade"

    def __init__(self, market_type: str, settings: CollectorSettings, client: RestClient) -> None:
        self.market_type = market_type
        self._settings = settings
        self._api = BybitRest(client, market_type, settings.bybit_rest_url)
        self._tracked: dict[str, Tracked] = {}
        self._tickers: dict[str, TickerMessage] = {}
        self._ordinals = books.Ordinals()
        self._grid = Grid()
        self._handlers: dict[str, Handler] = {
            "publicTrade": self._on_trades,
            "orderbook": self._on_book,
            "tickers": self._on_ticker,
            "allLiquidation": self._on_liquidations,
        }

    def track(self, instruments: Sequence[Instrument]) -> None:
        for instrument in instruments:
            self._tracked[instrument.symbol] = Tracked.of(instrument)

    def forget(self, streams: Sequence[Stream]) -> Collection[str]:
        for stream in streams:
            self._tracked.pop(stream.symbol, None)
            self._tickers.pop(stream.symbol, None)
            self._ordinals.forget(stream.symbol)
        self._grid.forget({stream.symbol for stream in streams})
        return ()

    async def fetch_instruments(self) -> list[Instrument]:
        found: list[Instrument] = []
        cursor = ""
        while True:
            page, received_at = await self._api.get(
                "instruments-info", InstrumentPage, {"limit": _PAGE, **({"cursor": cursor} if cursor else {})}
            )
            for info in page.rows:
                try:
                    found.append(symbols.instrument_row(info, self.market_type, received_at))
                except ValueError as error:
                    logger.warning("instrument %s of bybit.%s is left out: %s", info.symbol, self.market_type, error)
            cursor = page.nextPageCursor
            if not cursor or not page.rows:
                return found

    async def fetch_volumes(self) -> dict[str, float]:
        page, _ = await self._api.get("tickers", TurnoverPage, {})
        return {row.symbol: float(row.turnover24h or 0) for row in page.rows}

    def plan(self, symbols: Sequence[str]) -> list[ConnectionPlan]:
        streams: list[Stream] = []
        for symbol in symbols:
            streams.append(Stream(f"publicTrade.{symbol}", "trades", symbol, 60.0))
            streams.append(Stream(f"orderbook.{self._settings.bybit_book_depth}.{symbol}", "orderbooks", symbol, 30.0))
            if self.market_type == "linear":
                streams.append(Stream(f"tickers.{symbol}", "funding_rates", symbol, 30.0))
                streams.append(Stream(f"allLiquidation.{symbol}", "liquidations", symbol))
        url = f"{self._settings.bybit_ws_url.rstrip('/')}/{self.market_type}"
        return channels.connections(f"bybit.{self.market_type}", url, streams)

    def polls(self) -> Sequence[Poll]:
        if self.market_type != "linear":
            return ()
        return (Poll("settled funding", "funding_rates", self._settings.funding_interval_s, self._settled),)

    def parse(self, payload: bytes, received_at: int) -> Parsed:
        try:
            envelope = _envelope(payload)
            if not envelope.topic:
                refused = "" if envelope.success else f"{envelope.op}: {envelope.ret_msg}"
                return Parsed("", (Control(refused=refused),) if refused else ())
            handler = self._handlers.get(envelope.topic.partition(".")[0])
            if handler is None:
                raise MessageError("unknown_stream", f"message on {envelope.topic!r}, which was not subscribed")
            return Parsed(envelope.topic, handler(envelope, received_at))
        except msgspec.MsgspecError as error:
            raise MessageError("malformed", f"unreadable message ({error}); it is skipped") from error

    def _of(self, symbol: str) -> Tracked:
        tracked = self._tracked.get(symbol)
        if tracked is None:
            raise MessageError(
                "unknown_symbol", f"message for {symbol!r}, which is not collected; see MARKETPRISM_COLLECTOR_SYMBOLS"
            )
        return tracked

    def _on_trades(self, envelope: Envelope, received_at: int) -> Items:
        return [
            rows.trade_row(self._of(row.symbol), row, self._ordinals.number(row.symbol, row.seq, row.id), received_at)
            for row in _trades(envelope.data)
        ]

    def _on_book(self, envelope: Envelope, received_at: int) -> Items:
        message = _book(envelope.data)
        self._of(message.symbol)
        time, snapshot = envelope.cts or envelope.ts, envelope.type == "snapshot"
        return (rows.book_update(message, time, received_at, snapshot=snapshot),)

    def _on_ticker(self, envelope: Envelope, received_at: int) -> Items:
        """Only what changed comes: the rest is what it was."""
        message = _ticker(envelope.data)
        of, symbol, time = self._of(message.symbol), message.symbol, envelope.ts
        known = self._tickers.get(symbol)
        if known is not None and envelope.type != "snapshot":
            news = {name: value for name, value in msgspec.structs.asdict(message).items() if value}
            message = msgspec.structs.replace(known, **news)
        self._tickers[symbol] = message
        found: list[Row] = []
        pays = of.instrument.type == "perpetual" and message.fundingRate and message.nextFundingTime
        if pays and self._grid.first(symbol, "funding", time, _FUNDING_MS):
            found.append(rows.predicted_funding(of, message, time, received_at))
        interest_ms = round(self._settings.open_interest_interval_s * 1000)
        if message.openInterest and self._grid.first(symbol, "interest", time, interest_ms):
            found.append(rows.open_interest_row(of, message, time, received_at))
        return found

    def _on_liquidations(self, envelope: Envelope, received_at: int) -> Items:
        return [rows.liquidation_row(self._of(row.symbol), row, received_at) for row in _liquidations(envelope.data)]

    async def fetch_book(self, symbol: str) -> BookUpdate:
        if self._settings.bybit_book_depth != _REST_BOOK_DEPTH:
            topic = f"orderbook.{self._settings.bybit_book_depth}"
            raise RestError(0, f"only its stream's snapshot begins it, REST numbers no book as {topic} does")
        limit = min(self._settings.bybit_book_depth, 200 if self.market_type == "spot" else 500)
        message, received_at = await self._api.get("orderbook", BookMessage, {"symbol": symbol, "limit": limit})
        return rows.book_update(message, message.cts or message.ts, received_at, snapshot=True)

    def can_repair(self, trade_kind: str) -> bool:
        """Ids have holes of their own: nobody can tell what is missing."""
        return False

    async def fetch_trades(self, symbol: str, trade_kind: str, first: int, last: int) -> RepairPage:
        return RepairPage()

    async def _settled(self, symbol: str, newest: int) -> Sequence[Row]:
        of = self._of(symbol)
        if of.instrument.type != "perpetual":
            return ()
        found, received_at = await self._fundings(symbol, newest)
        settled, before = [], 0
        for time, row in found:
            if time > newest:
                interval = round((time - before) / HOUR_MS) if before else 0
                settled.append(rows.settled_funding(of, row, interval, received_at))
            before = time
        return settled

    async def _fundings(self, symbol: str, newest: int) -> tuple[list[tuple[int, FundingRow]], int]:
        """Settlements by time, and when they were received: pages run backwards until they reach ``newest``."""
        found: dict[int, FundingRow] = {}
        asked: dict[str, str | int] = {"symbol": symbol, "limit": _FUNDING_FEW}
        while True:
            page, received_at = await self._api.get("funding/history", FundingPage, asked)
            known = len(found)
            found |= {int(row.fundingRateTimestamp): row for row in page.rows}
            oldest = min(found, default=0)
            if not newest or oldest <= newest or len(found) == known:
                return sorted(found.items()), received_at
            asked |= {"limit": _FUNDING_PAGE, "endTime": oldest - 1}
