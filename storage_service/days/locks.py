"""Who may install days: one job at a time per lock, and a lock of a dead job is taken over.

A lock is a table in the staging database: CREATE TABLE without IF NOT EXISTS succeeds for exactly one. Its comment
names the holder; a holder on this machine that no longer lives has lost it.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from marketprism.errors import DayError
from storage_service.days.engine import STAGING, TABLE_EXISTS, Engine, StatementRefused

logger = logging.getLogger(__name__)

_POLL_S: Final = 0.1


@contextmanager
def lock(engine: Engine, name: str, wait_s: float = 600.0) -> Iterator[None]:
    """Hold ``name`` for the block. Raises DayError when another job holds it longer than ``wait_s``."""
    table = f"{STAGING}.lock_{name}"
    deadline = time.monotonic() + wait_s
    while not _take(engine, table):
        holder = _holder(engine, table)
        if holder and _is_dead(holder):
            logger.warning("taking the lock %s over from a job that died: %s", name, holder)
            engine.run(f"DROP TABLE IF EXISTS {table} SYNC")
            continue
        if time.monotonic() > deadline:
            raise DayError(f"another job holds {table} ({holder}); wait for it, or DROP TABLE {table} if it is gone")
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        engine.run(f"DROP TABLE IF EXISTS {table} SYNC")


def _take(engine: Engine, table: str) -> bool:
    try:
        engine.run(f"CREATE TABLE {table} (held UInt8) ENGINE = Null COMMENT '{_identity(os.getpid())}'")
    except StatementRefused as error:
        if error.code == TABLE_EXISTS:
            return False
        raise
    return True


def _holder(engine: Engine, table: str) -> str:
    database, _, name = table.partition(".")
    found = engine.rows(
        "SELECT comment FROM system.tables WHERE database = {d:String} AND name = {t:String}",
        {"d": database, "t": name},
    )
    return str(found[0][0]) if found else ""


def _identity(pid: int) -> str:
    return f"{socket.gethostname()} {pid} {_started(pid)}"


def _started(pid: int) -> str:
    """Kernel ticks at which the process began: a pid that is given again has another. Empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _is_dead(holder: str) -> bool:
    host, pid, started = (*holder.split(), "", "", "")[:3]
    return host == socket.gethostname() and pid.isdecimal() and _started(int(pid)) != started
