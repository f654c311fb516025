"""New batches of a partition: contiguous frames from its stream, decoded and validated; what is missing is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from marketprism.settings import StorageSettings
from marketprism.subjects import stream_name
from storage_service import metrics
from storage_service.batching import THREAD_ABOVE_BYTES, Cleaned, TooManyDays, clean
from storage_service.clickhouse_io import Warehouse
from storage_service.frames import Batch, Frame, Limits, take_contiguous
from storage_service.pull import ConsumerLost, Puller
from storage_service.recover import server_clock_us
from storage_service.stream_hole import Looks, report_stream_hole

_GROWS_TO_BYTES: Final = 2 << 20


class Intake:
    """Of one partition. ``passed`` puts a stretch of messages on record that are gone; ``show`` tells the lag.

    ``idle`` is set while nothing is being made ready or stored; ``rests``: and the position of what was is on record.
    ``expected``: the next sequence to read; ``newest_us``: when JetStream took the message before it, 0 when not known.
    """

    def __init__(
        self,
        data_type: str,
        partition: int,
        js: JetStreamContext,
        puller: Puller,
        warehouse: Warehouse,
        settings: StorageSettings,
        stop: asyncio.Event,
        patiently: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]],
        passed: Callable[[int, int], Awaitable[None]],
        show: Callable[[], None],
    ) -> None:
        self._data_type, self._partition, self._stream = data_type, partition, stream_name(data_type, partition)
        self._js, self._puller, self._warehouse, self._settings = js, puller, warehouse, settings
        self._stop, self._patiently, self._passed, self._show = stop, patiently, passed, show
        self._limits = Limits(settings.batch_max_rows, settings.batch_max_bytes, settings.batch_max_frames)
        self._stage = partial(metrics.STAGE_SECONDS.labels, data_type)
        self.looks = Looks(js, self._stream)
        self.idle = asyncio.Event()
        self.rests = False
        self.expected, self.newest_us, self._numbers = 1, 0, ""

    def begin_at(self, first: int, numbers: str) -> None:
        """Read on from this sequence; ``numbers``: since when sequences are those that they are (numbered_since)."""
        self.expected, self.newest_us, self._numbers = first, 0, numbers

    def close_soon(self) -> None:
        """Nothing is under way any more: the batch that is being collected need not grow."""
        self.idle.set()
        self._puller.arrived.set()

    async def next_batches(self) -> list[Cleaned]:
        """One batch, or its parts when it spans too many days; [] when asked to stop."""
        batch = await self._collect()
        if not batch.frames:
            return []
        with self._stage("clean").time():
            return await self.clean(batch.frames)

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
            elif self.rests:
                await self._pass_over_lost()
            self._show()
        began = time.monotonic()
        while not self._stop.is_set() and not take_contiguous(self._puller.waiting, batch, self._limits):
            remaining = began + self._waits_s(batch.rows) - time.monotonic()
            if remaining <= 0 and (self.idle.is_set() or batch.bytes > _GROWS_TO_BYTES):
                break
            await self._puller.more(timeout=remaining if remaining > 0 else 0.25)
        self.expected, self.newest_us = batch.last + 1, batch.frames[-1].stored_us
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
        while waiting and waiting[0].seq < self.expected:
            if waiting.popleft().stored_us > self.newest_us > 0:
                raise ConsumerLost(f"{self._stream} has given numbers anew that it had given before")
        if not waiting:
            return
        if waiting[0].seq != self.expected:
            found = await self.first_stored(self.expected)
            if found < waiting[0].seq:
                raise ConsumerLost(f"message {found} of {self._stream} was passed over in delivery")
            await self._tell_hole(waiting[0].seq, waiting[0].stored_us)
            self.expected = waiting[0].seq
        batch.add(waiting.popleft())

    async def _tell_hole(self, until: int, until_us: int) -> None:
        hole = (self.expected, until - 1)
        at = (self._stream, self._numbers, self._partition)
        span = (self.newest_us or until_us, until_us)
        await self._patiently(lambda: report_stream_hole(self._warehouse, self._data_type, *at, hole, span))

    async def _pass_over_lost(self) -> None:
        """Nothing comes, and what is due is gone: told now and put on record, not when the market goes on."""
        first = await self.looks.first_left(self.expected)
        if not first or self._puller.waiting:
            return
        await self._tell_hole(first, await self._patiently(lambda: server_clock_us(self._warehouse)))
        await self._passed(self.expected, first - 1)
        self.expected = first

    async def first_stored(self, sequence: int) -> int:
        """Sequence of the first message at or after ``sequence`` that the stream still has."""
        try:
            message = await self._js.get_msg(self._stream, seq=sequence, subject=">", next=True)
        except NotFoundError:
            return 2**63
        return message.seq or 0

    async def clean(self, frames: list[Frame]) -> list[Cleaned]:
        """One batch of these frames, or its parts when they span too many days."""
        size = sum(len(frame.payload) for frame in frames)
        try:
            if size > THREAD_ABOVE_BYTES:
                rows, dead = await asyncio.to_thread(clean, self._data_type, frames)
            else:
                rows, dead = clean(self._data_type, frames)
        except TooManyDays:
            middle = len(frames) // 2
            return [*await self.clean(frames[:middle]), *await self.clean(frames[middle:])]
        batch = Batch()
        for frame in frames:
            batch.add(frame)
        return [Cleaned(batch, rows, dead)]
