"""A worker whose lease is over waits, and says so once."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from unittest.mock import Mock

import pytest

from marketprism.settings import StorageSettings
from storage_service import worker as module
from storage_service.lease import Lease
from storage_service.worker import Worker


async def test_a_lease_that_stays_away_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With NATS down eleven workers wrote 22 lines a second."""
    lease, stop, pauses = Lease(lambda: 100.0), asyncio.Event(), 0

    async def no_pause(*_: Any) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 5:
            lease.renew(100.0, 10.0)
        elif pauses == 8:
            stop.set()

    async def loses_it(_: Worker) -> None:
        lease.check()
        lease.end()
        lease.check()

    monkeypatch.setattr(module, "pause", no_pause)
    monkeypatch.setattr(Worker, "_session", loses_it)
    caplog.set_level(logging.WARNING)
    settings = StorageSettings(_env_file=None)
    worker = Worker("trades", 0, Mock(), Mock(), Mock(), Mock(), Mock(), settings, stop, lease)
    await worker.run()
    assert pauses == 8
    assert [record.message for record in caplog.records] == ["not ours for now"] * 2  # and once more when lost again
