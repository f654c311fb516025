"""What a worker knows of the rows below its position, and what a batch becomes by it.

Watermarks and open holes, or contents, say what is stored already; plans and open buckets, where a trade belongs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import polars as pl

from storage_service.batching import THREAD_ABOVE_BYTES, Cleaned, Prepared, accept, finish
from storage_service.buckets.book import BucketBook
from storage_service.buckets.freeze import Freezer
from storage_service.clickhouse_io import Warehouse
from storage_service.contents import recover_contents, stored_contents
from storage_service.duplicates import CONTIGUOUS, SEQUENCED, ContentJudge, Judge, SequenceJudge, judge_for
from storage_service.groups import Groups, grouped, key_columns
from storage_service.lease import Lease
from storage_service.position import Holes, Positions, Ranges
from storage_service.recover import Below, not_stored, read_days, read_marks, recover_book, recover_marks

_DAY_S: Final = 86_400.0


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

    def begin_day_if_due(self) -> None:
        """Once a day, and at the first batch after a start: forget the silent. Never in a replay, whose intent rests on
        what was known; its holes are on record before the next one does."""
        if time.monotonic() < self._day_ends:
            return
        if isinstance(self._judge, SequenceJudge):
            self._judge.begin_day()
            self._saved_holes = _open_holes(self._judge)
        if self._book is not None:
            self._book.begin_day()
        self._day_ends = time.monotonic() + _DAY_S

    async def prepare(self, cleaned: Cleaned) -> Prepared:
        """Judge, freeze new symbol-days, assign, encode; open holes are on record before an intent rests on them."""
        judge, groups = self._judge, grouped(cleaned.rows, key_columns(self._data_type))
        await self._look_up(cleaned, judge, groups)
        await self._expect_retried(cleaned, judge)
        accepted = accept(cleaned.rows, cleaned.dead, judge, self._book, groups)
        if isinstance(self._judge, SequenceJudge) and self._judge.holes_changed:
            now = _open_holes(self._judge)
            holes = Holes(
                before=cleaned.batch.first,
                holes_before=self._saved_holes,
                holes_after=now,
                stream_created=self._created,
            )
            self._lease.check()
            await self._positions.write_holes(self._data_type, self._partition, holes)
            self._judge.holes_changed = False
            self._saved_holes = now
        if self._book is not None:
            self._book.open_days(await self._patiently(lambda: self._freezer.plans(accepted.missing_days)))
        if cleaned.batch.bytes > THREAD_ABOVE_BYTES:
            return await asyncio.to_thread(finish, self._data_type, accepted, self._book)
        return finish(self._data_type, accepted, self._book)

    async def _look_up(self, cleaned: Cleaned, judge: Judge, groups: Groups) -> None:
        """What is stored of symbols that are not in memory (new ones, and those that have been silent), and of before
        what is."""
        below = Below(cleaned.batch.first, self._epoch)
        if isinstance(judge, ContentJudge) and (spans := judge.beyond(cleaned.rows, groups)):
            stored = await self._patiently(lambda: stored_contents(self._warehouse, self._data_type, below, spans))
            if stored.height:
                judge.recall(stored)
        if isinstance(judge, SequenceJudge) and (keys := judge.unknown(groups)):
            judge.marks |= await self._patiently(lambda: read_marks(self._warehouse, self._data_type, below, keys))
        if (book := self._book) is not None and (symbols := book.unknown(groups)):
            await self._patiently(lambda: read_days(self._warehouse, self._freezer, below, book, symbols))

    async def _expect_retried(self, cleaned: Cleaned, judge: Judge) -> None:
        """Rows of retried dead letters are below what is stored, and in no hole: ClickHouse says which are missing."""
        retried = [frame.seq for frame in cleaned.batch.frames if frame.retried]
        if not retried or not isinstance(judge, SequenceJudge) or self._data_type not in CONTIGUOUS:
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
