"""Which rows are already stored: by sequence watermark and open holes, or by time and content.

A pure state machine over accepted rows. What it knows after a batch depends on the rows accepted so far, never on how
they were cut into batches.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from storage_service.groups import Groups, Key, grouped, key_columns
from storage_service.schema import select

Bools = npt.NDArray[np.bool_]

SEQUENCED: Final = frozenset({"trades", "orderbooks", "best_quotes"})
"""Types whose ``sequence`` rises strictly within a symbol."""
CONTIGUOUS: Final = frozenset({"trades"})
"""Types whose sequences have no holes of their own: a jump is a hole."""
RISING: Final = frozenset({"bybit"})
"""Exchanges whose trade sequences have: between two of them nothing is missing."""
MAX_HOLES: Final = 64
"""Open holes remembered per symbol; the oldest is forgotten (rows in it then count as duplicates)."""
WINDOW_ROWS: Final = 256
"""Rows remembered per symbol of a type that is told apart by content."""
_DAY_MS: Final = 86_400_000
SILENT_DAYS: Final = 9
"""A symbol without a row for so many days is forgotten: contracts expire, and validation lets no older row in."""


@dataclass(slots=True)
class Judgement:
    """Per row of the batch: is it new; did it close an open hole. ``groups``: the rows by key.

    ``forgotten``: open holes that are no longer watched, because a symbol had too many.
    """

    keep: Bools
    late: Bools
    groups: Groups
    forgotten: int = 0

    @property
    def duplicates(self) -> int:
        return int(len(self.keep) - self.keep.sum())


@dataclass(slots=True)
class Mark:
    """Highest sequence of a symbol, and the ranges below it (both ends included, ascending) that never came.

    ``heard``: the day, as its judge counts them, of the newest row.
    """

    top: int
    holes: list[tuple[int, int]] = field(default_factory=list)
    heard: int = 0


class SequenceJudge:
    """For types in ``SEQUENCED``."""

    def __init__(self, data_type: str, marks: dict[Key, Mark] | None = None) -> None:
        self._by = key_columns(data_type)
        self._contiguous = data_type in CONTIGUOUS
        self.marks: dict[Key, Mark] = marks or {}
        self.holes_changed = False
        self._missing: set[tuple[Key, int]] = set()
        self._forgotten = 0
        self._day = 0

    def begin_day(self) -> None:
        """A day of the process's own, whatever the calendar: symbols that have been silent go, with their holes.

        Who comes back is ``unknown``, and its mark must be read again.
        """
        self._day += 1
        for key in [key for key, mark in self.marks.items() if mark.heard + SILENT_DAYS < self._day]:
            self.holes_changed |= bool(self.marks.pop(key).holes)

    def unknown(self, groups: Groups) -> list[Key]:
        """Of which no row has been accepted, or none for long."""
        return [key for key, _ in groups if key not in self.marks]

    def judge(self, rows: pl.DataFrame, groups: Groups | None = None) -> Judgement:
        """Judge the rows in order and remember the accepted ones. ``groups``: of the rows, where they are known."""
        keep = np.ones(rows.height, dtype=np.bool_)
        late = np.zeros(rows.height, dtype=np.bool_)
        sequences = rows["sequence"].to_numpy().astype(np.uint64)  # Bybit's spot trades are beyond 2^63
        groups = groups or grouped(rows, self._by)
        self._forgotten = 0
        for key, indices in groups:
            self._judge_symbol(key, sequences[indices], indices, keep, late)
        self._missing.clear()
        return Judgement(keep, late, groups, self._forgotten)

    def expect(self, key: Key, sequence: int) -> None:
        """A row of the next batch that is known not to be stored: taken once, whatever the judge remembers.

        No hole: a frame has more rows than a symbol may have holes.
        """
        self._missing.add((key, sequence))

    def _judge_symbol(
        self, key: Key, sequences: npt.NDArray[np.uint64], indices: npt.NDArray[np.int64], keep: Bools, late: Bools
    ) -> None:
        contiguous = self._contiguous and key[0] not in RISING
        mark = self.marks.get(key)
        if mark is None:
            mark = self.marks[key] = Mark(int(sequences[0]) - 1)
        mark.heard = self._day
        before, after = sequences[:-1], sequences[1:]
        if int(sequences[0]) > mark.top and (after > before).all():  # the usual case: everything is new and in order
            if contiguous:
                if int(sequences[0]) > mark.top + 1:
                    self._open_hole(mark, mark.top + 1, int(sequences[0]) - 1)
                for i in np.flatnonzero(after - before > 1).tolist():
                    self._open_hole(mark, int(before[i]) + 1, int(after[i]) - 1)
            mark.top = int(sequences[-1])
            return
        for index, sequence in zip(indices.tolist(), sequences.tolist(), strict=True):
            if sequence > mark.top:
                if contiguous and sequence > mark.top + 1:
                    self._open_hole(mark, mark.top + 1, sequence - 1)
                mark.top = sequence
                self._missing.discard((key, sequence))
            elif self._close_hole(mark, sequence) or (key, sequence) in self._missing:
                late[index] = True
                self._missing.discard((key, sequence))
            else:
                keep[index] = False

    def _open_hole(self, mark: Mark, first: int, last: int) -> None:
        mark.holes.append((first, last))
        self.holes_changed = True
        if len(mark.holes) > MAX_HOLES:
            del mark.holes[0]
            self._forgotten += 1

    def _close_hole(self, mark: Mark, sequence: int) -> bool:
        at = bisect_right(mark.holes, (sequence, 2**64)) - 1
        if at < 0 or not mark.holes[at][0] <= sequence <= mark.holes[at][1]:
            return False
        first, last = mark.holes[at]
        rest = [(first, sequence - 1), (sequence + 1, last)]
        mark.holes[at : at + 1] = [hole for hole in rest if hole[0] <= hole[1]]
        self.holes_changed = True
        if len(mark.holes) > MAX_HOLES:
            del mark.holes[0]
            self._forgotten += 1
        return True


class ContentJudge:
    """For all other types: a row is known when the symbol's window holds its (timestamp, content hash).

    The window keeps the ``WINDOW_ROWS`` greatest (timestamp, hash) of the accepted rows; what is older is known when it
    has been told (``beyond``, ``recall``), and accepted otherwise.
    """

    def __init__(self, data_type: str) -> None:
        self._by = key_columns(data_type)
        self._recalled: set[tuple[Key, tuple[int, int]]] = set()
        self.windows: dict[Key, list[tuple[int, int]]] = {}  # a heap: the smallest goes first
        self._known: dict[Key, set[tuple[int, int]]] = {}
        self._newest_day = 0

    def judge(self, rows: pl.DataFrame, groups: Groups | None = None) -> Judgement:
        """Judge the rows in order and remember the accepted ones. ``groups``: of the rows, where they are known."""
        keep = np.ones(rows.height, dtype=np.bool_)
        times = rows["timestamp"].to_list()
        hashes = content_hashes(rows)
        groups = groups or grouped(rows, self._by)
        known, self._recalled = self._recalled, set()
        for key, indices in groups:
            for index in indices.tolist():
                item = (times[index], hashes[index])
                keep[index] = (key, item) not in known and self._remember(key, item, known)
                known.add((key, item))
        newest_day = max(times, default=0) // _DAY_MS
        if newest_day > self._newest_day:
            self._newest_day = newest_day
            self._forget_silent()
        return Judgement(keep, np.zeros(rows.height, dtype=np.bool_), groups)

    def beyond(self, rows: pl.DataFrame, groups: Groups) -> dict[Key, tuple[int, int]]:
        """Symbols of which the rows have some of before their window, and from when to when (ms) these are."""
        times = rows["timestamp"].to_numpy()
        found = {}
        for key, indices in groups:
            window = self.windows.get(key, [])
            if len(window) == WINDOW_ROWS and (older := times[indices])[older <= window[0][0]].size:
                found[key] = (int(older.min()), min(int(older.max()), window[0][0]))
        return found

    def recall(self, rows: pl.DataFrame) -> None:
        """These are stored: known to the next judgement, whatever the windows hold."""
        times, hashes = rows["timestamp"].to_list(), content_hashes(rows)
        for key, indices in grouped(rows, self._by):
            self._recalled.update((key, (times[index], hashes[index])) for index in indices.tolist())

    def _forget_silent(self) -> None:
        since = (self._newest_day - SILENT_DAYS) * _DAY_MS
        for key in [key for key, window in self.windows.items() if max(window)[0] < since]:
            del self.windows[key], self._known[key]

    def _remember(self, key: Key, item: tuple[int, int], known_now: set[tuple[Key, tuple[int, int]]]) -> bool:
        """Whether the window did not hold it. What that pushes out is known for the rest of the batch: the batch was
        asked for what is before its first window alone."""
        window = self.windows.setdefault(key, [])
        known = self._known.setdefault(key, set())
        if item in known:
            return False
        heapq.heappush(window, item)
        known.add(item)
        if len(window) > WINDOW_ROWS:
            known.discard(pushed_out := heapq.heappop(window))
            known_now.add((key, pushed_out))
        return True


_NOT_CONTENT: Final = frozenset(
    {"received_at", "data_source", "stream_seq", "_frame", "_row", "bucket_id", "bucket_cut", "bucket_t_max_ms", "late"}
)


def content_hashes(rows: pl.DataFrame) -> list[int]:
    """A 64-bit hash of what a row says, without how and when it came. Stable within one installation."""
    content = select(rows, [pl.exclude(*_NOT_CONTENT)])
    hashes: list[Any] = content.hash_rows(seed=20240808).to_list()
    return hashes


Judge = SequenceJudge | ContentJudge


def takes_old_rows(data_type: str, exchange: str) -> bool:
    """Whether a row that is older than its symbol's newest can still be told from one that is stored."""
    return data_type not in SEQUENCED or (data_type in CONTIGUOUS and exchange not in RISING)


def judge_for(data_type: str) -> Judge:
    """An empty judge of the right sort."""
    return SequenceJudge(data_type) if data_type in SEQUENCED else ContentJudge(data_type)
