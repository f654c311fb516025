"""Market makers: they follow the fair value, keep levels on both sides, and add and cancel in between."""

from __future__ import annotations

from random import Random
from typing import Final

from marketprism.simulator.book import Book, Side
from marketprism.simulator.flow import poisson
from marketprism.simulator.specs import BookSpec

CHURN_PER_S: Final = 6.0
CANCEL_SHARE: Final = 0.2
MAX_NEW_LEVELS: Final = 25
"""Levels that fill the way after one move of the fair value; a larger move leaves them further apart."""


class Makers:
    """Quotes one book. After ``requote`` every bid is below and every ask above the fair value."""

    def __init__(self, random: Random, spec: BookSpec, book: Book):
        self._random = random
        self._book = book
        self._levels = spec.levels
        self._gap = max(1.0, spec.level_gap_bps * 1e-4 * spec.price / spec.tick)
        self._half_spread = max(0.5, spec.half_spread_bps * 1e-4 * spec.price / spec.tick)
        self._median_lots = spec.level_quantity / spec.lot

    def requote(self, fair: float, time_ms: int, dt_s: float) -> None:
        """Move to ``fair`` (in ticks), restore depth, and let ``dt_s`` seconds of adding and cancelling happen."""
        half = self._half_spread * (0.5 + self._random.expovariate(1.0))
        highest_bid = int(fair - half)
        lowest_ask = max(int(fair + half) + 1, highest_bid + 1)
        book = self._book
        for side, limit in ((book.bids, highest_bid), (book.asks, lowest_ask)):
            while len(side) and side.keys[-1] > side.sign * limit:
                book.put(side, side.best(), 0, time_ms)
        for side, limit in ((book.bids, highest_bid), (book.asks, lowest_ask)):
            self._fill_way(side, limit, time_ms)
            self._churn(side, time_ms, dt_s)
            self._restore_depth(side, time_ms)

    def _fill_way(self, side: Side, limit: int, time_ms: int) -> None:
        """New levels from the new best towards the old best."""
        if not len(side):
            self._book.put(side, limit, self._lots(), time_ms)
            return
        old = side.best()
        distance = abs(limit - old)
        if distance == 0:
            return
        gap = max(self._gap, distance / MAX_NEW_LEVELS)
        price = limit
        while (price - old) * side.sign > 0:
            self._book.put(side, price, self._lots(), time_ms)
            price -= side.sign * (1 + int(self._random.expovariate(1.0 / gap)))

    def _churn(self, side: Side, time_ms: int, dt_s: float) -> None:
        for _ in range(min(poisson(self._random, CHURN_PER_S * dt_s), 12)):
            depth = min(int(self._random.expovariate(0.12)), len(side) - 1)
            price = side.sign * side.keys[-1 - depth]
            draw = self._random.random()
            if draw < CANCEL_SHARE and len(side) > 5:
                self._book.put(side, price, 0, time_ms)
            elif draw < 2 * CANCEL_SHARE:  # a new price behind that one
                behind = price - side.sign * (1 + int(self._random.expovariate(1.0 / self._gap)))
                if behind > 0:
                    self._book.put(side, behind, self._lots(), time_ms)
            else:
                self._book.put(side, price, self._lots(), time_ms)

    def _restore_depth(self, side: Side, time_ms: int) -> None:
        while len(side) > self._levels + 20:
            self._book.put(side, side.worst(), 0, time_ms)
        while len(side) < self._levels:
            # Sparser far from the touch, so that a few levels cover a wide range.
            gap = self._gap * (1 + len(side) / 15)
            price = side.worst() - side.sign * (1 + int(self._random.expovariate(1.0 / gap)))
            if price <= 0:
                return
            self._book.put(side, price, self._lots(), time_ms)

    def _lots(self) -> int:
        return max(1, int(self._median_lots * self._random.lognormvariate(0.0, 0.9)))
