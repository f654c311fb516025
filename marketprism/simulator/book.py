"""A limit order book by price, its update ids, and the difference since the last depth message."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from marketprism.simulator.events import DepthChange, Levels


class Side:
    """Occupied prices of one side. ``sign``: +1 bids, −1 asks; the best is always last in ``keys``."""

    __slots__ = ("keys", "lots", "sign")

    def __init__(self, sign: int):
        self.sign = sign
        self.keys: list[int] = []  # sign × price, ascending
        self.lots: dict[int, int] = {}  # price → quantity

    def __len__(self) -> int:
        return len(self.keys)

    def best(self) -> int:
        """The best price; raises IndexError when the side is empty."""
        return self.sign * self.keys[-1]

    def worst(self) -> int:
        return self.sign * self.keys[0]

    def put(self, price: int, lots: int) -> None:
        if lots:
            if price not in self.lots:
                insort(self.keys, self.sign * price)
            self.lots[price] = lots
        elif self.lots.pop(price, 0):
            del self.keys[bisect_left(self.keys, self.sign * price)]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(price, quantity), best first."""
        for key in reversed(self.keys):
            price = self.sign * key
            yield price, self.lots[price]

    def top(self, limit: int) -> Levels:
        return [(self.sign * key, self.lots[self.sign * key]) for key in self.keys[: -limit - 1 : -1]]


class Book:
    """Bids, asks and the venue's update ids: consecutive on spot, rising with holes on a perpetual (as at Binance)."""

    def __init__(self, index: int, *, first_id: int, consecutive: bool):
        self.index = index
        self.bids = Side(+1)
        self.asks = Side(-1)
        self.last_id = first_id
        self.change_ms = 0
        self._consecutive = consecutive
        self._emitted_id = first_id
        self._first_unsent = 0
        self._changed: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def put(self, side: Side, price: int, lots: int, time_ms: int) -> None:
        """Set the quantity at a price (0 removes it): one update id."""
        side.put(price, lots)
        self.last_id += 1 if self._consecutive else 1 + (price & 7)
        if not self._first_unsent:
            self._first_unsent = self.last_id
        self.change_ms = time_ms
        self._changed[side.sign < 0][price] = lots

    def skip_ids(self, count: int) -> None:
        """Lose ``count`` update ids, as a venue does that drops messages: the next change does not follow the last."""
        self.last_id += count
        self._emitted_id = self.last_id
        if self._first_unsent:
            # What is waiting to be sent is not lost, but its ids say that something before it was.
            self._emitted_id -= 1
            self._first_unsent = self.last_id

    @property
    def mid(self) -> float:
        """Mean of the best prices, in ticks."""
        return (self.bids.best() + self.asks.best()) / 2

    def snapshot(self, limit: int) -> tuple[int, Levels, Levels]:
        """(last update id, bids, asks), best first."""
        return self.last_id, self.bids.top(limit), self.asks.top(limit)

    def take_change(self, time_ms: int) -> DepthChange | None:
        """What changed since the last call; None when nothing did."""
        if not self._first_unsent:
            return None
        bids, asks = self._changed
        change = DepthChange(
            self.index,
            time_ms,
            self.change_ms,
            self._first_unsent,
            self.last_id,
            self._emitted_id,
            list(bids.items()),
            list(asks.items()),
        )
        self._changed = ({}, {})
        self._emitted_id = self.last_id
        self._first_unsent = 0
        return change
