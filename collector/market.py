"""One venue's market in memory: messages in, rows out in the right order. No I/O and no clock of its own.

Owns a ``TradeSequence`` per symbol and trade kind and a ``BookKeeper`` per symbol. What needs the network is left as
``holes()`` and ``wants_books()`` for the session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from collector.book_sync import BookKeeper
from collector.books import LocalBook
from collector.complaints import Complaints
from collector.continuity import MAX_HELD, MAX_HELD_ALL, Hole, TradeSequence
from collector.metrics import CollectorMetrics
from collector.positions import Position, Series
from collector.rest import RestError
from collector.sampling import BookSampler
from collector.units import PLAIN, Unit
from collector.venue import BookUpdate, Control, MessageError, Parsed, Stream, Venue
from marketprism.events import Gap, Instrument, Row, Trade

T = TypeVar("T")
TradeKey = tuple[str, str]
"""(symbol, trade_kind)."""

_REMEMBERED = 64
"""Rows without an exchange id remembered per series, so that overlapping connections do not publish them twice."""


@dataclass(frozen=True, slots=True)
class BookOptions:
    """What of a book is published."""

    levels: int = 20
    interval_ms: int = 100
    quotes: bool = True
    held_us: int | None = None
    """See ``BookKeeper``; None where the time of answers says nothing about the time of updates (a replay)."""


class Market:
    """Rows go to ``emit``; ``position`` tells how far a series was published before this process began."""

    def __init__(
        self,
        venue: Venue,
        options: BookOptions,
        metrics: CollectorMetrics,
        emit: Callable[[Row], None],
        position: Callable[[Series], Position | None] = lambda _: None,
        complaints: Complaints | None = None,
    ) -> None:
        self.venue = venue
        self.key = (venue.exchange, venue.market_type)
        self.sequences: dict[TradeKey, TradeSequence] = {}
        self.keepers: dict[str, BookKeeper] = {}
        self._options = options
        self._metrics = metrics
        self._emit = emit
        self._position = position
        self._complaints = complaints or Complaints()
        self._consecutive = venue.trades_consecutive
        self._units: dict[str, Unit] = {}
        self._causes: dict[str, str] = {}
        self._whole: dict[str, tuple[int, int]] = {}
        self._doubtful: set[str] = set()
        self._holed: dict[TradeKey, None] = {}
        self._unsynced: dict[str, None] = {}
        self._recent: dict[tuple[str, str], deque[bytes]] = {}

    def track(self, instruments: Iterable[Instrument]) -> None:
        """The instruments to collect, as they are now. A book whose contract changed its size starts over."""
        instruments = list(instruments)
        self.venue.track(instruments)
        for instrument in instruments:
            symbol, unit = instrument.symbol, Unit.of(instrument)
            if self._units.get(symbol, PLAIN) != unit and (keeper := self.keepers.pop(symbol, None)) is not None:
                keeper.close()
                self._unsynced.pop(symbol, None)
            self._units[symbol] = unit

    def receive(self, payload: bytes, received_at: int) -> Parsed | None:
        """Handle one message; None when it could not be used (counted and said, nothing else is touched)."""
        try:
            parsed = self.venue.parse(payload, received_at)
            for item in parsed.items:
                kind = type(item)
                if kind is Trade:
                    self.trade(item)  # type: ignore[arg-type]
                elif kind is BookUpdate:
                    self._book(item)  # type: ignore[arg-type]
                elif kind is not Control:
                    self._plain(item)  # type: ignore[arg-type]
        except MessageError as error:
            self.complain(error.reason, str(error), payload)
            return None
        except ValueError as error:
            self.complain("number", str(error), payload)
            return None
        except (LookupError, ArithmeticError, TypeError) as error:  # a level without a size, a list where text is due
            self.complain("malformed", f"{type(error).__name__}: {error}", payload)
            return None
        return parsed

    async def asked(self, answer: Awaitable[T]) -> T:
        """What the venue makes of a REST answer. Raises RestError, also for one of which it can make nothing."""
        try:
            return await answer
        except (ValueError, LookupError, ArithmeticError, TypeError) as error:  # cut off, or text where a number is due
            self._metrics.counts["errors"][(*self.key, "answer")] += 1
            raise RestError(0, f"the answer cannot be used ({type(error).__name__}: {error})") from error

    def complain(self, reason: str, text: str, payload: bytes = b"") -> None:
        """Count an error and say it once in a while."""
        self._metrics.counts["errors"][(*self.key, reason)] += 1
        shown = f"; message: {payload[:160].decode(errors='replace')}" if payload else ""
        self._complaints.say(f"{self.key}{reason}", f"{'.'.join(self.key)}: {text}{shown}")

    def trade(self, trade: Trade) -> None:
        """Take one trade, from the stream or from REST."""
        key = (trade.symbol, trade.trade_kind)
        sequence = self.sequences.get(key) or self._sequence(key)
        last, last_time = sequence.last, sequence.last_time
        out = sequence.offer(trade)
        if out:
            if not self._consecutive:
                if (cause := self._causes.pop(key[0], "")) and last is not None:
                    self.publish(sequence.unknown(trade, last, last_time, cause))
                self._whole.setdefault(key[0], (out[0].sequence, out[0].timestamp))  # no book vouches for the rest yet
            for row in out:
                self.publish(row)
        elif sequence.held:
            self._holed[key] = None
            if sequence.held > MAX_HELD and (hole := sequence.hole) is not None:
                self.give_up(key, hole.last)
        elif (gap := sequence.late(trade)) is not None:
            self.publish(gap)
        else:
            self._metrics.counts["duplicates"][self.key] += 1

    def goes_on(self, symbol: str) -> TradeKey | None:
        """The trades of a symbol, when the last of them is known: seen, or published before this process began."""
        key = (symbol, self.venue.trade_kind)
        sequence = self.sequences.get(key)
        if sequence is None:
            position = self._position(("trades", *self.key, symbol))
            if position is None or position.kind != key[1]:
                return None
            sequence = self._sequence(key)
        return None if sequence.last is None else key

    def holes(self) -> list[tuple[TradeKey, Hole]]:
        """Every symbol that is held back, and what it waits for."""
        found = []
        for key in list(self._holed):
            hole = self.sequences[key].hole
            if hole is None:
                del self._holed[key]
            else:
                found.append((key, hole))
        return found

    def bound_held(self) -> None:
        """When all symbols together hold too much, those that hold the most give up what they miss."""
        held = {key: self.sequences[key].held for key in self._holed}
        over = sum(held.values()) - MAX_HELD_ALL
        while over > 0:
            key = max(held, key=held.__getitem__)
            self._give_up_all(key)
            over -= held.pop(key)

    def repaired(self, key: TradeKey, hole: Hole, after: Trade, from_time: int) -> None:
        """REST filled a hole: keep a record of it."""
        self.publish(self.sequences[key].repaired(hole, after, from_time, self._causes.pop(key[0], "sequence")))

    def give_up(self, key: TradeKey, through: int) -> None:
        """Nobody has the missing trades: say so in ``gaps`` and go on behind them."""
        gaps, trades = self.sequences[key].give_up(through, self._causes.pop(key[0], "sequence"))
        for gap in gaps:
            self.publish(gap)
        for trade in trades:
            self.publish(trade)

    def _give_up_all(self, key: TradeKey) -> None:
        """Behind a hole there may be others: nothing stays held."""
        while (hole := self.sequences[key].hole) is not None:
            self.give_up(key, hole.last)

    def wants_books(self) -> list[str]:
        """Symbols whose book waits for a snapshot."""
        for symbol in list(self._unsynced):
            if not self.keepers[symbol].wants_snapshot:
                del self._unsynced[symbol]
        return list(self._unsynced)

    def snapshot(self, snapshot: BookUpdate) -> bool:
        """A snapshot came from REST; False when it is too old for the updates that wait."""
        keeper = self.keepers.get(snapshot.symbol) or self._keeper(snapshot.symbol)
        if keeper.live:
            return True
        try:
            return keeper.snapshot(snapshot)
        except ValueError as error:
            self.complain("number", str(error))
            return False

    def lost(self, streams: Iterable[Stream], cause: str) -> None:
        """A connection ended: its books are out of step, and a hole in its trades has this cause."""
        for stream in streams:
            if stream.channel == "trades":  # without a symbol it may have every one
                self._causes |= dict.fromkeys([stream.symbol] if stream.symbol else self._units, cause)
            elif stream.channel == "orderbooks" and (keeper := self.keepers.get(stream.symbol)) is not None:
                self._lose(keeper, cause)

    def quiet(self, received_before: int) -> None:
        """Publish the pending state of books whose last update is older than this (µs)."""
        for keeper in self.keepers.values():
            keeper.quiet(received_before)

    def forget(self, symbols: Collection[str]) -> None:
        """These are not listed any more: what is pending of them leaves, and the memory of them ends."""
        for key, _ in self.holes():
            if key[0] in symbols:
                self._give_up_all(key)
                del self._holed[key]
        for symbol in symbols:
            if (keeper := self.keepers.pop(symbol, None)) is not None:
                keeper.close()
            for of_symbol in (self._unsynced, self._units, self._causes, self._whole):
                of_symbol.pop(symbol, None)
            self._doubtful.discard(symbol)
        self.sequences = {key: kept for key, kept in self.sequences.items() if key[0] not in symbols}
        self._recent = {key: kept for key, kept in self._recent.items() if key[1] not in symbols}

    def close(self) -> None:
        """The end: pending book rows leave; trades behind a hole that REST can fill stay for the next start."""
        for keeper in self.keepers.values():
            keeper.close()
        for key, _ in self.holes():
            if not self.venue.can_repair(key[1]):
                self._give_up_all(key)

    def publish(self, row: Row) -> None:
        """Hand a row on."""
        metrics = self._metrics
        key = (row.data_type, *self.key)
        metrics.counts["rows"][key] += 1
        if row.timestamp > metrics.last_event_ms.get(key, 0):
            metrics.last_event_ms[key] = row.timestamp
        if type(row) is Gap:
            metrics.counts["gaps"][(*self.key, row.of_type, str(row.repaired).lower())] += 1
        self._emit(row)

    def publish_polled(self, rows: Sequence[Row]) -> None:
        """Rows from REST, without those that were published a moment ago."""
        for row in rows:
            self._plain(row)

    def _plain(self, row: Row) -> None:
        content = msgspec.json.encode(msgspec.structs.replace(row, received_at=0))
        recent = self._recent.setdefault((row.data_type, row.symbol), deque(maxlen=_REMEMBERED))
        if content not in recent:
            recent.append(content)
            self.publish(row)

    def _book(self, update: BookUpdate) -> None:
        keeper = self.keepers.get(update.symbol) or self._keeper(update.symbol)
        resyncs, live = keeper.resyncs, keeper.live
        try:
            keeper.update(update)
        finally:
            if keeper.resyncs != resyncs:
                self._metrics.counts["book_resyncs"][(*self.key, "chain")] += 1
            if not self._consecutive:
                whole = live and keeper.live and keeper.resyncs == resyncs
                self._witness(update, whole=whole, live=keeper.live)
            if not keeper.live:
                self._unsynced[update.symbol] = None

    def _witness(self, update: BookUpdate, *, whole: bool, live: bool) -> None:
        """Where ids do not tell what is missing the book does: with updates that are lost go prints of their time.

        Told when the book breaks and again when it stands; the next print tells the rest.
        """
        symbol = update.symbol
        sequence = self.sequences.get((symbol, self.venue.trade_kind))
        if sequence is None or sequence.last is None:
            return
        last, time = self._whole.setdefault(symbol, (sequence.last, sequence.last_time))
        known = symbol in self._doubtful
        if not live and known:
            return
        self._whole[symbol] = sequence.last, sequence.last_time
        if whole and not known:
            return
        if live:
            self._doubtful.discard(symbol)
        else:
            self._doubtful.add(symbol)
        self._causes.setdefault(symbol, "sequence")
        if sequence.last > last:
            exchange, market_type = self.key
            self.publish(
                Gap(
                    timestamp=update.timestamp,
                    received_at=update.received_at,
                    exchange=exchange,
                    market_type=market_type,
                    symbol=symbol,
                    sequence=sequence.last,
                    of_type="trades",
                    from_sequence=last + 1,
                    to_sequence=sequence.last,
                    from_time=time,
                    to_time=update.timestamp,
                    cause="sequence",
                    repaired=False,
                )
            )

    def _lose(self, keeper: BookKeeper, cause: str) -> None:
        if keeper.live:
            self._metrics.counts["book_resyncs"][(*self.key, cause)] += 1
        keeper.lose(cause)

    def _keeper(self, symbol: str) -> BookKeeper:
        book = LocalBook(self._units.get(symbol, PLAIN))
        options = self._options
        sampler = BookSampler(book, self.key, options.levels, options.interval_ms, options.quotes, self.publish)
        self.keepers[symbol] = keeper = BookKeeper(
            symbol, self.venue.book_rule, sampler, book, self.publish, options.held_us
        )
        return keeper

    def _sequence(self, key: TradeKey) -> TradeSequence:
        position = self._position(("trades", *self.key, key[0]))
        if position is None or position.kind != key[1]:  # ids of the other trade kind say nothing
            sequence = TradeSequence(consecutive=self._consecutive)
        else:
            sequence = TradeSequence(position.sequence, position.timestamp, consecutive=self._consecutive)
            self._causes.setdefault(key[0], "disconnect")
        self.sequences[key] = sequence
        return sequence
