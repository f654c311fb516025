"""What a worker knows of the rows below its position, and what a batch becomes by it.

Watermarks and open holes, or contents, say what is stored already; plans and open buckets, where a trade belongs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from storage_service.batching import THREAD_ABOVE_BYTES, Cleaned, Prepared, accept, finish
from storage_service.buckets.book import BucketBook, Symbol
from storage_service.buckets.freeze import Freezer
from storage_service.clickhouse_io import Warehouse
from storage_service.contents import recover_contents, stored_contents
from storage_service.duplicates import CONTIGUOUS, SEQUENCED, ContentJudge, Judge, SequenceJudge, judge_for
from storage_service.frames import Batch
from storage_service.groups import Groups, Key, grouped, key_columns
from storage_service.lease import Lease
from storage_service.position import Holes, Positions, Ranges
from storage_service.recover import Below, not_stored, read_days, read_marks, recover_book, recover_marks

_DAY_S: Final = 86_400.0


@dataclass(slots=True)
class Look:
    """The rows of a batch by key, and what has to be asked about them."""

    groups: Groups
    spans: dict[Key, tuple[int, int]] = field(default_factory=dict)
    unmarked: list[Key] = field(default_factory=list)
    unopened: set[Symbol] = field(default_factory=set)
    retried: list[int] = field(default_factory=list)
    new_days: bool = False

    @property
    def asks(self) -> bool:
        """Whether ClickHouse has to be asked, which must have the batches before by then."""
        return bool(self.spans or self.unmarked or self.unopened or self.retried or self.new_days)


@dataclass(frozen=True, slots=True)
class Step:
    """A batch as it is stored, and the open holes to put on record before its intent (None: as they were)."""

    batch: Batch
    prepared: Prepared
    holes: Holes | None


class Known:
    """Of one partition. ``patiently`` asks ClickHouse until it answers."""

    def __init__(
        self,
        data_type: str,
        partition: int,
        warehouse: Warehouse,
        positions: Positions,
        freezer: Freezer,
        lease: Lease,
        patiently: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]],
    ) -> None:
        self._data_type, self._partition = data_type, partition
        self._warehouse, self._positions, self._freezer, self._lease = warehouse, positions, freezer, lease
        self._patiently = patiently
        self._judge: Judge = judge_for(data_type)
        self._book: BucketBook | None = None
        self._saved_holes: Ranges = {}
        self._created = self._epoch = 0
        self._day_ends = 0.0

    async def recover(self, below: Below, created: int, holes: Ranges) -> None:
        """Read it anew from the rows below a position of the stream that was made at ``created``."""
        self._judge = await self._patiently(lambda: self._recover_judge(below, holes))
        self._saved_holes = _open_holes(self._judge)
        self._created, self._epoch, self._day_ends = created, below.epoch, 0.0
        if self._data_type == "trades":
            self._book = await self._patiently(lambda: recover_book(self._warehouse, self._freezer, below))

    async def _recover_judge(self, below: Below, holes: Ranges) -> Judge:
        if self._data_type not in SEQUENCED:
            return await recover_contents(self._warehouse, self._data_type, below)
        return SequenceJudge(self._data_type, await recover_marks(self._warehouse, self._data_type, below, holes))

    @property
    def day_is_over(self) -> bool:
        """Whether ``begin_day`` is due: once a day, and at the first batch after a start."""
        return time.monotonic() >= self._day_ends

    def begin_day(self) -> None:
        """Forget the silent. Never in a replay, whose intent rests on what was known; the holes that go with them are
        on record before the next intent."""
        if isinstance(self._judge, SequenceJudge):
            self._judge.begin_day()
            self._saved_holes = _open_holes(self._judge)
        if self._book is not None:
            self._book.begin_day()
        self._day_ends = time.monotonic() + _DAY_S

    def look(self, cleaned: Cleaned) -> Look:
        """What of a batch is not in memory: symbols that are new or have been silent, what is before a window, the days
        without a plan, and which rows of retried dead letters are stored."""
        rows, judge, book = cleaned.rows, self._judge, self._book
        look = Look(grouped(rows, key_columns(self._data_type)))
        if isinstance(judge, ContentJudge):
            look.spans = judge.beyond(rows, look.groups)
        else:
            look.unmarked = judge.unknown(look.groups)
            if self._data_type in CONTIGUOUS:
                look.retried = [frame.seq for frame in cleaned.batch.frames if frame.retried]
        if book is not None:
            look.unopened = book.unknown(look.groups)
            look.new_days = bool(look.unopened) or not book.knows_days(rows, look.groups)
        return look

    async def prepare(self, cleaned: Cleaned, look: Look) -> Step:
        """Judge, freeze new symbol-days, assign, encode. Open holes are to be on record before an intent rests on them:
        ``record_holes``."""
        await self._look_up(cleaned, look)
        await self._expect_retried(cleaned, look.retried)
        accepted = accept(cleaned.rows, cleaned.dead, self._judge, self._book, look.groups)
        holes = self._changed_holes(cleaned.batch.first)
        if self._book is not None and accepted.missing_days:
            self._book.open_days(await self._patiently(lambda: self._freezer.plans(accepted.missing_days)))
        if cleaned.batch.bytes > THREAD_ABOVE_BYTES:
            prepared = await asyncio.to_thread(finish, self._data_type, accepted, self._book)
        else:
            prepared = finish(self._data_type, accepted, self._book)
        return Step(cleaned.batch, prepared, holes)

    async def record_holes(self, step: Step) -> None:
        """Of a batch whose turn it is to be stored: those before it are."""
        if step.holes is not None:
            self._lease.check()
            await self._positions.write_holes(self._data_type, self._partition, step.holes)

    def _changed_holes(self, first: int) -> Holes | None:
        judge = self._judge
        if not isinstance(judge, SequenceJudge) or not judge.holes_changed:
            return None
        before, self._saved_holes = self._saved_holes, _open_holes(judge)
        judge.holes_changed = False
        return Holes(before=first, holes_before=before, holes_after=self._saved_holes, stream_created=self._created)

    async def _look_up(self, cleaned: Cleaned, look: Look) -> None:
        judge, book, below = self._judge, self._book, Below(cleaned.batch.first, self._epoch)
        if isinstance(judge, ContentJudge) and look.spans:
            stored = await self._patiently(lambda: stored_contents(self._warehouse, self._data_type, below, look.spans))
            if stored.height:
                judge.recall(stored)
        if isinstance(judge, SequenceJudge) and look.unmarked:
            judge.marks |= await self._patiently(
                lambda: read_marks(self._warehouse, self._data_type, below, look.unmarked)
            )
        if book is not None and look.unopened:
            await self._patiently(lambda: read_days(self._warehouse, self._freezer, below, book, look.unopened))

    async def _expect_retried(self, cleaned: Cleaned, retried: list[int]) -> None:
        """Rows of retried dead letters are below what is stored, and in no hole: ClickHouse says which are missing."""
        judge = self._judge
        if not retried or not isinstance(judge, SequenceJudge):
            return
        rows = cleaned.rows.filter(pl.col("stream_seq").is_in(retried))
        wanted = [(row[:-1], row[-1]) for row in rows.select(*key_columns(self._data_type), "sequence").iter_rows()]
        if wanted:
            below = Below(cleaned.batch.first, self._epoch)
            asked = await self._patiently(lambda: not_stored(self._warehouse, self._data_type, below, wanted))
            for key, sequence in asked:
                judge.expect(key, sequence)


def _open_holes(judge: Judge) -> Ranges:
    if not isinstance(judge, SequenceJudge):
        return {}
    return {"|".join(key): list(mark.holes) for key, mark in judge.marks.items() if mark.holes}
