"""Asking ClickHouse until it answers: what a worker does while it is away, short of something, or slow to start."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from storage_service import metrics
from storage_service.clickhouse_io import WAITS, ClickHouseAway, Warehouse
from storage_service.lease import Lease

logger = logging.getLogger(__name__)

_PROGRESS_EVERY_S: Final = 60.0
_Result = TypeVar("_Result")


class Stopping(Exception):
    """The service was asked to stop while a worker waited for ClickHouse: the intent stays, a start replays it."""


class Patience:
    """Calls are tried until ClickHouse answers. ``in_progress`` tells JetStream now and then that the frames in hand
    stay ours."""

    def __init__(
        self,
        data_type: str,
        partition: int,
        warehouse: Warehouse,
        stop: asyncio.Event,
        lease: Lease,
        in_progress: Callable[[], Awaitable[None]],
    ) -> None:
        self._data_type, self._name = data_type, f"{data_type}.{partition}"
        self._warehouse, self._stop, self._lease = warehouse, stop, lease
        self._in_progress = in_progress

    async def __call__(self, attempt: Callable[[], Awaitable[_Result]]) -> _Result:
        """The result of the first attempt that is answered. Raises InsertRefused, LeaseLost, Stopping."""
        try:
            return await self._until_answered(attempt)
        finally:
            if self._name in self._warehouse.pressure:
                self._under_pressure("", "")

    async def _until_answered(self, attempt: Callable[[], Awaitable[_Result]]) -> _Result:
        delay, told, reason = 0.05, time.monotonic(), ""
        while True:
            self._lease.check()
            try:
                result = await attempt()
            except ClickHouseAway as error:
                if error.reason != reason:
                    self._under_pressure(error.reason, str(error))
                    reason = error.reason
                metrics.RETRIES.labels(self._data_type).inc()
                if delay == 0.05 or delay >= 10.0:
                    logger.warning(
                        "%s, trying again", WAITS[error.reason], extra={"data_type": self._data_type, "error": error}
                    )
            else:
                return result
            if self._stop.is_set():
                raise Stopping
            await pause(self._stop, delay * random.uniform(0.5, 1.5))
            delay = min(delay * 2, 10.0)
            if time.monotonic() - told > _PROGRESS_EVERY_S:
                told = time.monotonic()
                await self._in_progress()

    def _under_pressure(self, reason: str, text: str) -> None:
        """What ClickHouse is short of, as metric and in ``/ready``; '' when it takes inserts again."""
        self._warehouse.pressure.pop(self._name, None)
        if reason:
            self._warehouse.pressure[self._name] = f"{reason}: {text}"
        of_type = [
            why.partition(":")[0]
            for name, why in self._warehouse.pressure.items()
            if name.rpartition(".")[0] == self._data_type
        ]
        for known in WAITS:  # of any partition: they share the metric
            metrics.PRESSURE.labels(self._data_type, known).set(known in of_type)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but no longer than until ``stop``."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
