"""OKX's four markets as ``Venue``s: one class, because they differ by metadata only."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from collector.rest import RestClient, RestError
from collector.tracked import Tracked
from collector.venue import (
    BookRule,
    BookUpdate,
    ConnectionPlan,
    Control,
    MessageError,
    Parsed,
    RepairPage,
    Stream,
)
from collector.venues.okx import books, channels, rows
from collector.venues.okx import symbols as metadata
from collector.venues.okx.messages import (
    Bands,
    BookMessage,
    Envelope,
    FundingMessage,
    InstrumentInfo,
    LiquidationMessage,
    OpenInterestMessage,
    OptionSummary,
    TickerInfo,
    TradeMessage,
)
from collector.venues.okx.polls import OkxPolls
from collector.venues.okx.rest import OkxRest
from marketprism.events import Instrument, Row
from marketprism.settings import CollectorSettings

logger = logging.getLogger(__name__)

M = TypeVar("M")
Items = Sequence[Row | BookUpdate | Control]
Handler = Callable[[Envelope, int], Items]

_PAGE: Final = 100
_SNAPSHOT_LEVELS: Final = 400
_EXPECT_S: Final = {"trades": 60.0, "orderbooks": 30.0, "funding_rates": 120.0}
_QUIET_MARKETS: Final = frozenset({"option"})
"""Where hours without a trade are normal."""
_ENDING_CODE: Final = "64008"


def _reader(message: type[M]) -> Callable[[msgspec.Raw], list[M]]:
    return msgspec.json.Decoder(list[message]).decode  # type: ignore[valid-type]


_envelope = msgspec.json.Decoder(Envelope).decode
_trades = _reader(TradeMessage)
_books = _reader(BookMessage)
_fundings = _reader(FundingMessage)
_interests = _reader(OpenInterestMessage)
_liquidations = _reader(LiquidationMessage)
_summaries = _reader(OptionSummary)
_instruments = _reader(InstrumentInfo)


class Okx(OkxPolls):
    """One OKX market."""

    exchange = "okx"
    dialect = channels.DIALECT
    book_rule: BookRule = staticmethod(books.sequence_rule)
    book_resubscribes = True
    trades_consecutive = True
    trade_kind = "trade"

    def __init__(self, market_type: str, settings: CollectorSettings, client: RestClient) -> None:
        live = settings.clock == "system"  # a replay that falls silent must not be looked for on the internet
        urls = (settings.okx_rest_url, settings.okx_rest_fallback_url) if live else (settings.okx_rest_url,)
        super().__init__(market_type, settings, OkxRest(client, market_type, urls))
        self._bases = (settings.okx_ws_url, settings.okx_ws_fallback_url) if live else (settings.okx_ws_url,)
        self._chains: dict[str, books.ChecksumChain] = {}
        self._contents: dict[str, tuple[str, ...]] = {}
        self._wide: set[str] = set()
        self._banded: set[str] = set()
        self.lists_all = market_type != "option" or not settings.okx_option_families
        self._handlers: dict[str, Handler] = {
            "trades": self._on_trades,
            "trades-all": self._on_trades,
            settings.okx_book_channel: self._on_book,
            "funding-rate": self._on_funding,
            "open-interest": self._on_open_interest,
            "liquidation-orders": self._on_liquidations,
            "opt-summary": self._on_summary,
            "instruments": self._on_instruments,
        }

    # ------------------------------------------------------------------ what is collected

    def track(self, instruments: Sequence[Instrument]) -> None:
        for instrument in instruments:
            self._tracked[instrument.symbol] = Tracked.of(instrument)

    def forget(self, streams: Sequence[Stream]) -> Collection[str]:
        for stream in streams:
            for of_symbol in (self._tracked, self._contents, self._families, self._chains):
                of_symbol.pop(stream.symbol, None)
        return ()

    async def fetch_instruments(self) -> list[Instrument]:
        found: list[Instrument] = []
        for kind in metadata.TYPES[self.market_type]:
            for parameters in await self._families_of(kind):
                found += await self._listed({"instType": kind, **parameters})
        return found

    async def _listed(self, parameters: dict[str, str]) -> list[Instrument]:
        try:
            answer, received_at = await self._api.get("/api/v5/public/instruments", list[InstrumentInfo], parameters)
        except RestError as error:
            family = parameters.get("instFamily")
            if error.permanent and family in self._banded:
                logger.warning("okx.option has nothing of the family %s: %s", family, error)
                return []
            raise
        return self._instrument_rows(answer, received_at)

    def _instrument_rows(self, answer: Iterable[InstrumentInfo], received_at: int) -> list[Instrument]:
        found = []
        for info in answer:
            if not metadata.belongs(info, self.market_type):
                continue
            self._contents[info.instId] = _content(info)
            self._families[info.instId] = info.instFamily or info.uly
            try:
                found.append(metadata.instrument_row(info, self.market_type, received_at))
            except ValueError as error:
                logger.warning("instrument %s of okx.%s is left out: %s", info.instId, self.market_type, error)
        return found

    async def _families_of(self, kind: str) -> list[dict[str, str]]:
        """Options are only listed family by family.

        The list of underlyings has those of the coin (BTC-USD), the tick bands also the others (BTC-USD_UM).
        """
        if kind != "OPTION":
            return [{}]
        names = list(self._settings.okx_option_families)
        if not names:
            answer, _ = await self._api.get("/api/v5/public/underlying", list[list[str]], {"instType": kind})
            names = [name for some in answer for name in some]
            try:
                bands, _ = await self._api.get("/api/v5/public/instrument-tick-bands", list[Bands], {"instType": kind})
            except RestError as error:
                logger.warning("okx.option may have families beside %s: %s", ", ".join(names), error)
            else:
                self._banded = {band.instFamily for band in bands} - set(names)
            names += sorted(self._banded)
        return [{"instFamily": name} for name in names]

    async def fetch_volumes(self) -> dict[str, float]:
        volumes: dict[str, float] = {}
        for kind in metadata.TYPES[self.market_type]:
            answer, _ = await self._api.get("/api/v5/market/tickers", list[TickerInfo], {"instType": kind})
            for row in answer:
                # coins on contracts, quote currency on spot
                price = 1.0 if kind == "SPOT" else float(row.last or 0)
                volumes[row.instId] = float(row.volCcy24h or 0) * price
        return volumes

    def plan(self, symbols: Sequence[str]) -> list[ConnectionPlan]:
        settings = self._settings
        quiet = self.market_type in _QUIET_MARKETS
        streams: list[Stream] = []
        for symbol in symbols:
            streams.append(self._stream(settings.okx_trade_channel, "trades", symbol, silent=quiet))
            streams.append(self._stream(settings.okx_book_channel, "orderbooks", symbol))
            if self._pays_funding(symbol):
                streams.append(self._stream("funding-rate", "funding_rates", symbol))
            if settings.okx_open_interest_source == "ws" and self.market_type != "spot":
                streams.append(self._stream("open-interest", "open_interests", symbol, silent=True))
        wide = [("liquidation-orders", "liquidations", kind) for kind in metadata.LIQUIDATED[self.market_type]]
        if settings.okx_listing_channel:
            wide += [(settings.okx_listing_channel, "instruments", kind) for kind in metadata.TYPES[self.market_type]]
        if self.market_type == "option":
            wide += [("opt-summary", "volatility_indices", self._family(symbol)) for symbol in symbols]
        for channel, data_type, of in wide:
            name = channels.stream_name(channel, of)
            if symbols and name not in self._wide:
                self._wide.add(name)
                streams.append(Stream(name, data_type))
        return channels.connections(f"okx.{self.market_type}", self._bases, streams, settings.okx_books_per_connection)

    @staticmethod
    def _stream(channel: str, data_type: str, symbol: str, *, silent: bool = False) -> Stream:
        expect_s = None if silent else _EXPECT_S.get(data_type)
        return Stream(channels.stream_name(channel, symbol), data_type, symbol, expect_s)

    # ------------------------------------------------------------------ messages

    def parse(self, payload: bytes, received_at: int) -> Parsed:
        if payload == b"pong":
            return Parsed("", ())
        try:
            envelope = _envelope(payload)
            if envelope.event:
                return Parsed("", _control(envelope))
            handler = self._handlers.get(envelope.arg.channel)
            if handler is None:
                raise MessageError(
                    "unknown_stream", f"message on channel {envelope.arg.channel!r}, which was not subscribed"
                )
            return Parsed(channels.name_of(envelope.arg), handler(envelope, received_at))
        except msgspec.MsgspecError as error:
            raise MessageError("malformed", f"unreadable message ({error}); it is skipped") from error

    def _on_trades(self, envelope: Envelope, received_at: int) -> Items:
        return [rows.trade_row(self._of(row.instId), row, received_at) for row in _trades(envelope.data)]

    def _on_book(self, envelope: Envelope, received_at: int) -> Items:
        symbol, snapshot = envelope.arg.instId, envelope.action == "snapshot"
        self._of(symbol)
        return [
            rows.book_update(symbol, message, self._ids(symbol, message, snapshot), received_at, snapshot)
            for message in _books(envelope.data)
        ]

    def _ids(self, symbol: str, message: BookMessage, snapshot: bool) -> tuple[int, int]:
        if message.seqId:
            return message.prevSeqId, message.seqId
        chain = self._chains.get(symbol)
        if chain is None:
            chain = self._chains[symbol] = books.ChecksumChain(verify=self._settings.okx_checksum)
        return chain.number(message, snapshot=snapshot)

    def _on_funding(self, envelope: Envelope, received_at: int) -> Items:
        found = (rows.predicted_funding(self._of(row.instId), row, received_at) for row in _fundings(envelope.data))
        return [row for row in found if row is not None]

    def _on_open_interest(self, envelope: Envelope, received_at: int) -> Items:
        return [rows.open_interest_row(self._of(row.instId), row, received_at) for row in _interests(envelope.data)]

    def _on_liquidations(self, envelope: Envelope, received_at: int) -> Items:
        # the channel is of a whole instrument type: linear, inverse and what nobody asked for together
        return [
            rows.liquidation_row(tracked, detail, received_at)
            for message in _liquidations(envelope.data)
            if (tracked := self._tracked.get(message.instId)) is not None
            for detail in message.details
            if detail.whole
        ]

    def _on_summary(self, envelope: Envelope, received_at: int) -> Items:
        return [
            rows.mark_volatility(tracked, row, received_at)
            for row in _summaries(envelope.data)
            if row.markVol and (tracked := self._tracked.get(row.instId)) is not None
        ]

    def _on_instruments(self, envelope: Envelope, received_at: int) -> Items:
        """The first push lists everything; only what REST did not tell before is news."""
        news = [
            f"{info.instId} is {info.state}"
            for info in _instruments(envelope.data)
            if metadata.belongs(info, self.market_type) and self._contents.get(info.instId) != _content(info)
        ]
        return [Control(listing=", ".join(news[:5]))] if news else ()

    # ------------------------------------------------------------------ what is missing

    async def fetch_book(self, symbol: str) -> BookUpdate:
        """The documented fallback, should the stream begin without a snapshot."""
        answer, received_at = await self._api.get(
            "/api/v5/market/books", list[BookMessage], {"instId": symbol, "sz": _SNAPSHOT_LEVELS}
        )
        (message,) = answer
        return rows.book_update(symbol, message, (0, message.seqId), received_at, True)

    def can_repair(self, trade_kind: str) -> bool:
        return True

    async def fetch_trades(self, symbol: str, trade_kind: str, first: int, last: int) -> RepairPage:
        """Pages run backwards from ``after``: the one that ends a page's length above ``first`` holds it.

        The page is to hold the print behind the hole too: then what it lacks was never given out, and is not late.
        """
        upto = min(last, first + _PAGE - 2)
        answer, received_at = await self._api.get(
            "/api/v5/market/history-trades",
            list[TradeMessage],
            {"instId": symbol, "type": 1, "after": upto + 2, "limit": _PAGE},
        )
        of = self._of(symbol)
        found = sorted((rows.trade_row(of, row, received_at, "rest") for row in answer), key=lambda row: row.sequence)
        trades = [row for row in found if first <= row.sequence <= upto]
        if found and found[-1].sequence > upto:
            return RepairPage(trades, upto)
        return RepairPage(trades, trades[-1].sequence if trades else 0)


def _content(info: InstrumentInfo) -> tuple[str, ...]:
    """What rows are made by: a change of it is news."""
    return info.state, info.ctVal, info.ctMult, info.tickSz, info.lotSz


def _control(envelope: Envelope) -> Items:
    if envelope.event == "notice" and envelope.code == _ENDING_CODE:
        return (Control(restart=envelope.msg or "OKX announces an upgrade"),)
    if envelope.event == "error":
        return (Control(refused=f"{envelope.code} {envelope.msg}"),)
    return ()
