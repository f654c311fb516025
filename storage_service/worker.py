"""One worker: a (data type, partition) from its stream to its table, exactly once. DELIVERY.md says why it holds."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from functools import partial
from typing import Final

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from marketprism.clickhouse import HOT
from marketprism.errors import StoreHalted
from marketprism.settings import StorageSettings
from marketprism.subjects import durable_name, stream_name
from storage_service import metrics
from storage_service.ahead import Ahead
from storage_service.batching import Prepared
from storage_service.buckets.freeze import Freezer
from storage_service.clickhouse_io import ClickHouseAway, InsertRefused, Warehouse
from storage_service.deadletters import SCHEMA as DEAD_SCHEMA
from storage_service.deadletters import TABLE as DEAD_TABLE
from storage_service.deadletters import to_batch
from storage_service.faultpoints import reach
from storage_service.frames import Batch, Frame, Limits, take_contiguous
from storage_service.intake import Intake
from storage_service.known import Known, Step
from storage_service.lease import Lease, LeaseLost
from storage_service.outset import Outset, Outsets
from storage_service.patience import Patience, Stopping, pause
from storage_service.position import Cell, Positions, Ranges, numbered_since, token
from storage_service.pull import ConsumerLost, Puller
from storage_service.recover import Below
from storage_service.tokens import check_tokens
from storage_service.told import tell

logger = logging.getLogger(__name__)

_UNFORESEEN: Final = 5
"""So many sessions in a row may end by an error that nobody thought of; then it is told as a halt."""


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
        self._warehouse, self._positions, self._stop, self._lease = warehouse, positions, stop, lease
        self._puller = Puller(
            nc, js, self.stream, durable_name(data_type, partition), 4 * settings.batch_max_frames + 4_000
        )
        self._created = self._epoch = self._generation = 0
        self._held: list[Frame] = []
        self._unsettled: tuple[Cell, Batch, Prepared] | None = None
        self._patiently = Patience(data_type, partition, warehouse, stop, lease, self._in_progress)
        self._outsets = Outsets(data_type, partition, partitions, js, warehouse, positions, self._patiently)
        self._known = Known(data_type, partition, warehouse, positions, freezer, lease, self._patiently)
        self._intake = Intake(
            data_type,
            partition,
            js,
            self._puller,
            warehouse,
            settings,
            stop,
            self._patiently,
            passed=self._record_passed,
            show=self._show_lag,
        )
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
        self._unsettled, self._intake.rests = None, False
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
        self._intake.begin_at(outset.first, numbered_since(outset.created, outset.generation))
        await self._recover(Below(outset.first, outset.epoch), outset.holes)
        await self._puller.start(outset.first)

    async def _recover(self, below: Below, holes: Ranges) -> None:
        await self._patiently(lambda: check_tokens(self._warehouse, self.data_type))
        await self._known.recover(below, self._created, holes)

    async def _forward(self) -> None:
        """New batches: the next is made ready while this one is being stored."""
        ahead = Ahead(self.data_type, self._intake, self._known)
        try:
            while True:
                ahead.inserted()
                await self._settle()
                step = await ahead.next()
                if step is None:
                    return
                await self._store(step)
        finally:
            await ahead.end()

    async def _store(self, step: Step) -> None:
        """Intent, insert, ack; ``_settle`` follows. Every failure in between leaves the intent: a start replays it."""
        batch, prepared = step.batch, step.prepared
        self._held = batch.frames
        await self._known.record_holes(step)
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
            elif await self._intake.looks.first_left(due) and not self._puller.waiting:
                await self._abandon(intent, due)
                return
        [cleaned] = await self._intake.clean(batch.frames)
        step = await self._known.prepare(cleaned, self._known.look(cleaned))
        await self._known.record_holes(step)
        prepared = step.prepared
        if prepared.digest != intent.digest or len(prepared.dead) != intent.dead:
            raise StoreHalted(
                f"the replay of {intent.token} gives other bytes ({prepared.rows} rows, {len(prepared.dead)} refused) "
                f"than the intent recorded ({intent.rows} rows, {intent.dead} refused)"
            )
        self._held = batch.frames
        await self._insert(intent, prepared)
        await self._conclude(intent, batch, prepared)
        await self._settle()
        self._intake.expected, self._intake.newest_us = intent.last + 1, batch.frames[-1].stored_us
        logger.info("intent replayed", extra={"token": intent.token, "rows": prepared.rows})

    async def _abandon(self, intent: Cell, due: int) -> None:
        """Messages of the intent are gone: what it stored stays, its days are rebuilt, the rest of it is read on."""
        found = await self._intake.first_stored(due)
        if found <= due:
            raise ConsumerLost(f"message {due} of {self.stream} was passed over in delivery")
        logger.error("messages of an interrupted batch have expired", extra={"token": intent.token, "from": due})
        await self._begin_at(await self._outsets.without(intent))

    async def _record_passed(self, first: int, last: int) -> None:
        """These messages are gone and told: the position is behind them."""
        self._lease.check()
        await self._positions.write(self.data_type, _done(self._cell(first, last, 0)))

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
        counts = {"rows": prepared.rows, "dead": len(prepared.dead), "digest": prepared.digest}
        return msgspec.structs.replace(empty, **counts, token=token(empty, self.data_type))

    async def _insert(self, cell: Cell, prepared: Prepared) -> None:
        if prepared.dead:
            numbered = cell.generation or cell.stream_created  # since when: a number is given anew when NATS goes back
            letters = to_batch(self.data_type, self.stream, numbered, prepared.dead)
            name = f"dead_letters:{cell.token}"
            await self._patiently(lambda: self._warehouse.insert(DEAD_TABLE, letters, DEAD_SCHEMA.names, name))
        if prepared.rows:
            reach("mid_insert", self.data_type)
            table = f"{HOT}.{self.data_type}"
            await self._patiently(lambda: self._warehouse.insert(table, prepared.body, prepared.names, cell.token))

    async def _in_progress(self) -> None:
        await self._puller.in_progress([*self._held, *self._puller.waiting])

    def tell_no_more(self) -> None:
        """The partition is no longer ours: gauges that stay where they were would alarm for ever."""
        for gauge in (metrics.HALTED, metrics.LAG, metrics.HELD):
            gauge.labels(self.data_type, str(self.partition)).set(0)

    def _show_lag(self) -> None:
        label = (self.data_type, str(self.partition))
        waiting = self._puller.waiting
        metrics.LAG.labels(*label).set(self._puller.pending + len(waiting))
        metrics.HELD.labels(*label).set(sum(len(f.payload) for f in waiting) + sum(len(f.payload) for f in self._held))


def _done(cell: Cell) -> Cell:
    return msgspec.structs.replace(cell, state="done")
