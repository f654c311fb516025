"""A local order book on exact integers, with what each update did.

Prices and quantities are integers of 10⁻¹² (see ``decimals``). A side keeps a dictionary price → quantity and its
prices in ascending *rank keys* (price for bids, −price for asks), so that the best level is always the last element:
most changes are near the best and move little memory, and the top N is a slice. Updates cost O(log n) + a short
memmove; nothing ever sorts the whole book after the snapshot.

Order flow imbalance (Cont, Kukanov, Stoikov 2014), per update and level rank r = 1…5, with key k and quantity q of the
level at rank r before (o) and after (n) the update:

    flow_r = [k_n ≥ k_o]·q_n − [k_n ≤ k_o]·q_o        ofi_r = flow_r(bids) − flow_r(asks)

Quantities are base units: where the exchange counts contracts, ``unit`` converts each level as it is read.

A missing rank has key −∞ and quantity 0. Added and cancelled quantity are Σ max(Δ, 0) and Σ max(−Δ, 0) over every
level that an update changes ("cancelled" includes what was traded away: a diff cannot tell). All sums are integers.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Final

from collector.decimals import POWERS, scaled
from collector.units import PLAIN, Unit

OFI_LEVELS: Final = 5
_NOTHING: Final = (-(1 << 200), 0)
"""A rank that holds no level."""

Levels = Iterable[tuple[str, str]]
Top = list[tuple[int, int]]


class Side:
    """One side of a book. ``sign`` is +1 for bids, −1 for asks; ``top`` holds the best five (key, quantity)."""

    __slots__ = ("_edge", "_keys", "_quantities", "_sign", "_unit", "added", "cancelled", "top")

    def __init__(self, sign: int, unit: Unit = PLAIN) -> None:
        self._sign = sign
        self._unit = None if unit.plain else unit
        self._keys: list[int] = []
        self._quantities: dict[int, int] = {}
        self._edge = _NOTHING[0]
        self.top: Top = [_NOTHING] * OFI_LEVELS
        self.added = 0
        self.cancelled = 0

    def __len__(self) -> int:
        return len(self._keys)

    def load(self, levels: Levels) -> None:
        """Replace everything by a snapshot; counts nothing as added. Raises ValueError on text that is no number."""
        sign, unit = self._sign, self._unit
        quantities = {sign * scaled(price): scaled(quantity) for price, quantity in levels}
        if unit is not None:
            quantities = {key: unit.base(quantity, sign * key) for key, quantity in quantities.items()}
        self._quantities = {key: quantity for key, quantity in quantities.items() if quantity > 0}
        self._keys = sorted(self._quantities)
        self.refresh()

    def update(self, levels: Levels) -> bool:
        """Set absolute quantities (0 deletes); returns whether one of the best five may have changed.

        Raises ValueError on text that is no number or has more than 12 decimals: the side is then unusable until
        ``load``, because earlier levels of the update are already in.
        """
        try:
            return self._update(levels)
        except IndexError as error:
            raise ValueError(f"a price or quantity has more than {len(POWERS) - 1} decimals") from error

    def _update(self, levels: Levels) -> bool:
        # the loop is most of the cost of a depth stream: decimals.scaled is inlined here, without its pattern
        sign, keys, quantities, edge, unit = self._sign, self._keys, self._quantities, self._edge, self._unit
        added = cancelled = 0
        touched = False
        for price, quantity in levels:
            point = price.find(".")
            if point < 0:
                key = sign * scaled(price)
            else:
                key = sign * int(price.replace(".", "", 1)) * POWERS[len(price) - point - 1]
            point = quantity.find(".")
            if point < 0:
                new = scaled(quantity)
            else:
                new = int(quantity.replace(".", "", 1)) * POWERS[len(quantity) - point - 1]
            if unit is not None:
                new = unit.base(new, sign * key)
            old = quantities.get(key, 0)
            if new == old:
                continue
            if new > old:
                added += new - old
            else:
                cancelled += old - new
            if new <= 0:
                if new < 0:
                    raise ValueError(f"negative quantity {quantity!r} at price {price!r}")
                del quantities[key]
                del keys[bisect_left(keys, key)]
            else:
                if not old:
                    insort(keys, key)
                quantities[key] = new
            if key >= edge:
                touched = True
        self.added += added
        self.cancelled += cancelled
        return touched

    def refresh(self) -> None:
        """Read the best five again after ``update`` said that they may have changed."""
        quantities = self._quantities
        best = self._keys[-OFI_LEVELS:]
        best.reverse()
        top = [(key, quantities[key]) for key in best]
        if len(top) < OFI_LEVELS:
            top += [_NOTHING] * (OFI_LEVELS - len(top))
        self._edge = top[-1][0]
        self.top = top

    def levels(self, count: int) -> tuple[list[int], list[int]]:
        """(prices, quantities) of the best ``count`` levels, best first, as scaled integers."""
        keys = self._keys[-count:]
        keys.reverse()
        quantities = self._quantities
        sign = self._sign
        return [sign * key for key in keys], [quantities[key] for key in keys]

    @property
    def best(self) -> tuple[int, int] | None:
        """(price, quantity) of the best level, or None when the side is empty."""
        key, quantity = self.top[0]
        return (self._sign * key, quantity) if quantity else None


class LocalBook:
    """Both sides and the flow since ``reset_flow``. ``best_changed`` tells whether the last update moved a best."""

    __slots__ = ("asks", "best_changed", "bids", "ofi", "updates")

    def __init__(self, unit: Unit = PLAIN) -> None:
        self.bids = Side(1, unit)
        self.asks = Side(-1, unit)
        self.ofi = [0] * OFI_LEVELS
        self.updates = 0
        self.best_changed = False

    def load(self, bids: Levels, asks: Levels) -> None:
        """Start from a snapshot: levels are replaced, flow is zero."""
        self.bids.load(bids)
        self.asks.load(asks)
        self.reset_flow()
        self.best_changed = False

    def apply(self, bids: Levels, asks: Levels) -> None:
        """Apply one update and account for what it did. Raises ValueError as ``Side.update`` does."""
        ofi = self.ofi
        changed = False
        bid_side, ask_side = self.bids, self.asks
        if bid_side.update(bids):
            old = bid_side.top
            bid_side.refresh()
            new = bid_side.top
            if new != old:
                changed = new[0] != old[0]
                for rank, ((before, was), (after, now)) in enumerate(zip(old, new, strict=True)):
                    ofi[rank] += (now if after >= before else 0) - (was if after <= before else 0)
        if ask_side.update(asks):
            old = ask_side.top
            ask_side.refresh()
            new = ask_side.top
            if new != old:
                changed = changed or new[0] != old[0]
                for rank, ((before, was), (after, now)) in enumerate(zip(old, new, strict=True)):
                    ofi[rank] -= (now if after >= before else 0) - (was if after <= before else 0)
        self.updates += 1
        self.best_changed = changed

    @property
    def crossed(self) -> bool:
        """The best bid is at or above the best ask: the book is not the exchange's."""
        # ask keys are negated prices: bid ≥ ask ⇔ bid key + ask key ≥ 0
        bid, ask = self.bids.top[0], self.asks.top[0]
        return bool(bid[1] and ask[1]) and bid[0] + ask[0] >= 0

    @property
    def two_sided(self) -> bool:
        """Both sides hold at least one level."""
        return bool(self.bids.top[0][1] and self.asks.top[0][1])

    def reset_flow(self) -> None:
        """Begin a new accumulation, after a row was published."""
        self.ofi = [0] * OFI_LEVELS
        self.updates = 0
        for side in (self.bids, self.asks):
            side.added = side.cancelled = 0
