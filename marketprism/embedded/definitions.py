"""Definitions of tables that a full disk cannot take.

The engine (26.9) writes a definition without noticing that the disk is full: CREATE and ALTER answer that they are
done and leave an empty or cut file. Such a table takes no ALTER any more, a view that refreshes itself (a definition
each second) stands still for ever, and an engine that finds such a file does not open. So statements that write
definitions are refused and views stand still while there is less room than ``RESERVE``, a copy of every definition is
kept beside them, and what is cut is put back from it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from marketprism.embedded.exceptions import EngineError

if TYPE_CHECKING:  # the command line looks who holds a directory, and needs no engine for it
    from marketprism.embedded.engine import Engine

logger = logging.getLogger(__name__)

RESERVE: Final = 256 << 20
"""Bytes: far more than all definitions, so that a disk which is being filled is noticed before it is full."""
COPIES: Final = "definitions"
_LOST: Final = "definitions-lost"
_LOOK_S: Final = 0.5
_COPY_EVERY_S: Final = 60.0
_SETTLED_S: Final = 10.0
"""An older file is no longer being written. While views stand still none is."""
_WRITES: Final = re.compile(r"\s*(?:CREATE|ALTER|RENAME|EXCHANGE|ATTACH|REPLACE)\b", re.IGNORECASE)
_PARTITIONS: Final = re.compile(r"\s*ALTER\s+TABLE\s+\S+\s+(?:DROP|REPLACE)\s+PARTITION\b", re.IGNORECASE)


class Room:
    """Whether there is room on the disk of an engine directory to write a definition. ``reserve``: bytes."""

    def __init__(self, engine: Path, reserve: int = RESERVE) -> None:
        self._engine, self._reserve = engine, reserve

    def short(self) -> bool:
        """True while less than the reserve is free."""
        disk = os.statvfs(self._engine)
        return disk.f_bavail * disk.f_frsize < self._reserve

    def check(self, sql: str) -> None:
        """Raises EngineError 243 for a statement that would write a definition while there is no room.

        Partitions may be dropped and replaced: that makes room, and writes none.
        """
        if _WRITES.match(sql) and not _PARTITIONS.match(sql) and self.short():
            raise EngineError(
                243,
                f"Less than {self._reserve >> 20} MB are free on the disk of {self._engine}: "
                "the definition of a table could not be written whole; make room",
                "NOT_ENOUGH_SPACE",
            )


async def watch_room(engine: Engine, directory: Path, room: Room, stop: asyncio.Event) -> None:
    """Let views stand still while there is no room, keep copies of definitions while there is; until ``stop``."""
    still, copied = False, float("-inf")
    while not stop.is_set():
        try:
            short = room.short()
            if not short and (still or time.monotonic() - copied > _COPY_EVERY_S):
                await asyncio.to_thread(_mend_and_copy, directory, 0.0 if still else _SETTLED_S)
                copied = time.monotonic()
            if short != still:
                await asyncio.to_thread(_let_views, engine, stand_still=short)
                still = short
        except (OSError, EngineError) as error:
            logger.warning("definitions are not looked after", extra={"error": error})
        try:
            await asyncio.wait_for(stop.wait(), _LOOK_S)
        except TimeoutError:
            continue


def _let_views(engine: Engine, *, stand_still: bool) -> None:
    with engine.session() as handle:
        handle.query(f"SYSTEM {'STOP' if stand_still else 'START'} VIEWS")
    if stand_still:
        logger.error("the disk is nearly full: views that refresh themselves stand still")
    else:
        logger.info("there is room on the disk again: views go on")


def mend_definitions(engine: Path) -> None:
    """Put cut definitions back from their copies, before the engine opens; one without a copy is laid aside.

    That is a table which was made after the last copy, and only it is lost. Raises OSError.
    """
    for file in _cut(engine):
        if not _put_back(engine, file):
            lost = engine / _LOST / file.relative_to(engine)
            lost.parent.mkdir(parents=True, exist_ok=True)
            file.rename(lost)
            logger.error("a table whose definition was never written whole is given up", extra={"file": str(lost)})


def copy_definitions(engine: Path) -> None:
    """A copy of each whole definition, and none of what is gone. Raises OSError."""
    known = set()
    for file in _definitions(engine):
        copy = engine / COPIES / file.relative_to(engine)
        known.add(copy)
        try:
            if not (copy.exists() and copy.stat().st_mtime_ns == file.stat().st_mtime_ns) and not _is_cut(file):
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, copy.with_suffix(".new"))
                copy.with_suffix(".new").rename(copy)
        except FileNotFoundError:  # dropped, or replaced by its next refresh
            continue
    for copy in set((engine / COPIES).rglob("*.sql")) - known:
        copy.unlink()


def _mend_and_copy(engine: Path, settled_s: float) -> None:
    """While the engine runs: it reads the file anew at the next refresh or ALTER. Not what it is writing just now."""
    for file in _cut(engine):
        if time.time() - file.stat().st_mtime >= settled_s:
            _put_back(engine, file)
    copy_definitions(engine)


def _put_back(engine: Path, file: Path) -> bool:
    copy = engine / COPIES / file.relative_to(engine)
    if not copy.exists():
        return False
    whole = copy.with_suffix(".whole")  # not beside the file: the engine does not open with what it does not know there
    shutil.copy2(copy, whole)
    whole.replace(file)
    logger.warning("a definition that a full disk had cut is put back", extra={"file": str(file)})
    return True


def _definitions(engine: Path) -> Iterator[Path]:
    return engine.glob("store/*/*/*.sql")


def _cut(engine: Path) -> list[Path]:
    return [file for file in _definitions(engine) if _is_cut(file)]


def _is_cut(file: Path) -> bool:
    """The engine ends every definition with the end of a line."""
    with file.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, size - 1))
        return opened.read() != b"\n"
