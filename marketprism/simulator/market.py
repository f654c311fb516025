"""The market model: fair values move, the perpetual leads, the spot follows, orders press prices, some cascade.

``Market.advance(step_ms)`` yields what happened in the next step, in time order. Nothing here knows a socket, a clock
or a wire format.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from marketprism.simulator.events import DepthChange, Event, Mark
from marketprism.simulator.specs import BookSpec, default_specs
from marketprism.simulator.venue_book import Cascade, FirstIds, VenueBook

VOLATILITY_PER_SQRT_S: Final = 5e-5
"""Of the exogenous part of the fair value; order flow adds to it."""
IMPACT: Final = 1.6e-6
"""Relative price change by a signed volume of one median order."""
CASCADE_EVERY_S: Final = 900.0
CASCADE_DRIFT_PER_S: Final = 2.5e-4
MARK_EVERY_MS: Final = 1000
_HOUR_MS: Final = 3_600_000


class Underlying:
    """The fair value of one asset and the books that trade it."""

    def __init__(self, seed: object, base: str, price: float, books: Sequence[VenueBook], start_ms: int):
        self.books = tuple(books)
        self.fair = price  # of the perpetual, in quote units, before the basis
        self._random = Random(f"{seed}/{base}")
        self._lag_ms = max(book.spec.lag_ms for book in books)
        self._past: deque[tuple[int, float]] = deque([(start_ms - self._lag_ms - 1, price), (start_ms, price)])
        self._log_volatility = 0.0
        self._basis = 0.0
        self._cascade: Cascade | None = None
        for book in self.books:
            book.makers.requote(self.value_for(book, start_ms) / book.spec.tick, start_ms, 0.0)

    @property
    def basis(self) -> float:
        """Relative premium of the perpetual."""
        return self._basis

    def value_for(self, book: VenueBook, time_ms: int) -> float:
        """Fair value in quote units: that of some time ago; perpetuals trade at a premium to it."""
        value = self._value_at(time_ms - book.spec.lag_ms) if book.spec.lag_ms else self.fair
        return value * (1 + self._basis) if book.spec.kind == "perpetual" else value

    def _value_at(self, wanted: int) -> float:
        past = self._past
        while len(past) > 2 and past[1][0] <= past[-1][0] - self._lag_ms - 2_000:
            past.popleft()
        at = len(past) - 1
        while at > 0 and past[at][0] > wanted:
            at -= 1
        (t0, v0), (t1, v1) = past[at], past[min(at + 1, len(past) - 1)]
        if wanted >= t1:
            return v1
        return v0 + (v1 - v0) * (wanted - t0) / (t1 - t0) if wanted > t0 else v0

    def step(self, start_ms: int, end_ms: int, out: list[Event]) -> None:
        """Trades of [start, end), then the depth messages at the end, then the makers' answer to the new value."""
        dt_s = (end_ms - start_ms) / 1000
        activity = math.exp(0.5 * self._log_volatility)
        cascade = self._cascade_at(start_ms, dt_s)
        pressure = 0.0
        for book in self.books:
            fair = self.value_for(book, start_ms) / book.spec.tick
            forced = cascade if book.spec.kind == "perpetual" else None
            pressure += book.trade(start_ms, end_ms, fair, activity, forced, out)
        for book in self.books:
            change = book.book.take_change(end_ms)
            if change is not None and book.listed:
                out.append(change)
        self._move(dt_s, pressure, cascade)
        self._past.append((end_ms, self.fair))
        for book in self.books:
            book.makers.requote(self.value_for(book, end_ms) / book.spec.tick, end_ms, dt_s)

    def _cascade_at(self, now_ms: int, dt_s: float) -> Cascade | None:
        if self._cascade is not None and now_ms >= self._cascade.until_ms:
            self._cascade = None
        if self._random.random() < dt_s / CASCADE_EVERY_S and self._cascade is None:
            lasts_ms = 2_000 + int(self._random.random() * 5_000)
            self._cascade = Cascade(self._random.random() < 0.5, now_ms + lasts_ms)
        return self._cascade

    def _move(self, dt_s: float, pressure: float, cascade: Cascade | None) -> None:
        gauss, root = self._random.gauss, math.sqrt(dt_s)
        self._log_volatility += -self._log_volatility * dt_s / 600 + 0.03 * root * gauss(0.0, 1.0)
        self._basis += -(self._basis - 2e-4) * dt_s / 1800 + 2e-6 * root * gauss(0.0, 1.0)
        drift = 0.0
        if cascade is not None:
            drift = CASCADE_DRIFT_PER_S * dt_s * (1 if cascade.buying else -1)
        noise = VOLATILITY_PER_SQRT_S * math.exp(self._log_volatility) * root * gauss(0.0, 1.0)
        self.fair *= math.exp(noise + IMPACT * pressure + drift)


