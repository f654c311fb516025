"""Deribit's four markets as ``Venue``s: one class, because they differ by metadata only."""

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
from collector.venues.deribit import books, channels, rows
from collector.venues.deribit import symbols as metadata
from collector.venues.deribit.messages import (
    BookMessage,
    BookSummary,
    Envelope,
    FundingRow,
    InstrumentInfo,
    OrderBook,
    RpcError,
    StateMessage,
    TickerMessage,
    TradeMessage,
    TradePage,
    VolatilityMessage,
)
from collector.venues.deribit.rest import INSTRUMENTS_BUDGET, DeribitRest
from marketprism.events import Instrument, Row
from marketprism.settings import CollectorSettings

logger = logging.getLogger(__name__)

M = TypeVar("M")
Items = Sequence[Row | BookUpdate | Control]
Handler = Callable[[msgspec.Raw, int], Items]

_PAGE: Final = 1000
_SNAPSHOT_LEVELS: Final = 1000
_FUNDING_REACH_MS: Final = 24 * 3_600_000
"""Of a contract of which nothing is stored."""
_FUNDING_PAGE_MS: Final = 30 * _FUNDING_REACH_MS
"""Asked for at once: an answer ends at about a month of hours."""
_FUNDING_PAGES: Final = 12
"""At most, so that a ticker with an absurd time does not ask for ever."""
_CURRENCIES: Final = ("BTC", "ETH", "USDC", "USDT", "EURR")
"""Asked for one by one where ``any`` is refused."""
_DVOL: Final = "deribit_volatility_index"


def _reader(message: type[M]) -> Callable[[msgspec.Raw], M]:
    return msgspec.json.Decoder(message).decode


_envelope = msgspec.json.Decoder(Envelope).decode
_trades = msgspec.json.Decoder(list[TradeMessage]).decode
_book = _reader(BookMessage)
_ticker = _reader(TickerMessage)
_volatility = _reader(VolatilityMessage)
_state = _reader(StateMessage)
_error = _reader(RpcError)
_channels = msgspec.json.Decoder(list[str]).decode


