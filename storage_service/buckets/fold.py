"""The exact fold of one (symbol, day): trades in sequence order → bucket ordinals, whatever the cut into batches.

Quantities are integers at scale 12. Sums run on int64 as long as they provably stay below 2^62; else the slice is
expressed in a coarser exact unit (a power of ten dividing every quantity), else it is cut in halves, and at the bottom
Python integers do it. Comparisons are exact in every path, so the path taken never shows in the result.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage_service.buckets.plan import MAX_ORDINAL, Thresholds

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_BOUND: Final = float(2**62) * (1 - 2**-40)  # float64 sums err by far less than one part in 2^40
_LOOP_BELOW: Final = 48  # trades; shorter slices are faster in a plain loop than in numpy calls


@dataclass(slots=True)
class DayState:
    """Where the fold of a (symbol, day) stands. ``ordinal`` 0 = no trade yet; ``is_open``: the bucket takes more.

    ``volume`` at scale 12; ``first_ms``/``max_ms``: time of the open bucket's first trade and its running maximum.
    """

    ordinal: int = 0
    is_open: bool = False
    volume: int = 0
    trades: int = 0
    updates: int = 0
    first_ms: int = 0
    max_ms: int = 0


@dataclass(slots=True)
class Closed:
    """Buckets that closed, in order, as columns; a trigger is ``volume``, ``count``, ``event`` or ``time``."""

    ordinals: list[int] = field(default_factory=list)
    trades: list[int] = field(default_factory=list)
    durations_ms: list[int] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ordinals)

    def take(self, state: DayState, trigger: str) -> None:
        """Close the open bucket of ``state``."""
        state.is_open = False
        self.ordinals.append(state.ordinal)
        self.trades.append(state.trades)
        self.durations_ms.append(state.max_ms - state.first_ms)
        self.triggers.append(trigger)

    def extend(self, other: Closed) -> None:
        """Those that closed after these."""
        self.ordinals += other.ordinals
        self.trades += other.trades
        self.durations_ms += other.durations_ms
        self.triggers += other.triggers


@dataclass(slots=True)
class Assigned:
    """Per trade its bucket ordinal and whether it closes it; the buckets that closed on the way."""

    ordinals: Int64s
    closing: Bools
    closed: Closed = field(default_factory=Closed)


@dataclass(frozen=True, slots=True)
class Quantities:
    """Decimal(38, 12) quantities as the two 64-bit words of each (no copy of the Arrow buffer). All ≥ 0."""

    words: npt.NDArray[np.int64]  # shape (n, 2): low, high

    @classmethod
    def of(cls, column: pa.Array) -> Quantities:
        """From a ``decimal128(38, 12)`` array without nulls."""
        buffer = column.buffers()[1]
        words = np.frombuffer(buffer, dtype=np.int64).reshape(-1, 2)
        return cls(words[column.offset : column.offset + len(column)])

    @classmethod
    def of_integers(cls, values: list[int]) -> Quantities:
        """From Python integers at scale 12."""
        raw = b"".join(value.to_bytes(16, "little", signed=True) for value in values)
        return cls(np.frombuffer(raw, dtype=np.int64).reshape(-1, 2))

    def __len__(self) -> int:
        return len(self.words)

    def take(self, rows: npt.NDArray[np.intp] | slice | Bools) -> Quantities:
        """The quantities of some rows."""
        return Quantities(self.words[rows])

    def sums(self, starts: npt.NDArray[np.intp]) -> Int64s | None:
        """Sum of each slice that begins at one of ``starts``; None when int64 at scale 12 might not hold them all."""
        low, high = self.words[:, 0], self.words[:, 1]
        if high.any() or float(np.sum(low.view(np.uint64), dtype=np.float64)) >= _BOUND:
            return None
        return np.add.reduceat(low, starts)

    def integers(self) -> list[int]:
        """As Python integers at scale 12."""
        low: list[int] = self.words[:, 0].view(np.uint64).tolist()
        high: list[int] = self.words[:, 1].tolist()
        if not any(high):
            return low
        return [(h << 64) | lo for lo, h in zip(low, high, strict=True)]

    def cumulative(self) -> tuple[Int64s, int] | None:
        """Running sums as int64 in units of 10^k · 1e-12, and 10^k; None when no exact int64 form is known."""
        low, high = self.words[:, 0], self.words[:, 1]
        total = float(np.sum(low.view(np.uint64), dtype=np.float64)) + float(np.sum(high, dtype=np.float64)) * 2.0**64
        if total < _BOUND:
            return np.cumsum(low), 1
        exponent = 1
        while total / 10**exponent >= _BOUND:
            exponent += 1
        coarse = self._in_units(exponent)
        return None if coarse is None else (np.cumsum(coarse), 10**exponent)

    def _in_units(self, exponent: int) -> Int64s | None:
        if exponent > 12:
            return None
        contiguous = np.ascontiguousarray(self.words)
        column = pa.Array.from_buffers(pa.decimal128(38, 12), len(self), [None, pa.py_buffer(contiguous)])
        try:
            scaled = column.cast(pa.decimal128(38, 12 - exponent))  # refuses to drop digits
        except pa.ArrowInvalid:
            return None
        return np.frombuffer(scaled.buffers()[1], dtype=np.int64).reshape(-1, 2)[:, 0]


def absorb(state: DayState, limit: Thresholds, count: int, newest_ms: int, volume: int) -> bool:
    """Take ``count`` trades with this newest time and volume into the open bucket when none of them can end it.

    Thresholds only ever come nearer: what is not reached at the end was not reached on the way. False = nothing done.
    """
    if not state.is_open or newest_ms - state.first_ms >= limit.t_max_ms:
        return False
    newest = max(state.max_ms, newest_ms)
    total = state.volume + volume if limit.volume else 0
    if (
        limit.active
        and total >= limit.volume
        and state.trades + count >= limit.trades
        and state.updates >= limit.updates
        and newest - state.first_ms >= limit.elapsed_ms
    ):
        return False
    state.max_ms, state.volume = newest, total
    state.trades += count
    return True


def advance(
    state: DayState, thresholds: Thresholds, ts_ms: Int64s, quantities: Quantities, updates: Int64s | None = None
) -> Assigned:
    """Fold the next trades of a (symbol, day) into ``state`` (changed in place).

    ``ts_ms``: exchange time of each trade; ``updates``: book updates since the trade before (event mode only).
    """
    total = len(ts_ms)
    if total < _LOOP_BELOW:
        return _advance_loop(state, thresholds, ts_ms, quantities, updates)
    cumulative = quantities.cumulative() if thresholds.volume else (ts_ms, 1)
    if cumulative is None:  # too large for int64 in any unit: smaller slices have smaller sums
        half = total // 2
        head, tail = slice(0, half), slice(half, total)
        first = advance(state, thresholds, ts_ms[head], quantities.take(head), _part(updates, head))
        second = advance(state, thresholds, ts_ms[tail], quantities.take(tail), _part(updates, tail))
        first.closed.extend(second.closed)
        return Assigned(
            np.concatenate([first.ordinals, second.ordinals]),
            np.concatenate([first.closing, second.closing]),
            first.closed,
        )
    return _Vectorised(state, thresholds, ts_ms, cumulative, updates).run()


def _part(updates: Int64s | None, rows: slice) -> Int64s | None:
    return None if updates is None else updates[rows]


def _advance_loop(
    state: DayState, limit: Thresholds, ts_ms: Int64s, quantities: Quantities, updates: Int64s | None
) -> Assigned:
    ordinals: list[int] = []
    closing = np.zeros(len(ts_ms), dtype=np.bool_)
    closed = Closed()
    increments = updates.tolist() if updates is not None and limit.updates else [0] * len(ts_ms)
    amounts = quantities.integers() if limit.volume else increments
    active, volume_limit, trades_limit, t_max = limit.active, limit.volume, limit.trades, limit.t_max_ms
    for ts, quantity, update in zip(ts_ms.tolist(), amounts, increments, strict=True):
        if state.is_open and ts - state.first_ms >= t_max and state.ordinal < MAX_ORDINAL:
            closed.take(state, "time")
        if not state.is_open:
            _open(state, ts)
        elif ts > state.max_ms:
            state.max_ms = ts
        state.trades += 1
        if volume_limit:
            state.volume += quantity
        state.updates += update
        ordinals.append(state.ordinal)
        if (
            active
            and state.volume >= volume_limit
            and state.trades >= trades_limit
            and state.updates >= limit.updates
            and state.max_ms - state.first_ms >= limit.elapsed_ms
            and state.ordinal < MAX_ORDINAL
        ):
            closing[len(ordinals) - 1] = True
            closed.take(state, limit.cut)
    return Assigned(np.array(ordinals, dtype=np.int64), closing, closed)


def _open(state: DayState, ts: int) -> None:
    state.ordinal += 1
    state.is_open = True
    state.volume = state.trades = state.updates = 0
    state.first_ms = state.max_ms = ts


def _search(values: Sequence[int], target: int, start: int, guess: int) -> int:
    """First index ≥ ``start`` of an ascending sequence whose value reaches ``target``; its length when none does.

    ``guess``: how far away it may be; a near end makes the binary search short.
    """
    size = len(values)
    end = min(start + guess, size)
    if values[end - 1] < target:
        start, end = end, size
        if values[size - 1] < target:
            return size
    return bisect_left(values, target, start, end)


def _view(values: Int64s) -> memoryview[int]:
    return np.ascontiguousarray(values, dtype=np.int64).data.cast("B").cast("q")


class _Vectorised:
    """One pass over a slice: per bucket a few binary searches on running sums and the running maximum of time.

    Memory views: reading one element of a numpy array costs five times as much.
    """

    def __init__(
        self,
        state: DayState,
        limit: Thresholds,
        ts_ms: Int64s,
        cumulative: tuple[Int64s, int],
        updates: Int64s | None,
    ) -> None:
        self.state, self.limit, self.total = state, limit, len(ts_ms)
        self.times, self.newest = ts_ms, np.maximum.accumulate(ts_ms)
        self.ts: Sequence[int] = _view(ts_ms)
        self.running: Sequence[int] = _view(self.newest)
        self.sums: Sequence[int] = _view(cumulative[0])
        self.unit = cumulative[1]
        self.update_sums: Sequence[int] | None = None
        if updates is not None and limit.updates:
            self.update_sums = _view(np.cumsum(updates))
        self.guess = 64
        self.closing = np.zeros(self.total, dtype=np.bool_)
        self.closed = Closed()

    def run(self) -> Assigned:
        state, limit, total, closing, closed = self.state, self.limit, self.total, self.closing, self.closed
        numbers: list[int] = []
        ends: list[int] = []
        only_volume = bool(limit.volume) and not (limit.trades or limit.updates or limit.elapsed_ms)
        position = 0
        while position < total:
            if not state.is_open:
                if only_volume:
                    position = self._by_volume(position, numbers, ends)
                    if position == total:
                        break
                _open(state, self.ts[position])
            endless = state.ordinal >= MAX_ORDINAL
            last = total if endless or not limit.active else self._closing_index(position)
            overdue = total if endless else self._overdue(position, last)
            end = min(last + 1, overdue, total)
            self._absorb(position, end)
            numbers.append(state.ordinal)
            ends.append(end)
            self.guess = 2 * (end - position) + 16
            if overdue <= last and overdue < total:
                closed.take(state, "time")
            elif last < total:
                closing[last] = True
                closed.take(state, limit.cut)
            position = end
        return Assigned(np.repeat(np.array(numbers, dtype=np.int64), np.diff(ends, prepend=0)), closing, closed)

    def _by_volume(self, position: int, numbers: list[int], ends: list[int]) -> int:
        """Whole buckets from ``position`` on, as long as each closes by volume and nearby; returns where that ends.

        What the general step does, without its calls: with few trades in a bucket they are most of the time.
        """
        state, sums, running, ts, total = self.state, self.sums, self.running, self.ts, self.total
        volume, t_max = -(-self.limit.volume // self.unit), self.limit.t_max_ms
        begin, start, guess = len(ends), position, self.guess
        most = begin + MAX_ORDINAL - 1 - state.ordinal
        beyond = sums[position - 1] if position else 0
        while position < total and len(ends) < most:
            target, window = beyond + volume, position + guess
            if window > total:
                window = total
            if sums[window - 1] < target:
                break
            last = bisect_left(sums, target, position, window)
            opened = ts[position]
            if running[last] - opened >= t_max or running[position] != opened:
                break
            beyond = sums[last]
            guess = 2 * (last - position) + 18
            position = last + 1
            ends.append(position)
        if len(ends) > begin:
            self._took_whole(start, np.array(ends[begin:]), numbers)
            self.guess = guess
        return position

    def _took_whole(self, start: int, ends: npt.NDArray[np.intp], numbers: list[int]) -> None:
        state, closed, count = self.state, self.closed, len(ends)
        starts = np.concatenate([[start], ends[:-1]])
        ordinals = range(state.ordinal + 1, state.ordinal + 1 + count)
        self.closing[ends - 1] = True
        numbers += ordinals
        closed.ordinals += ordinals
        closed.trades += (ends - starts).tolist()
        closed.durations_ms += (self.newest[ends - 1] - self.times[starts]).tolist()
        closed.triggers += [self.limit.cut] * count
        first, last = int(starts[-1]), int(ends[-1]) - 1
        before = self.sums[first - 1] if first else 0
        state.ordinal, state.trades = ordinals[-1], last + 1 - first
        state.volume, state.updates = (self.sums[last] - before) * self.unit, 0
        state.first_ms, state.max_ms = self.ts[first], self.running[last]

    def _closing_index(self, position: int) -> int:
        """Index of the trade that closes the bucket; ``total`` = none in this slice."""
        limit, state = self.limit, self.state
        index = position
        if limit.volume:
            before = self.sums[position - 1] if position else 0
            target = before - (state.volume - limit.volume) // self.unit  # rounded up: exact for whole units
            index = _search(self.sums, target, position, self.guess)
        if limit.trades:
            index = max(index, position + limit.trades - state.trades - 1)
        if limit.elapsed_ms and state.max_ms - state.first_ms < limit.elapsed_ms:
            index = max(index, self._first_at_or_after(position, state.first_ms + limit.elapsed_ms))
        if limit.updates:
            index = max(index, self._updates_index(position))
        return min(index, self.total)

    def _updates_index(self, position: int) -> int:
        missing = self.limit.updates - self.state.updates
        if missing <= 0:
            return position
        if self.update_sums is None:
            return self.total
        before = self.update_sums[position - 1] if position else 0
        return _search(self.update_sums, before + missing, position, self.guess)

    def _overdue(self, position: int, last: int) -> int:
        """Index of the trade that opens the next bucket by time; not looked for behind the closing trade."""
        ms = self.state.first_ms + self.limit.t_max_ms
        if last < self.total and self.running[last] < ms:
            return self.total
        return self._first_at_or_after(position, ms)

    def _first_at_or_after(self, position: int, ms: int) -> int:
        """First index ≥ position whose own time is ≥ ``ms``: on the running maximum unless time went back before."""
        if position == 0 or self.running[position - 1] < ms:
            return _search(self.running, ms, position, self.guess)
        window = _LOOP_BELOW
        while position < self.total:
            hits = np.flatnonzero(self.times[position : position + window] >= ms)
            if len(hits):
                return position + int(hits[0])
            position += window
            window *= 2
        return self.total

    def _absorb(self, position: int, end: int) -> None:
        state = self.state
        if end == position:
            return
        if position == 0 or self.running[position - 1] <= self.ts[position]:
            newest = self.running[end - 1]
        else:
            newest = int(self.times[position:end].max())
        state.max_ms = max(state.max_ms, newest)
        state.trades += end - position
        if self.limit.volume:
            before = self.sums[position - 1] if position else 0
            state.volume += (self.sums[end - 1] - before) * self.unit
        if self.update_sums is not None:
            before = self.update_sums[position - 1] if position else 0
            state.updates += self.update_sums[end - 1] - before
