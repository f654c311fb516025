"""A local order book, exact to the digit, with what each update did.

Quantities are integers of 10⁻¹² (see ``decimals``), so sums do not depend on their order. Prices are keyed by their
Float64: two decimal texts of at most 15 significant digits never share one, and longer ones are refused. A side keeps
its keys in ascending *rank* (price for bids, −price for asks) in one block of memory, and beside them quantities and
their Float64: the best level is always the last, most changes are near the best and move little, the top N is two
slices, and a thousand books of objects spread over the heap are not searched through (a dictionary by key cost a tenth
of an update more). Updates cost O(log n) + a short memmove; nothing sorts the whole book after the snapshot.

Order flow imbalance (Cont, Kukanov, Stoikov 2014), per update and level rank r = 1…5, with key k and quantity q of the
level at rank r before (o) and after (n) the update:

    flow_r = [k_n ≥ k_o]·q_n − [k_n ≤ k_o]·q_o        ofi_r = flow_r(bids) − flow_r(asks)

Quantities are base units: where the exchange counts contracts, ``unit`` converts each level as it is read.

A missing rank has key −∞ and quantity 0. Added and cancelled quantity are Σ max(Δ, 0) and Σ max(−Δ, 0) over every
level that an update changes ("cancelled" includes what was traded away: a diff cannot tell). All sums are integers.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from decimal import Decimal
from math import inf
from typing import Final

from collector.decimals import ONE, POWERS, scaled
from collector.units import PLAIN, Unit
from marketprism.events import DECIMAL_SCALE

OFI_LEVELS: Final = 5
_NOTHING: Final = (-inf, 0)
"""A rank that holds no level."""
_SHORT: Final = 14
"""A price text of at most so many characters has at most 12 decimals and 15 digits; others are looked at."""
_DIGITS: Final = 15
_LIMIT: Final = 1e12
"""Prices stay below it (the wire contract), and what is no number is not below it either."""
_ZEROS: Final = frozenset({"0", *("0." + "0" * places for places in range(1, 13))})
"""Two in five levels of a diff are deleted."""

Levels = Iterable[tuple[str, str]]
Top = list[tuple[float, int]]


def price_key(text: str) -> float:
    """The Float64 that stands for a price; raises ValueError for what is no number or too long for one."""
    _, _, decimals = text.partition(".")
    if len(decimals) > DECIMAL_SCALE:
        raise ValueError(f"price {text!r} has more than {DECIMAL_SCALE} decimals")
    if len(text) > _DIGITS + 1 and len(text.replace(".", "", 1).strip("0")) > _DIGITS:
        raise ValueError(f"price {text!r} has more than {_DIGITS} significant digits")
    return float(text)


def price_text(key: float) -> str:
    """The shortest text of a price: the exchange's digits, without trailing zeros."""
    text = repr(key)
    if "e" in text:
        text = f"{Decimal(text):f}"
    return text.removesuffix(".0")


