"""Who may install days: one job at a time per lock, and a lock of a dead job is taken over.

A lock is a table in the staging database: CREATE TABLE without IF NOT EXISTS succeeds for exactly one. Its comment
names the holder, who writes it anew while it lives; when that was, ClickHouse says by its own clock. Dead is a holder
that has not written for a lease, wherever it ran, and at once a process of this pid namespace that is gone.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

from marketprism.errors import ClickHouseUnreachable, DayError
from storage_service.days.engine import STAGING, TABLE_EXISTS, Engine, StatementRefused
from storage_service.ownership import here, started

logger = logging.getLogger(__name__)

LEASE_S: Final = 300
"""Less than a job waits for a lock: it outlasts one whose container is gone."""
_LEFT_AFTER_S: Final = 86_400
"""Tables of a job that cannot be asked, of another machine or container, go when they are as old as this."""
_RENEW_S: Final = 30.0
_POLL_S: Final = 0.1
_SETTLE_S: Final = 0.5


class LockHeld(DayError):
    """Another job has held a lock for as long as this one was willing to wait."""


class Lock:
    """One holding of a lock, named by ``token``. ``check`` before what nobody else may be at work on."""

    def __init__(self, engine: Engine, table: str) -> None:
        self._engine, self._table = engine, table
        self.token = uuid.uuid4().hex[:12]
        self._over = threading.Event()

    def take(self) -> bool:
        """False when somebody holds it."""
        try:
            self._engine.run(f"CREATE TABLE {self._table} (held UInt8) ENGINE = Null COMMENT '{self._comment()}'")
        except StatementRefused as error:
            if error.code == TABLE_EXISTS:
                return False
            raise
        return True

    def is_ours(self, engine: Engine | None = None) -> bool:
        """Whether nobody has taken it over; asked by ``engine`` where another thread does."""
        return holder(engine or self._engine, self._table)[0].startswith(self.token)

    def check(self) -> None:
        """Begin a new lease. Raises DayError when somebody took this job for dead."""
        self._renew(self._engine)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """A thread begins new leases meanwhile, whatever this one waits for; in the end the lock goes."""
        keeper = threading.Thread(target=self._keep, name="lock", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            self._over.set()
            keeper.join()
            if self.is_ours():
                self._engine.run(f"DROP TABLE IF EXISTS {self._table} SYNC")

    def _keep(self) -> None:
        engine: Engine | None = None
        while not self._over.wait(_RENEW_S):
            try:
                engine = engine or self._engine.twin()
                if engine is None:
                    return
                self._renew(engine)
            except (DayError, ClickHouseUnreachable) as error:
                logger.warning("the lease of %s could not be renewed: %s", self._table, error)
        if engine is not None:
            engine.close()

    def _renew(self, engine: Engine) -> None:
        if not self.is_ours(engine):
            raise DayError(f"{self._table} went to another job, this one was taken for dead; run it again")
        engine.run(f"ALTER TABLE {self._table} MODIFY COMMENT '{self._comment()}'")

    def _comment(self) -> str:
        return f"{self.token} {identity()}"


@contextmanager
def lock(engine: Engine, name: str, wait_s: float = 600.0) -> Iterator[Lock]:
    """Hold ``name`` for the block. Raises LockHeld when another job holds it longer than ``wait_s``."""
    table = f"{STAGING}.lock_{name}"
    deadline = time.monotonic() + wait_s
    ours, after_dead = Lock(engine, table), False
    while True:
        if ours.take():
            if not after_dead:
                break
            time.sleep(_SETTLE_S)  # who saw the dead one's lock as we did may drop ours for it
            if ours.is_ours():
                break
        comment, age_s = holder(engine, table)
        after_dead = bool(comment) and (abs(age_s) > LEASE_S or is_gone(comment.partition(" ")[2]))
        if after_dead:
            logger.warning("taking the lock %s over from a job that died: %s", name, comment)
            engine.run(f"DROP TABLE IF EXISTS {table} SYNC")
        elif time.monotonic() > deadline:
            raise LockHeld(
                f"another job holds {table} ({comment}); wait for it, or {LEASE_S} s if it is gone: then it is free"
            )
        else:
            time.sleep(_POLL_S)
    with ours.kept():
        yield ours


def holder(engine: Engine, table: str) -> tuple[str, int]:
    """Comment of a table of the staging database, and its age in seconds; empty when there is no such table.

    The age is negative when the clock has been put back since: who lives writes it anew before that matters.
    """
    database, _, name = table.partition(".")
    found = engine.rows(
        "SELECT comment, dateDiff('second', metadata_modification_time, now()) FROM system.tables "
        "WHERE database = {d:String} AND name = {t:String}",
        {"d": database, "t": name},
    )
    return (str(found[0][0]), int(found[0][1])) if found else ("", 0)


def identity() -> str:
    """This process, for ``is_gone``."""
    pid = os.getpid()
    return f"{pid} {started(pid) or '-'} {_here()}"


def is_gone(process: str) -> bool:
    """Whether it ran here and no longer does; of another machine or container nothing can be said."""
    pid, began, where = (*process.split(" ", 2), "", "", "")[:3]
    return where == _here() and pid.isdecimal() and (started(int(pid)) or "-") != began


def drop_left(engine: Engine, prefix: str) -> None:
    """Drop what dead jobs left of their own tables of the staging database: their comment is the job's ``identity``."""
    for name, owner, age_s in engine.rows(
        "SELECT name, comment, dateDiff('second', metadata_modification_time, now()) FROM system.tables "
        "WHERE database = {d:String} AND startsWith(name, {p:String})",
        {"d": STAGING, "p": prefix},
    ):
        if is_gone(owner) or age_s > _LEFT_AFTER_S:
            engine.run(f"DROP TABLE IF EXISTS {STAGING}.{name} SYNC")


@cache
def _here() -> str:
    return here()
