"""The workers of one partition: they start and end together, and end with it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, Final

from nats.aio.client import Client

from marketprism.tasks import end_tasks
from storage_service.worker import Worker

logger = logging.getLogger(__name__)

_LAST_BATCH_S: Final = 6.0
"""A stop under ``up`` has 9.5 s, under systemd 15 s."""


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Wait, but not longer; whether it is set."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


@dataclass(eq=False)
class Group:
    """``stop`` lets every worker finish its batch; ``task`` is done when all have ended, with what they raised."""

    workers: list[Worker] = field(default_factory=list)
    connections: list[Client] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[list[Any]] = field(init=False)

    def run(self) -> None:
        """Start every worker."""
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> list[Any]:
        return await asyncio.gather(*(worker.run() for worker in self.workers), return_exceptions=True)

    async def end(self) -> list[BaseException]:
        """Wait until all have ended; what they raised. Who is still storing after a while (ClickHouse hangs) is
        cancelled: its intent stays."""
        _, waiting = await asyncio.wait([self.task], timeout=_LAST_BATCH_S)
        if waiting:
            logger.warning("a batch was not stored within %g s of the stop: the next start replays it", _LAST_BATCH_S)
            await end_tasks(waiting)
        await self.disconnect()
        results = [] if self.task.cancelled() else self.task.result()
        return [result for result in results if isinstance(result, BaseException)]

    async def abandon(self) -> None:
        """Somebody else has the partition: whatever is under way is dropped."""
        await end_tasks([self.task])
        await self.disconnect()

    async def disconnect(self) -> None:
        """Close what its workers used; what they told is that of another process from now on."""
        for worker in self.workers:
            worker.tell_no_more()
        for nc in self.connections:
            await nc.close()
        self.connections.clear()