class Side:
    """One side of a book. ``sign`` is +1 for bids, −1 for asks; ``top`` holds the best five (key, quantity)."""

    __slots__ = ("_amounts", "_edge", "_keys", "_sign", "_sizes", "_unit", "added", "cancelled", "top")

    def __init__(self, sign: int, unit: Unit = PLAIN) -> None:
        self._sign = sign
        self._unit = None if unit.plain else unit
        self._keys = array("d")
        self._sizes = array("d")
        self._amounts: list[int] = []
        self._edge = -inf
        self.top: Top = [_NOTHING] * OFI_LEVELS
        self.added = 0
        self.cancelled = 0

    def __len__(self) -> int:
        return len(self._keys)

    def load(self, levels: Levels) -> None:
        """Replace everything by a snapshot; counts nothing as added. Raises ValueError on text that is no number."""
        sign, unit = self._sign, self._unit
        found: dict[float, int] = {}
        for price, quantity in levels:
            number = scaled(quantity)
            found[sign * price_key(price)] = number if unit is None else unit.base(number, scaled(price))
        ranked = sorted((key, amount) for key, amount in found.items() if amount > 0)
        if not all(-_LIMIT < key < _LIMIT for key, _ in ranked):
            raise ValueError(f"a price of the snapshot is no number below {_LIMIT:.0f}")
        self._keys = array("d", [key for key, _ in ranked])
        self._amounts = [amount for _, amount in ranked]
        self._sizes = array("d", [amount / ONE for amount in self._amounts])
        self.refresh()

    def update(self, levels: Levels) -> bool:
        """Set absolute quantities (0 deletes); returns whether one of the best five may have changed.

        Raises ValueError on text that is no number or has more than 12 decimals: the side is then unusable until
        ``load``, because earlier levels of the update are already in.
        """
        try:
            return self._update(levels)
        except (IndexError, ValueError) as error:
            raise ValueError(f"a level is not a decimal number of at most {DECIMAL_SCALE} decimals: {error}") from error

    def _update(self, levels: Levels) -> bool:
        # the loop is most of the cost of a depth stream: price_key and decimals.scaled are inlined here
        sign, keys, amounts, sizes, edge, unit = (
            self._sign, self._keys, self._amounts, self._sizes, self._edge, self._unit,
        )  # fmt: skip
        added = cancelled = 0
        count = len(keys)
        touched = False
        for price, quantity in levels:
            key = sign * (float(price) if len(price) <= _SHORT else price_key(price))
            if quantity in _ZEROS:
                new = 0
            else:
                whole, _, fraction = quantity.partition(".")
                new = int(whole + fraction) * POWERS[len(fraction)]
                if unit is not None:
                    new = unit.base(new, scaled(price))
            at = bisect_left(keys, key)
            old = amounts[at] if at < count and keys[at] == key else 0
            if new == old:
                continue
            if new > old:
                added += new - old
            else:
                cancelled += old - new
            if new <= 0:
                if new < 0:
                    raise ValueError(f"negative quantity {quantity!r} at price {price!r}")
                del keys[at]
                del amounts[at]
                del sizes[at]
                count -= 1
            elif old:
                amounts[at] = new
                sizes[at] = new / ONE
            else:
                if not -_LIMIT < key < _LIMIT:
                    raise ValueError(f"price {price!r} is no number below {_LIMIT:.0f}")
                keys.insert(at, key)
                amounts.insert(at, new)
                sizes.insert(at, new / ONE)
                count += 1
            if key >= edge:
                touched = True
        self.added += added
        self.cancelled += cancelled
        return touched

    def refresh(self) -> None:
        """Read the best five again after ``update`` said that they may have changed."""
        top = list(zip(self._keys[: -OFI_LEVELS - 1 : -1], self._amounts[: -OFI_LEVELS - 1 : -1], strict=True))
        if len(top) < OFI_LEVELS:
            top += [_NOTHING] * (OFI_LEVELS - len(top))
        self._edge = top[-1][0]
        self.top = top

    def levels(self, count: int) -> tuple[list[int], list[int]]:
        """(prices, quantities) of the best ``count`` levels, best first, as scaled integers."""
        last = -count - 1
        return [scaled(price_text(self._sign * key)) for key in self._keys[:last:-1]], self._amounts[:last:-1]

    def floats(self, count: int) -> tuple[list[float], list[float]]:
        """(prices, quantities) of the best ``count`` levels, best first: the Float64 nearest to each text."""
        last = -count - 1
        keys = self._keys[:last:-1].tolist()
        return keys if self._sign > 0 else [-key for key in keys], self._sizes[:last:-1].tolist()

    @property
    def best(self) -> tuple[int, int] | None:
        """(price, quantity) of the best level, as scaled integers, or None when the side is empty."""
        key, quantity = self.top[0]
        return (scaled(price_text(self._sign * key)), quantity) if quantity else None


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
                for rank, (level, other) in enumerate(zip(old, new, strict=True)):
                    if level != other:
                        (before, was), (after, now) = level, other
                        ofi[rank] += (now if after >= before else 0) - (was if after <= before else 0)
        if ask_side.update(asks):
            old = ask_side.top
            ask_side.refresh()
            new = ask_side.top
            if new != old:
                changed = changed or new[0] != old[0]
                for rank, (level, other) in enumerate(zip(old, new, strict=True)):
                    if level != other:
                        (before, was), (after, now) = level, other
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
