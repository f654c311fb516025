"""The write lock of days: while it is held, no row of these days enters a hot table, whoever sends it.

REPLACE PARTITION beside a writer loses acknowledged rows. A constraint on the table makes ClickHouse itself refuse rows
of the held days; the storage service sends a refused batch again (code 469 is one that passes), so JetStream keeps
them. The constraint ends by itself: a job that is killed holds nobody up for longer than the lease, and the next job
takes it off at once. Who holds days has the ``install`` lock, so a hold that is found is that of a dead job.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Final

from marketprism.clickhouse import HOT
from marketprism.errors import DayError
from storage_service.days.engine import Engine

LEASE_S: Final = 900
_IN_FLIGHT_S: Final = 120.0
_PREFIX: Final = "held_days_"


class Hold:
    """A held set of days of one hot table; ``renew`` between long steps and before anything is replaced."""

    def __init__(self, engine: Engine, table: str, days: Sequence[date]) -> None:
        self._engine, self._table = engine, f"{HOT}.{table}"
        self._days = ", ".join(str(day.year * 10_000 + day.month * 100 + day.day) for day in days)
        self._name = ""
        self._until = 0
        self._held_us = 0

    def take(self) -> None:
        """Hold, and wait until the inserts that began before have ended."""
        self._add()
        deadline = time.monotonic() + _IN_FLIGHT_S
        while self._inserts_since_before():
            if time.monotonic() > deadline:
                raise DayError(f"an insert into {self._table} has been running for {_IN_FLIGHT_S:.0f} s; try again")
            time.sleep(0.02)

    def renew(self) -> None:
        """Begin a new lease when half of this one is over. Raises DayError when it has ended already.

        By ClickHouse's clock, which lets writers in: after a sleep of the machine, or a step of its clock, another
        clock would still see the hold.
        """
        left = self._until - self._now()
        if left < 10:
            raise DayError(
                f"the hold on {self._table} ended before the days were installed: "
                "run it again, with fewer days at once if it took that long"
            )
        if left < LEASE_S / 2:
            old = self._name
            self._add()
            self._engine.run(f"ALTER TABLE {self._table} DROP CONSTRAINT IF EXISTS {old}")

    def release(self) -> None:
        """Let writers in again."""
        if self._name:
            self._engine.run(f"ALTER TABLE {self._table} DROP CONSTRAINT IF EXISTS {self._name}")

    def _add(self) -> None:
        self._name = f"{_PREFIX}{uuid.uuid4().hex[:12]}"
        self._until = self._now() + LEASE_S
        self._engine.run(
            f"ALTER TABLE {self._table} ADD CONSTRAINT {self._name} "
            f"CHECK toYYYYMMDD(timestamp) NOT IN ({self._days}) OR toUnixTimestamp(now()) > {self._until}"
        )
        self._held_us = int(self._engine.rows("SELECT toUnixTimestamp64Micro(now64(6))")[0][0])

    def _now(self) -> int:
        return int(self._engine.rows("SELECT toUnixTimestamp(now())")[0][0])

    def _inserts_since_before(self) -> bool:
        query = (
            "SELECT count() FROM system.processes WHERE query_kind = 'Insert' AND position(query, {t:String}) > 0 "
            "AND toUnixTimestamp64Micro(now64(6)) - elapsed * 1000000 < {held:Int64}"
        )
        return bool(self._engine.rows(query, {"t": self._table, "held": self._held_us})[0][0])


def drop_holds(engine: Engine, table: str) -> None:
    """Take all holds off ``table`` (database.table). Only for who has the ``install`` lock, or owns the table."""
    text = str(engine.rows(f"SHOW CREATE TABLE {table}")[0][0])
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["CONSTRAINT"] and words[1].startswith(_PREFIX):
            engine.run(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {words[1]}")


@contextmanager
def held(engine: Engine, table: str, days: Sequence[date]) -> Iterator[Hold]:
    """Hold days of a hot table for the block. Only for who has the ``install`` lock."""
    drop_holds(engine, f"{HOT}.{table}")
    hold = Hold(engine, table, days)
    try:
        hold.take()
        yield hold
    finally:
        hold.release()
