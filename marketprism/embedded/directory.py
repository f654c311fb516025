"""The engine's directory: who holds it, and which engine wrote it."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final, Self

import msgspec

from marketprism.embedded.definitions import mend_definitions
from marketprism.embedded.unfinished import forget_unfinished
from marketprism.errors import DataDirectoryError

LOCK: Final = "marketprism.lock"
VERSION: Final = "engine-version"


class EngineHolder(msgspec.Struct, kw_only=True):
    """What the lock file tells about the process that has the engine open."""

    pid: int
    since: str
    port: int = 0


class EngineDirectory:
    """``with EngineDirectory(path, engine="26.9.2.1")``: made when absent, ours until the end of the block.

    What a kill left half done is forgotten first (unfinished.py), what a full disk has cut put back (definitions.py).

    The lock is the kernel's (flock): it ends with the process, however that ends. Raises DataDirectoryError when
    another process holds the directory, or when an engine wrote it whose data this one must not open.
    """

    def __init__(self, path: Path, *, engine: str, port: int = 0) -> None:
        self.path = path.resolve()
        self._engine = engine
        self._port = port
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise DataDirectoryError(
                f"data directory {self.path} cannot be written: {error.strerror}; choose another with --data"
            ) from error
        try:
            self._take()
            self._check_version()
            forget_unfinished(self.path)
            mend_definitions(self.path)
        except BaseException:
            os.close(self._descriptor)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _take(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataDirectoryError(
                f"data directory {self.path} is in use by {_described(holder_of(self.path))}; "
                "stop that one, query it over HTTP, or choose another with --data"
            ) from error
        self.publish(self._port)

    def publish(self, port: int) -> None:
        """Say who holds the directory and where it is served (0 = not over HTTP)."""
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        body = msgspec.json.encode(EngineHolder(pid=os.getpid(), since=since, port=port))
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, body, 0)

    def _check_version(self) -> None:
        file = self.path / VERSION
        try:
            written = file.read_text().strip()
        except FileNotFoundError:
            written = ""
        if written:
            refuse_other_engine(self.path, written=written, engine=self._engine)
        if written != self._engine:
            file.write_text(self._engine + "\n")


def refuse_other_engine(path: Path, *, written: str, engine: str) -> None:
    """Raise DataDirectoryError when ``engine`` must not open what ``written`` wrote.

    Versions are ClickHouse's year.month.patch: another year is another major version, a later month a newer engine.
    An older month of the same year opens (seen: 26.3 and 26.9).
    """
    try:
        theirs, ours = _year_month(written), _year_month(engine)
    except ValueError as error:
        raise DataDirectoryError(
            f"data directory {path} has an unreadable {VERSION} ({written[:40]!r}); choose another with --data"
        ) from error
    if theirs > ours or theirs[0] != ours[0]:
        raise DataDirectoryError(
            f"data directory {path} was written by engine {written}, this is {engine}; "
            f"install chdb-core {theirs[0]}.{theirs[1]}, or choose another directory with --data"
        )


def _year_month(version: str) -> tuple[int, int]:
    year, month = version.split(".")[:2]
    return int(year), int(month)


def holder_of(path: Path) -> EngineHolder | None:
    """What the lock file says; None when it says nothing (it may be stale: the lock itself decides)."""
    try:
        return msgspec.json.decode((path / LOCK).read_bytes(), type=EngineHolder)
    except (OSError, msgspec.DecodeError):
        return None


def serving_port(path: Path) -> int | None:
    """The HTTP port on which another process serves this engine directory now; None when nobody does."""
    try:
        descriptor = os.open(path / LOCK, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = holder_of(path)
        return holder.port if holder and holder.port else None
    finally:
        os.close(descriptor)
    return None


def _described(holder: EngineHolder | None) -> str:
    if holder is None:
        return "another process"
    where = f", HTTP port {holder.port}" if holder.port else ""
    return f"process {holder.pid} (since {holder.since}{where})"
