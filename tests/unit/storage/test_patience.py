"""Waiting for ClickHouse: what is told of it ends when the wait does, however it ends."""

from __future__ import annotations

import asyncio

import pytest

from marketprism.settings import ClickHouseSettings
from storage_service import metrics
from storage_service.clickhouse_io import ClickHouseAway, InsertRefused, Warehouse, classified
from storage_service.lease import Lease, LeaseLost
from storage_service.patience import Patience, Stopping


class Clock:
    now = 0.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


def patience(warehouse: Warehouse, partition: int, clock: Clock, stop: asyncio.Event) -> Patience:
    lease = Lease(lambda: clock.now)
    lease.renew(0.0, 10.0)

    async def in_progress() -> None:
        return

    return Patience("trades", partition, warehouse, stop, lease, in_progress)


def pressure(reason: str) -> float:
    return float(metrics.PRESSURE.labels("trades", reason)._value.get())


async def test_a_lease_that_ends_ends_the_pressure(clock: Clock) -> None:
    warehouse = Warehouse(ClickHouseSettings(_env_file=None))

    async def refused() -> None:
        clock.now = 60.0
        assert pressure("lease") == 0
        raise ClickHouseAway("refused what came after the lease's end", "lease")

    with pytest.raises(LeaseLost):
        await patience(warehouse, 0, clock, asyncio.Event())(refused)
    assert (pressure("lease"), warehouse.pressure) == (0, {})


async def test_a_partition_that_is_well_hides_no_other(clock: Clock) -> None:
    warehouse, stop, waits = Warehouse(ClickHouseSettings(_env_file=None)), asyncio.Event(), asyncio.Event()

    async def short_of_memory() -> None:
        waits.set()
        raise ClickHouseAway("no memory", "memory")

    first = asyncio.create_task(patience(warehouse, 1, clock, stop)(short_of_memory))
    await waits.wait()
    answers = iter([ClickHouseAway("away"), None])

    async def away_once() -> None:
        if (error := next(answers)) is not None:
            raise error

    await patience(warehouse, 0, clock, stop)(away_once)
    assert (pressure("away"), pressure("memory"), list(warehouse.pressure)) == (0, 1, ["trades.1"])
    stop.set()
    with pytest.raises(Stopping):
        await first
    assert (pressure("memory"), warehouse.pressure) == (0, {})


@pytest.mark.parametrize(
    "text",
    [
        "Code: 76. DB::ErrnoException: Cannot open file: errno: 24, strerror: Too many open files. (CANNOT_OPEN_FILE)",
        "Code: 439. DB::Exception: Cannot schedule a task: no free thread (timeout=0). (CANNOT_SCHEDULE_TASK)",
        "Code: 173. DB::ErrnoException: Allocator: Cannot mmap: errno: 12. (CANNOT_ALLOCATE_MEMORY)",
        "Code: 1001. DB::Exception: std::__1::system_error: thread constructor failed. (STD_EXCEPTION)",
        "Code: 75. DB::ErrnoException: Cannot write: errno: 28. (CANNOT_WRITE_TO_FILE_DESCRIPTOR)",
    ],
)
def test_what_the_machine_is_short_of_passes(text: str) -> None:
    assert isinstance(classified(RuntimeError(text)), ClickHouseAway)
    assert isinstance(classified(RuntimeError("Code: 27. DB::Exception: Cannot parse input")), InsertRefused)