class Market:
    """All books. ``time_ms`` is the model's time; ``books`` in the order of their index."""

    def __init__(
        self,
        specs: Sequence[BookSpec] | None = None,
        *,
        seed: int = 1,
        start_ms: int,
        first_ids: Mapping[tuple[str, str], FirstIds] | None = None,
        prices: Mapping[str, float] | None = None,
    ):
        """``first_ids`` by (venue, symbol) and ``prices`` by base asset continue an earlier run."""
        specs = tuple(specs) if specs is not None else default_specs()
        ids, prices = first_ids or {}, prices or {}
        self.time_ms = start_ms
        # The run's start is part of the seed: a market that goes on after a restart does not repeat itself.
        stream = f"{seed}/{start_ms}"
        self.books = tuple(
            VenueBook(index, spec, stream, ids.get((spec.venue, spec.symbol), FirstIds()))
            for index, spec in enumerate(specs)
        )
        self._underlyings: dict[str, Underlying] = {}
        for base in dict.fromkeys(spec.base for spec in specs):
            # The leader first: within a step its orders move the value that the others follow.
            own = sorted(
                (book for book in self.books if book.spec.base == base),
                key=lambda book: (book.spec.lag_ms, book.spec.venue),
            )
            price = prices.get(base, own[0].spec.price)
            self._underlyings[base] = Underlying(stream, base, price, own, start_ms)

    def book_of(self, venue: str, symbol: str) -> VenueBook | None:
        """None when that does not trade here."""
        return next((book for book in self.books if (book.spec.venue, book.spec.symbol) == (venue, symbol)), None)

    def prices(self) -> dict[str, float]:
        """Fair value by base asset, to continue from."""
        return {base: underlying.fair for base, underlying in self._underlyings.items()}

    def mark_of(self, book: VenueBook) -> Mark:
        """Mark, index and funding of a perpetual now."""
        underlying = self._underlyings[book.spec.base]
        spot = next((other for other in underlying.books if other.spec.kind == "spot"), book)
        index = spot.book.mid * spot.spec.tick
        interval_ms = book.spec.funding_interval_h * _HOUR_MS
        return Mark(
            book.index,
            self.time_ms,
            index * (1 + underlying.basis),
            index,
            funding_rate(underlying.basis),
            (self.time_ms // interval_ms + 1) * interval_ms,
        )

    def advance(self, step_ms: int) -> list[Event]:
        """What happens in the next ``step_ms``, in time order; books stand at the end of the step afterwards."""
        start_ms, end_ms = self.time_ms, self.time_ms + step_ms
        events: list[Event] = []
        for underlying in self._underlyings.values():
            underlying.step(start_ms, end_ms, events)
        self.time_ms = end_ms
        if start_ms // MARK_EVERY_MS != end_ms // MARK_EVERY_MS:
            for book in self.books:
                if book.spec.kind == "perpetual" and book.listed:
                    events.append(self.mark_of(book))
                    forced = book.take_forced(end_ms)
                    if forced is not None:
                        events.append(forced)
        events.sort(key=_time)
        return events


def funding_rate(basis: float) -> float:
    """Binance's form: premium plus the clamped distance to the interest rate of 0.01 %, within ±0.3 %."""
    premium = basis / 10
    return max(-0.003, min(0.003, premium + max(-0.0005, min(0.0005, 0.0001 - premium))))


def _time(event: Event) -> int:
    return event.time_ms


__all__ = ["DepthChange", "Market", "Underlying", "funding_rate"]
