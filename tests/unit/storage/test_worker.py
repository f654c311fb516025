"""A worker whose sessions end by an error that nobody thought of: it tries again, and tells when that does not help."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from marketprism.errors import StoreHalted
from storage_service import metrics, worker
from storage_service.crew import Group
from storage_service.worker import Worker


class Nothing:
    async def stop(self) -> None:
        return

    async def record_halt(self, *_: Any) -> None:
        return


class Failing(Worker):
    def __init__(self, failures: int) -> None:
        self.data_type, self.partition, self.halted, self.stream = "trades", 9, "", "MD_TRADES"
        self.failures, self.sessions = failures, 0
        self._stop = asyncio.Event()
        self._puller = self._positions = Nothing()  # type: ignore[assignment]

    async def _session(self) -> None:
        self.sessions += 1
        if self.sessions <= self.failures:
            raise OverflowError("too large")
        self._stop.set()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_pause(*_: Any) -> None:
        return

    monkeypatch.setattr(worker, "pause", no_pause)


async def test_what_passes_is_passed(caplog: pytest.LogCaptureFixture) -> None:
    failing = Failing(3)
    await failing.run()
    assert (failing.sessions, failing.halted) == (4, "")
    assert caplog.text.count("OverflowError: too large") == 3


async def test_what_stays_is_told() -> None:
    failing = Failing(1000)
    with pytest.raises(StoreHalted, match="trades partition 9 stopped storing: too large; nothing is lost"):
        await failing.run()
    assert failing.sessions == 5
    assert metrics.HALTED.labels("trades", "9")._value.get() == 1


async def test_who_gives_a_partition_up_alarms_no_more() -> None:
    """Also of a worker that had halted: in the process that has it now it may well run."""
    group = Group(workers=[Failing(1000)])
    group.run()
    await asyncio.wait([group.task])
    metrics.LAG.labels("trades", "9").set(5_000)
    assert metrics.HALTED.labels("trades", "9")._value.get() == 1
    await group.end()
    assert [gauge.labels("trades", "9")._value.get() for gauge in (metrics.HALTED, metrics.LAG)] == [0, 0]
