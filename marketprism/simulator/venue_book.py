"""One traded book: takers meet makers, ids are given, nothing is invented outside the book."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from marketprism.simulator.book import Book
from marketprism.simulator.events import Aggregate, Event, Fill, ForcedOrder
from marketprism.simulator.flow import OrderFlow
from marketprism.simulator.makers import Makers
from marketprism.simulator.specs import BookSpec

MAX_SWEEP: Final = 12
"""Prices that one order may go through; the rest of it is cancelled."""
SPLIT: Final = 0.35
"""Chance that a fill at one price is shared with one more maker."""
FORCED_SIZE: Final = 6
INSURANCE_FUND: Final = "INSURANCE_FUND"


@dataclass(frozen=True, slots=True)
class FirstIds:
    """Where a book's ids start: a later run of the same market must not give out ids again."""

    trade: int = 1
    aggregate: int = 1
    update: int = 1_000


@dataclass(frozen=True, slots=True)
class Cascade:
    """A run of liquidations: forced orders on one side."""

    buying: bool
    until_ms: int


class VenueBook:
    """Flow, makers and book of one (venue, symbol)."""

    def __init__(self, index: int, spec: BookSpec, seed: object, ids: FirstIds):
        random = Random(f"{seed}/{spec.venue}/{spec.symbol}")
        self.index = index
        self.spec = spec
        self.book = Book(index, first_id=ids.update, consecutive=spec.kind == "spot")
        self.makers = Makers(random, spec, self.book)
        self.flow = OrderFlow(random, spec.orders_per_s, spec.order_quantity / spec.lot)
        self.next_trade_id = ids.trade
        self.next_aggregate_id = ids.aggregate
        self.traded_lots = 0
        self.last_price = 0
        self.listed = True
        """False: it does not trade yet, and the exchange does not name it."""
        self.tick_decimals = spec.tick_decimals
        """Of the tick size that the exchange states now; prices keep to the coarser one they began with."""
        self._random = random
        self._largest_forced: ForcedOrder | None = None

    @property
    def tick_text(self) -> str:
        """The tick size as the exchange writes it now."""
        if self.tick_decimals == self.spec.tick_decimals:
            return self.spec.wire_price(1)
        return f"0.{'0' * (self.tick_decimals - 1)}1"

    def skip_trade_ids(self, count: int) -> tuple[int, int]:
        """Never give out ``count`` ids; returns the first trade id and the first aggregate id that are missing."""
        first = self.next_trade_id, self.next_aggregate_id
        self.next_trade_id += count
        self.next_aggregate_id += count
        return first

    def trade(
        self, start_ms: int, end_ms: int, fair: float, activity: float, cascade: Cascade | None, out: list[Event]
    ) -> float:
        """Execute the taker orders of [start, end) into ``out``; returns signed volume in units of a median order."""
        dt_s = (end_ms - start_ms) / 1000
        number = self.flow.count(dt_s, activity * (3.0 if cascade else 1.0))
        if not number or not self.listed:
            return 0.0
        random = self._random
        times = sorted(start_ms + int(random.random() * (end_ms - start_ms)) for _ in range(number))
        spread_bps = 1e-4 * fair
        pressure = 0
        for time_ms in times:
            pull = max(-1.0, min(1.0, (fair - self.book.mid) / spread_bps))
            buying, lots, forced = self.flow.buys(pull), self.flow.lots(), False
            if cascade and random.random() < 0.8:
                buying, lots, forced = cascade.buying, lots * FORCED_SIZE, random.random() < 0.6
            filled = self._execute(time_ms, buying, lots, forced, out)
            pressure += filled if buying else -filled
        return pressure * self.spec.lot / self.spec.order_quantity

    def _execute(self, time_ms: int, buying: bool, lots: int, forced: bool, out: list[Event]) -> int:
        """One taker order against the book, best price first; returns the filled lots."""
        book = self.book
        side = book.asks if buying else book.bids
        left, value = lots, 0
        price = first_price = side.best()
        for _ in range(MAX_SWEEP):
            if not left or len(side) <= 1:
                break
            price = side.best()
            resting = side.lots[price]
            taken = min(left, resting)
            self._print(time_ms, price, taken, not buying, forced, out)
            book.put(side, price, resting - taken, time_ms)
            left -= taken
            value += taken * price
        filled = lots - left
        if forced and filled:
            self._force(time_ms, buying, first_price, value // filled, filled, out)
        return filled

    def _print(self, time_ms: int, price: int, lots: int, buyer_is_maker: bool, forced: bool, out: list[Event]) -> None:
        """Fills at one price, shared among makers, and their aggregate."""
        random = self._random
        first = self.next_trade_id
        aggregate = self.next_aggregate_id
        self.next_aggregate_id += 1
        left = lots
        while left:
            part = left
            if left > 1 and random.random() < SPLIT:
                part = 1 + int(random.random() * (left - 1))
            out.append(
                Fill(self.index, time_ms, self.next_trade_id, aggregate, price, part, buyer_is_maker, forced=forced)
            )
            self.next_trade_id += 1
            left -= part
        last = self.next_trade_id - 1
        out.append(Aggregate(self.index, time_ms, aggregate, price, lots, first, last, buyer_is_maker))
        self.traded_lots += lots
        self.last_price = price

    def _force(self, time_ms: int, buying: bool, limit: int, average: int, lots: int, out: list[Event]) -> None:
        largest = self._largest_forced
        if largest is None or lots > largest.lots:
            self._largest_forced = ForcedOrder(self.index, time_ms, time_ms, not buying, limit, average, lots)
        if self._random.random() < 0.05:
            # The fund takes over at the bankruptcy price, off the market: a trade id, no aggregate, no book change.
            price = int(average * (1.004 if buying else 0.996))
            part = max(1, lots // 4)
            out.append(Fill(self.index, time_ms, self.next_trade_id, 0, price, part, not buying, INSURANCE_FUND))
            self.next_trade_id += 1

    def take_forced(self, time_ms: int) -> ForcedOrder | None:
        """The largest liquidation since the last call: venues tell at most one a second."""
        forced, self._largest_forced = self._largest_forced, None
        if forced is not None:
            forced.time_ms = time_ms
        return forced