class Deribit:
    """One Deribit market."""

    exchange = "deribit"
    book_rule: BookRule = staticmethod(books.change_rule)
    book_resubscribes = True
    trades_consecutive = True
    trade_kind = "trade"

    def __init__(self, market_type: str, settings: CollectorSettings, client: RestClient) -> None:
        live = settings.clock == "system"  # a replay that falls silent must not be looked for on the internet
        history = settings.deribit_history_url if live or settings.deribit_history_url.startswith("http://") else ""
        self.market_type = market_type
        self._requests = channels.Requests()
        self.dialect = channels.dialect(self._requests)
        self._settings = settings
        self._api = DeribitRest(client, market_type, settings.deribit_rest_url, history)
        self._urls = (settings.deribit_ws_url, settings.deribit_ws_fallback_url if live else "")
        self._tracked: dict[str, Tracked] = {}
        self._currencies: set[str] = set()
        self.lists_all = "any" in settings.deribit_currencies
        self._wide: set[str] = set()
        self._grid = Grid()
        self._time = 0
        self._handlers: dict[str, Handler] = {
            "trades": self._on_trades,
            "book": self._on_book,
            "ticker": self._on_ticker,
            _DVOL: self._on_volatility,
            "instrument": self._on_state,
        }

    # ------------------------------------------------------------------ what is collected

    def track(self, instruments: Sequence[Instrument]) -> None:
        for instrument in instruments:
            self._tracked[instrument.symbol] = Tracked.of(instrument)

    def forget(self, streams: Sequence[Stream]) -> Collection[str]:
        for stream in streams:
            self._tracked.pop(stream.symbol, None)
        self._grid.forget({stream.symbol for stream in streams})
        return ()

    async def fetch_instruments(self) -> list[Instrument]:
        found: list[Instrument] = []
        self.lists_all = "any" in self._settings.deribit_currencies
        for currency in self._settings.deribit_currencies:
            try:
                found += await self._instruments(currency)
            except RestError as error:
                if currency != "any" or not error.permanent:
                    raise
                self.lists_all = False
                for one in _CURRENCIES:
                    found += await self._instruments(one)
        self._currencies = {row.settle for row in found}
        return found

    async def _instruments(self, currency: str) -> list[Instrument]:
        answer, received_at = await self._api.get(
            "get_instruments",
            list[InstrumentInfo],
            {"currency": currency, "kind": metadata.KINDS[self.market_type], "expired": "false"},
            budget=INSTRUMENTS_BUDGET,
        )
        found = []
        for info in answer:
            if metadata.market_of(info) != self.market_type:
                continue
            try:
                found.append(metadata.instrument_row(info, received_at))
            except ValueError as error:
                logger.warning(
                    "instrument %s of deribit.%s is left out: %s", info.instrument_name, self.market_type, error
                )
        return found

    async def fetch_volumes(self) -> dict[str, float]:
        volumes: dict[str, float] = {}
        for currency in sorted(self._currencies):
            answer, _ = await self._api.get(
                "get_book_summary_by_currency",
                list[BookSummary],
                {"currency": currency, "kind": metadata.KINDS[self.market_type]},
            )
            volumes |= {row.instrument_name: row.volume_usd or 0.0 for row in answer}
        return volumes

    def plan(self, symbols: Sequence[str]) -> list[ConnectionPlan]:
        interval = self._settings.deribit_interval
        streams: list[Stream] = []
        for symbol in symbols:
            perpetual = self._of(symbol).instrument.type == "perpetual"
            streams.append(Stream(f"book.{symbol}.{interval}", "orderbooks", symbol, 30.0))
            streams.append(Stream(f"trades.{symbol}.{interval}", "trades", symbol, 60.0 if perpetual else None))
            if self.market_type != "spot":
                channel = "funding_rates" if perpetual else "open_interests"
                streams.append(Stream(f"ticker.{symbol}.{interval}", channel, symbol, 30.0))
        wide = [Stream(self._settings.deribit_listing_channel, "instruments")]
        if self.market_type == "option":
            indices = self._settings.deribit_volatility_indices
            wide += [Stream(f"{_DVOL}.{name}", "volatility_indices", "", 30.0) for name in indices]
        for stream in wide:
            if symbols and stream.name and stream.name not in self._wide:
                self._wide.add(stream.name)
                streams.append(stream)
        return channels.connections(f"deribit.{self.market_type}", self._urls, streams)

    def polls(self) -> Sequence[Poll]:
        if self.market_type not in ("linear", "inverse"):
            return ()
        return (Poll("settled funding", "funding_rates", self._settings.funding_interval_s, self._settled),)

    def _of(self, symbol: str) -> Tracked:
        tracked = self._tracked.get(symbol)
        if tracked is None:
            raise MessageError(
                "unknown_symbol", f"message for {symbol!r}, which is not collected; see MARKETPRISM_COLLECTOR_SYMBOLS"
            )
        return tracked

    # ------------------------------------------------------------------ messages

    def parse(self, payload: bytes, received_at: int) -> Parsed:
        try:
            envelope = _envelope(payload)
            channel = envelope.params.channel
            if not channel:
                return Parsed("", self._answered(envelope))
            handler = self._handlers.get(channel.partition(".")[0])
            if handler is None:
                raise MessageError("unknown_stream", f"message on {channel!r}, which was not subscribed")
            return Parsed(channel, handler(envelope.params.data, received_at))
        except msgspec.MsgspecError as error:
            raise MessageError("malformed", f"unreadable message ({error}); it is skipped") from error

    def _answered(self, envelope: Envelope) -> Items:
        if envelope.method == "heartbeat":
            return (Control(reply=self._requests.test()),) if envelope.params.type == "test_request" else ()
        if bytes(envelope.error):
            error = _error(envelope.error)
            return self._requests.refused(envelope.id, f"{error.code} {error.message}")
        asked = self._requests.accepted(envelope.id)
        if asked and (missing := set(asked) - set(_channels(envelope.result))):
            return (Control(refused=f"not subscribed: {', '.join(sorted(missing)[:5])}"),)
        return ()

    def _on_trades(self, data: msgspec.Raw, received_at: int) -> Items:
        found: list[Row] = []
        for message in _trades(data):
            of = self._of(message.instrument_name)
            found.append(rows.trade_row(of, message, received_at))
            if message.liquidation:
                found += rows.liquidation_rows(of, message, received_at)
        return found

    def _on_book(self, data: msgspec.Raw, received_at: int) -> Items:
        message = _book(data)
        self._of(message.instrument_name)
        return (rows.book_update(message, received_at),)

    def _on_ticker(self, data: msgspec.Raw, received_at: int) -> Items:
        """A ticker repeats everything ten times a second; the first of each slot of exchange time becomes rows."""
        message = _ticker(data)
        of = self._of(message.instrument_name)
        self._time = max(self._time, message.timestamp)
        symbol, time, first = message.instrument_name, message.timestamp, self._grid.first
        width_ms, found = self._settings.deribit_ticker_interval_ms, list[Row]()
        if message.current_funding is not None and first(symbol, "funding", time, width_ms):
            found.append(rows.continuous_funding(of, message, message.current_funding, received_at))
        if message.mark_iv is not None and first(symbol, "volatility", time, width_ms):
            found.append(rows.mark_volatility(of, message, message.mark_iv, received_at))
        interest_ms = round(self._settings.open_interest_interval_s * 1000)
        if message.open_interest is not None and first(symbol, "interest", time, interest_ms):
            found.append(rows.open_interest_row(of, message, message.open_interest, received_at))
        return found

    @staticmethod
    def _on_volatility(data: msgspec.Raw, received_at: int) -> Items:
        return (rows.dvol_row(_volatility(data), received_at),)

    @staticmethod
    def _on_state(data: msgspec.Raw, received_at: int) -> Items:
        message = _state(data)
        return (Control(listing=f"{message.instrument_name} is {message.state}"),)

    # ------------------------------------------------------------------ what is missing

    async def fetch_book(self, symbol: str) -> BookUpdate:
        answer, received_at = await self._api.get(
            "get_order_book", OrderBook, {"instrument_name": symbol, "depth": _SNAPSHOT_LEVELS}
        )
        return rows.book_snapshot(answer, received_at)

    def can_repair(self, trade_kind: str) -> bool:
        return True

    async def fetch_trades(self, symbol: str, trade_kind: str, first: int, last: int) -> RepairPage:
        """The main host forgets after a day; the print before ``first``, which it is asked for too, tells that it has
        not. Else the history host: without that one the main page stands, and what it lacks is asked for again."""
        page, received_at = await self._page(symbol, first, last, history=False)
        covers = not self._api.has_history or (bool(page) and page[0].trade_seq <= first)
        if not covers:
            try:
                older, at = await self._page(symbol, first, last, history=True)
            except RestError:
                if not page:
                    raise
            else:
                covers = True
                if older and (not page or older[0].trade_seq < page[0].trade_seq):
                    page, received_at = older, at
        of, upto = self._of(symbol), min(last, first + _PAGE - 3)
        within = [message for message in page if first <= message.trade_seq <= upto]
        trades = [rows.trade_row(of, message, received_at, "rest") for message in within]
        forced = [row for message in within for row in rows.liquidation_rows(of, message, received_at, "rest")]
        # the page reaches to the print behind the hole: then what it lacks was never given out, and is not late
        behind = bool(page) and page[-1].trade_seq > upto
        covered = upto if behind else trades[-1].sequence if trades else 0
        return RepairPage(trades, covered if covers else 0, forced)

    async def _page(self, symbol: str, first: int, last: int, *, history: bool) -> tuple[list[TradeMessage], int]:
        """Prints from the one before ``first`` to the one behind ``last``, or as many as a page has."""
        answer, received_at = await self._api.get(
            "get_last_trades_by_instrument",
            TradePage,
            {
                "instrument_name": symbol,
                "start_seq": first - 1,
                "end_seq": min(last + 1, first + _PAGE - 2),
                "count": _PAGE,
                "sorting": "asc",
            },
            history=history,
        )
        messages = sorted(answer.trades, key=lambda message: message.trade_seq)
        return [message for message in messages if first - 1 <= message.trade_seq <= last + 1], received_at

    async def _settled(self, symbol: str, newest: int) -> Sequence[Row]:
        """Hours that ended; the present comes from the exchange's own clock."""
        of = self._of(symbol)
        if of.instrument.type != "perpetual" or not self._time:
            return ()
        found: list[Row] = []
        reach_ms = _FUNDING_PAGES * _FUNDING_PAGE_MS if newest else _FUNDING_REACH_MS
        first = max(newest + 1, self._time - reach_ms)
        while first <= self._time:
            last = min(self._time, first + _FUNDING_PAGE_MS - 1)
            answer, received_at = await self._api.get(
                "get_funding_rate_history",
                list[FundingRow],
                {"instrument_name": symbol, "start_timestamp": first, "end_timestamp": last},
            )
            answer.sort(key=lambda row: row.timestamp)
            found += [rows.settled_funding(of, row, received_at) for row in answer if row.timestamp >= first]
            first = last + 1
        return found
