"""A lease beside a bucket that loses its answers: who is alone keeps it, who has lost it hears of it."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from collector.lease import Lease


class Bucket:
    """One cell with compare-and-set; ``deaf``: the next update is done, and its answer lost."""

    def __init__(self) -> None:
        self.value, self.revision, self.deaf = b"", 0, False

    async def get(self, key: str) -> Any:
        if not self.revision:
            raise KeyNotFoundError
        return SimpleNamespace(value=self.value, revision=self.revision)

    async def update(self, key: str, value: bytes, last: int) -> int:
        if last != self.revision:
            raise KeyWrongLastSequenceError
        self.value, self.revision = value, self.revision + 1
        if self.deaf:
            self.deaf = False
            raise TimeoutError
        return self.revision


async def test_a_beat_whose_answer_is_lost_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    bucket, lease, taken = Bucket(), Lease(("binance", "spot"), 10.0), []
    lease.on_taken(lambda: taken.append("taken"))
    await lease._beat(bucket)  # type: ignore[arg-type]
    bucket.deaf = True
    with pytest.raises(TimeoutError):
        await lease._beat(bucket)  # type: ignore[arg-type]
    for _ in range(2):
        await lease._beat(bucket)  # type: ignore[arg-type]
        assert lease.held
    assert taken == ["taken"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_who_has_lost_it_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    bucket, lease = Bucket(), Lease(("binance", "spot"), 10.0)
    await lease._beat(bucket)  # type: ignore[arg-type]
    await bucket.update("", b"another", bucket.revision)
    for _ in range(3):
        await lease._beat(bucket)  # type: ignore[arg-type]
        assert not lease.held
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "lease.binance.spot is another's now"
    ]
