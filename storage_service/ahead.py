"""Batches made ready while the one before is being stored: cleaned, judged, encoded, in the order of the stream."""

from __future__ import annotations

import asyncio

from marketprism.tasks import end_tasks
from storage_service import metrics
from storage_service.batching import Cleaned
from storage_service.intake import Intake
from storage_service.known import Known, Step


class Ahead:
    """One batch is cleaned while the one before it is prepared and the one before that is stored.

    Preparing needs what the batches before have left in memory, never what they have left on disk, but where ClickHouse
    has to be asked: then it waits until they are stored and on record. What it finds is put on record by who stores it.
    """

    def __init__(self, data_type: str, intake: Intake, known: Known) -> None:
        self._intake, self._known = intake, known
        self._prepare_seconds = metrics.STAGE_SECONDS.labels(data_type, "prepare")
        self._step: Step | None = None
        self._making = False
        self._filled, self._taken, self._settled = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._taken.set()
        self._task = asyncio.create_task(self._make())

    def inserted(self) -> None:
        """What was handed out is in the table: with nothing else under way, what is being collected is closed soon."""
        if not self._making and self._step is None:
            self._intake.close_soon()

    async def next(self) -> Step | None:
        """The next batch, now that the one before is on record; None when asked to stop. Raises what making it did."""
        if self._step is None:
            self._settled.set()
            self._intake.rests = not self._making
            await self._until_filled()
        step, self._step = self._step, None
        self._filled.clear()
        self._taken.set()
        return step

    async def end(self) -> None:
        """Forget what was made ready."""
        await end_tasks([self._task])

    async def _until_filled(self) -> None:
        filled = asyncio.create_task(self._filled.wait())
        try:
            await asyncio.wait({filled, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            filled.cancel()
        if not self._filled.is_set():
            await self._task

    async def _make(self) -> None:
        coming = asyncio.create_task(self._intake.next_batches())
        try:
            while parts := await coming:
                self._making, self._intake.rests = True, False
                self._intake.idle.clear()
                await self._taken.wait()  # who comes meanwhile makes the next batch larger, not memory
                coming = asyncio.create_task(self._intake.next_batches())
                for part in parts:
                    await self._taken.wait()
                    self._step = await self._ready(part)
                    self._taken.clear()
                    self._settled.clear()
                    self._filled.set()
                self._making = False
        finally:
            await end_tasks([coming])

    async def _ready(self, part: Cleaned) -> Step:
        if self._known.day_is_over:
            await self._settled.wait()
            self._known.begin_day()
        look = self._known.look(part)
        if look.asks:
            await self._settled.wait()
        with self._prepare_seconds.time():
            return await self._known.prepare(part, look)
