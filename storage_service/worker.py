"""One worker: a (data type, partition) from its stream to its table, exactly once. DELIVERY.md says why it holds."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import polars as pl
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from marketprism.clickhouse import HOT
from marketprism.errors import StoreHalted
from marketprism.settings import StorageSettings
from marketprism.subjects import durable_name, stream_name
from marketprism.tasks import end_tasks
from storage_service import metrics
from storage_service.batching import Prepared, TooManyDays, accept, clean, finish
from storage_service.buckets.book import BucketBook
from storage_service.buckets.freeze import Freezer
from storage_service.clickhouse_io import ClickHouseAway, InsertRefused, Warehouse
from storage_service.deadletters import SCHEMA as DEAD_SCHEMA
from storage_service.deadletters import TABLE as DEAD_TABLE
from storage_service.deadletters import to_batch
from storage_service.duplicates import CONTIGUOUS, Judge, SequenceJudge, judge_for
from storage_service.faultpoints import reach
from storage_service.frames import Batch, DeadLetter, Frame, Limits, take_contiguous
from storage_service.groups import Groups, grouped, key_columns
from storage_service.lease import Lease, LeaseLost
from storage_service.outset import Outset, Outsets
from storage_service.patience import Patience, Stopping, pause
from storage_service.position import Cell, Holes, Positions, Ranges, digest, token
from storage_service.pull import ConsumerLost, Puller
from storage_service.recover import (
    Below,
    not_stored,
    read_days,
    read_marks,
    recover_book,
    recover_judge,
    server_clock_us,
)
from storage_service.stream_hole import Looks, report_stream_hole
from storage_service.tokens import check_tokens
from storage_service.told import tell

logger = logging.getLogger(__name__)

_THREAD_ABOVE_BYTES: Final = 256 << 10  # smaller batches are parsed faster than a thread is woken
_GROWS_TO_BYTES: Final = 2 << 20
_DAY_S: Final = 86_400.0
_UNFORESEEN: Final = 5
"""So many sessions in a row may end by an error that nobody thought of; then it is told as a halt."""


@dataclass(slots=True)
class Cleaned:
    """A batch that is decoded and validated, ready to be judged."""

    batch: Batch
    rows: pl.DataFrame
    dead: list[DeadLetter]


class Worker:
    """``run`` returns when ``stop`` is set, or raises StoreHalted."""

    def __init__(
        self,
        data_type: str,
        partition: int,
        nc: Client,
        js: JetStreamContext,
        warehouse: Warehouse,
        positions: Positions,
        freezer: Freezer,
        settings: StorageSettings,
        stop: asyncio.Event,
        lease: Lease,
        partitions: int = 1,
    ) -> None:
        self.data_type, self.partition = data_type, partition
        self.stream = stream_name(data_type, partition)
        self.halted = ""
        self._js, self._warehouse, self._positions, self._freezer = js, warehouse, positions, freezer
        self._settings, self._stop, self._lease = settings, stop, lease
        self._limits = Limits(settings.batch_max_rows, settings.batch_max_bytes, settings.batch_max_frames)
        self._puller = Puller(
            nc, js, self.stream, durable_name(data_type, partition), 4 * settings.batch_max_frames + 4_000
        )
        self._judge: Judge = judge_for(data_type)
        self._book: BucketBook | None = None
        self._saved_holes: Ranges = {}
        self._created = self._epoch = self._generation = 0
        self._expected = 1
        self._newest_us = 0  # when JetStream took the message before ``_expected``, 0 when not known
        self._held: list[Frame] = []
        self._unsettled: tuple[Cell, Batch, Prepared] | None = None
        self._day_ends = 0.0
        self._idle = asyncio.Event()  # set while nothing is being stored
        self._rests = False  # nothing is being stored, and the position of what was is on record
        self._looks = Looks(js, self.stream)
        self._patiently = Patience(data_type, partition, warehouse, stop, lease, self._in_progress)
        parts = (data_type, partition, partitions, js, warehouse, positions)
        self._outsets = Outsets(*parts, self._patiently)
        self._stage = partial(metrics.STAGE_SECONDS.labels, data_type)

    async def run(self) -> None:
        """Sessions until stopped: each starts from the recorded position. Raises StoreHalted."""
        label = (self.data_type, str(self.partition))
        metrics.HALTED.labels(*label).set(0)
        delay, unforeseen, waits = 0.1, 0, False
        while not self._stop.is_set():
            started = time.monotonic()
            waits = waits and self._lease.left <= 0
            try:
                await self._session()
            except Stopping:
                break
            except LeaseLost as error:
                if not waits:  # once: it may last for as long as NATS takes no beat
                    logger.warning("not ours for now", extra={"data_type": self.data_type, "error": error})
                waits = True
                await self._puller.stop()
                await pause(self._stop, 0.5)
            except (ConsumerLost, NatsError, ClickHouseAway, OSError, TimeoutError) as error:
                logger.warning(
                    "starting again from the recorded position", extra={"data_type": self.data_type, "error": error}
                )
                delay = 0.1 if time.monotonic() - started > 30 else min(delay * 2, 10.0)
                await pause(self._stop, delay * random.uniform(0.5, 1.5))
            except (InsertRefused, StoreHalted) as error:
                await self._halt(error)
            except Exception as error:
                unforeseen = 1 if time.monotonic() - started > 30 else unforeseen + 1
                logger.exception("starting again from the recorded position", extra={"stream": self.stream})
                if unforeseen >= _UNFORESEEN:
                    await self._halt(error)
                await pause(self._stop, unforeseen * random.uniform(0.5, 1.5))
        await self._puller.stop()

    async def _halt(self, error: Exception) -> None:
        self.halted = (
            f"{self.data_type} partition {self.partition} stopped storing: {str(error) or type(error).__name__}; "
            "nothing is lost, JetStream holds the rest; repair the cause and restart the storage service"
        )
        metrics.HALTED.labels(self.data_type, str(self.partition)).set(1)
        logger.error(self.halted, extra={"stream": self.stream})
        await self._puller.stop()
        await self._positions.record_halt(self.data_type, self.partition, self.halted)
        raise StoreHalted(self.halted) from error

    async def _session(self) -> None:
        self._unsettled, self._rests = None, False
        self._lease.check()
        metrics.SESSIONS.labels(self.data_type).inc()
        outset = await self._outsets.find()
        await self._begin_at(outset)
        await self._positions.clear_halt(self.data_type, self.partition)
        if outset.replay is not None:
            await self._replay(outset.replay)
        await self._forward()

    async def _begin_at(self, outset: Outset) -> None:
        """State from below the position, and the stream from there on."""
        self._created, self._epoch, self._generation = outset.created, outset.epoch, outset.generation
        self._expected, self._newest_us = outset.first, 0
        await self._recover(Below(outset.first, outset.epoch), outset.holes)
        await self._puller.start(outset.first)

    async def _recover(self, below: Below, holes: Ranges) -> None:
        await self._patiently(lambda: check_tokens(self._warehouse, self.data_type))
        self._judge = await self._patiently(lambda: recover_judge(self._warehouse, self.data_type, below, holes))
        self._saved_holes = _open_holes(self._judge)
        self._day_ends = 0.0
        if self.data_type == "trades":
            self._book = await self._patiently(lambda: recover_book(self._warehouse, self._freezer, below))

    async def _forward(self) -> None:
        """New batches: the next is collected while this one is being stored, and decoded while its position is written.

        Who trades meanwhile waits for all that comes one after the other, and for half of it once more.
        """
        ahead = asyncio.create_task(self._next_batches())
        try:
            while True:
                self._idle.set()
                self._puller.arrived.set()
                await self._settle()
                self._rests = True
                cleaned = await ahead
                self._rests = False
                if not cleaned:
                    return
                self._idle.clear()
                ahead = asyncio.create_task(self._next_batches())
                for part in cleaned:
                    await self._settle()
                    await self._store(part)
        finally:
            await end_tasks([ahead])

    async def _next_batches(self) -> list[Cleaned]:
        """One batch, or its parts when it spans too many days; [] when asked to stop."""
        batch = await self._collect()
        if not batch.frames:
            return []
        with self._stage("clean").time():
            return await self._clean(batch.frames)

    async def _collect(self) -> Batch:
        """Contiguous frames from ``_expected`` on, until full or ``_waits_s`` after the first.

        A small batch goes on growing while the one before is being stored: who came later would wait for two inserts.
        """
        batch = Batch()
        while not batch.frames:
            if self._stop.is_set():
                return batch
            if await self._puller.more(timeout=0.25):
                await self._begin(batch)
            elif self._rests:
                await self._pass_over_lost()
            self._show_lag()
        began = time.monotonic()
        while not self._stop.is_set() and not take_contiguous(self._puller.waiting, batch, self._limits):
            remaining = began + self._waits_s(batch.rows) - time.monotonic()
            if remaining <= 0 and (self._idle.is_set() or batch.bytes > _GROWS_TO_BYTES):
                break
            await self._puller.more(timeout=remaining if remaining > 0 else 0.25)
        self._expected, self._newest_us = batch.last + 1, batch.frames[-1].stored_us
        self._stage("collect").observe(time.monotonic() - began)
        return batch

    def _waits_s(self, rows: int) -> float:
        """How long after its first frame a batch is closed: the views cost an insert of a few rows all they cost."""
        longest = self._settings.batch_max_ms
        if rows < self._settings.batch_small_rows:
            longest = max(longest, self._settings.batch_small_ms)
        return longest / 1000

    async def _begin(self, batch: Batch) -> None:
        """Put the first frame into the batch; a hole before it is told, once it is sure that it is one."""
        waiting = self._puller.waiting
        while waiting and waiting[0].seq < self._expected:
            if waiting.popleft().stored_us > self._newest_us > 0:
                raise ConsumerLost(f"{self.stream} has given numbers anew that it had given before")
        if not waiting:
            return
        if waiting[0].seq != self._expected:
            found = await self._first_stored(self._expected)
            if found < waiting[0].seq:
                raise ConsumerLost(f"message {found} of {self.stream} was passed over in delivery")
            await self._tell_hole(waiting[0].seq, waiting[0].stored_us)
            self._expected = waiting[0].seq
        batch.add(waiting.popleft())

    async def _tell_hole(self, until: int, until_us: int) -> None:
        hole = (self._expected, until - 1)
        at = (self.stream, self._created, self.partition)
        span = (self._newest_us or until_us, until_us)
        await self._patiently(lambda: report_stream_hole(self._warehouse, self.data_type, *at, hole, span))

    async def _pass_over_lost(self) -> None:
        """Nothing comes, and what is due is gone: told now and put on record, not when the market goes on."""
        first = await self._looks.first_left(self._expected)
        if not first or self._puller.waiting:
            return
        self._lease.check()
        await self._tell_hole(first, await self._patiently(lambda: server_clock_us(self._warehouse)))
        passed = self._cell(self._expected, first - 1, 0)
        await self._positions.write(self.data_type, _done(passed))
        self._expected = first

    async def _first_stored(self, sequence: int) -> int:
        """Sequence of the first message at or after ``sequence`` that the stream still has."""
        try:
            message = await self._js.get_msg(self.stream, seq=sequence, subject=">", next=True)
        except NotFoundError:
            return 2**63
        return message.seq or 0

    async def _clean(self, frames: list[Frame]) -> list[Cleaned]:
        size = sum(len(frame.payload) for frame in frames)
        try:
            if size > _THREAD_ABOVE_BYTES:
                rows, dead = await asyncio.to_thread(clean, self.data_type, frames)
            else:
                rows, dead = clean(self.data_type, frames)
        except TooManyDays:
            middle = len(frames) // 2
            return [*await self._clean(frames[:middle]), *await self._clean(frames[middle:])]
        batch = Batch()
        for frame in frames:
            batch.add(frame)
        return [Cleaned(batch, rows, dead)]

    async def _prepare(self, cleaned: Cleaned) -> Prepared:
        """Judge, freeze new symbol-days, assign, encode; open holes are on record before an intent rests on them."""
        judge, groups = self._judge, grouped(cleaned.rows, key_columns(self.data_type))
        await self._look_up(cleaned.batch.first, judge, groups)
        await self._reopen(cleaned, judge)
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
            await self._positions.write_holes(self.data_type, self.partition, holes)
            self._judge.holes_changed = False
            self._saved_holes = now
        if self._book is not None:
            self._book.open_days(await self._patiently(lambda: self._freezer.plans(accepted.missing_days)))
        if cleaned.batch.bytes > _THREAD_ABOVE_BYTES:
            return await asyncio.to_thread(finish, self.data_type, accepted, self._book)
        return finish(self.data_type, accepted, self._book)

    async def _look_up(self, first: int, judge: Judge, groups: Groups) -> None:
        """What is stored of symbols that are not in memory: new ones, and those that have been silent."""
        below = Below(first, self._epoch)
        if isinstance(judge, SequenceJudge) and (keys := judge.unknown(groups)):
            judge.marks |= await self._patiently(lambda: read_marks(self._warehouse, self.data_type, below, keys))
        if (book := self._book) is not None and (symbols := book.unknown(groups)):
            await self._patiently(lambda: read_days(self._warehouse, self._freezer, below, book, symbols))

    async def _reopen(self, cleaned: Cleaned, judge: Judge) -> None:
        """Rows of retried dead letters are below what is stored, and in no hole: ClickHouse says which are missing."""
        retried = [frame.seq for frame in cleaned.batch.frames if frame.retried]
        if not retried or not isinstance(judge, SequenceJudge) or self.data_type not in CONTIGUOUS:
            return
        rows = cleaned.rows.filter(pl.col("stream_seq").is_in(retried))
        wanted = [(row[:-1], row[-1]) for row in rows.select(*key_columns(self.data_type), "sequence").iter_rows()]
        if wanted:
            below = Below(cleaned.batch.first, self._epoch)
            asked = await self._patiently(lambda: not_stored(self._warehouse, self.data_type, below, wanted))
            for key, sequence in asked:
                judge.reopen(key, sequence)

    def _begin_day(self) -> None:
        """Once a day, and at the first batch after a start: forget the silent. Never in a replay, whose intent rests on
        what was known; its holes are on record before the next one does."""
        if isinstance(self._judge, SequenceJudge):
            self._judge.begin_day()
            self._saved_holes = _open_holes(self._judge)
        if self._book is not None:
            self._book.begin_day()
        self._day_ends = time.monotonic() + _DAY_S

    async def _store(self, cleaned: Cleaned) -> None:
        """Intent, insert, ack; ``_settle`` follows. Every failure in between leaves the intent: a start replays it."""
        if time.monotonic() >= self._day_ends:
            self._begin_day()
        batch = cleaned.batch
        self._held = batch.frames
        with self._stage("prepare").time():
            prepared = await self._prepare(cleaned)
        cell = self._intent(batch, prepared)
        reach("before_intent", self.data_type)
        self._lease.check()
        if prepared.rows or prepared.dead:
            with self._stage("intent").time():
                await self._positions.write(self.data_type, cell)
        reach("after_intent", self.data_type)
        with self._stage("insert").time():
            await self._insert(cell, prepared)
        with self._stage("conclude").time():
            await self._conclude(cell, batch, prepared)

    async def _conclude(self, cell: Cell, batch: Batch, prepared: Prepared) -> None:
        reach("after_insert", self.data_type)
        for exchange, market_type, symbol, day in prepared.rebuild:
            await self._positions.queue_rebuild(exchange, market_type, symbol, day)
        await self._puller.ack(batch.frames[-1])
        reach("after_ack", self.data_type)
        self._held = []
        self._unsettled = (cell, batch, prepared)

    async def _settle(self) -> None:
        """Of the batch that has been stored: its position is done, and it is counted. Before the next intent."""
        if self._unsettled is None:
            return
        (cell, batch, prepared), self._unsettled = self._unsettled, None
        with self._stage("settle").time():
            await self._positions.write(self.data_type, _done(cell))
        reach("after_done", self.data_type)
        tell(self.data_type, batch, prepared, cell.token)
        self._show_lag()

    async def _replay(self, intent: Cell) -> None:
        """Store exactly the batch of the intent again: same frames, same bytes, same token."""
        metrics.REPLAYS.labels(self.data_type).inc()
        batch = Batch()
        everything = Limits(2**62, 2**62, intent.last - intent.first + 1)
        while not batch.frames or batch.last < intent.last:
            if self._stop.is_set():
                raise Stopping
            due = batch.last + 1 if batch.frames else intent.first
            if await self._puller.more(timeout=0.25):
                waiting = self._puller.waiting
                while waiting and waiting[0].seq < due:
                    waiting.popleft()
                if waiting and waiting[0].seq > due:
                    await self._abandon(intent, due)
                    return
                take_contiguous(waiting, batch, everything)
            elif await self._looks.first_left(due) and not self._puller.waiting:
                await self._abandon(intent, due)
                return
        [cleaned] = await self._clean(batch.frames)
        prepared = await self._prepare(cleaned)
        if digest(prepared.body) != intent.digest or len(prepared.dead) != intent.dead:
            raise StoreHalted(
                f"the replay of {intent.token} gives other bytes ({prepared.rows} rows, {len(prepared.dead)} refused) "
                f"than the intent recorded ({intent.rows} rows, {intent.dead} refused)"
            )
        self._held = batch.frames
        await self._insert(intent, prepared)
        await self._conclude(intent, batch, prepared)
        await self._settle()
        self._expected, self._newest_us = intent.last + 1, batch.frames[-1].stored_us
        logger.info("intent replayed", extra={"token": intent.token, "rows": prepared.rows})

    async def _abandon(self, intent: Cell, due: int) -> None:
        """Messages of the intent are gone: what it stored stays, its days are rebuilt, the rest of it is read on."""
        found = await self._first_stored(due)
        if found <= due:
            raise ConsumerLost(f"message {due} of {self.stream} was passed over in delivery")
        logger.error("messages of an interrupted batch have expired", extra={"token": intent.token, "from": due})
        await self._begin_at(await self._outsets.without(intent))

    def _cell(self, first: int, last: int, last_us: int) -> Cell:
        """Of these sequences of our stream, without a row."""
        return Cell(
            stream=self.stream,
            stream_created=self._created,
            partition=self.partition,
            epoch=self._epoch,
            first=first,
            last=last,
            rows=0,
            dead=0,
            digest="",
            token="",
            state="intent",
            last_us=last_us,
            generation=self._generation,
        )

    def _intent(self, batch: Batch, prepared: Prepared) -> Cell:
        empty = self._cell(batch.first, batch.last, batch.frames[-1].stored_us)
        counts = {"rows": prepared.rows, "dead": len(prepared.dead), "digest": digest(prepared.body)}
        return msgspec.structs.replace(empty, **counts, token=token(empty, self.data_type))

    async def _insert(self, cell: Cell, prepared: Prepared) -> None:
        if prepared.dead:
            letters = to_batch(self.data_type, self.stream, self._created, prepared.dead)
            name = f"dead_letters:{cell.token}"
            await self._patiently(lambda: self._warehouse.insert(DEAD_TABLE, letters, DEAD_SCHEMA.names, name))
        if prepared.rows:
            reach("mid_insert", self.data_type)
            table = f"{HOT}.{self.data_type}"
            await self._patiently(lambda: self._warehouse.insert(table, prepared.body, prepared.names, cell.token))

    async def _in_progress(self) -> None:
        await self._puller.in_progress([*self._held, *self._puller.waiting])

    def _show_lag(self) -> None:
        label = (self.data_type, str(self.partition))
        waiting = self._puller.waiting
        metrics.LAG.labels(*label).set(self._puller.pending + len(waiting))
        metrics.HELD.labels(*label).set(sum(len(f.payload) for f in waiting) + sum(len(f.payload) for f in self._held))


def _done(cell: Cell) -> Cell:
    return msgspec.structs.replace(cell, state="done")


def _open_holes(judge: Judge) -> Ranges:
    if not isinstance(judge, SequenceJudge):
        return {}
    return {"|".join(key): list(mark.holes) for key, mark in judge.marks.items() if mark.holes}
