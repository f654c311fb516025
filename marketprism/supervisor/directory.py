"""A data directory and who holds it: one supervisor at a time, by a lock that ends with its process."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Final, Self

import msgspec

from marketprism.errors import DataDirectoryError

LOCK: Final = "supervisor.lock"


class Holder(msgspec.Struct, kw_only=True):
    """What the lock file tells about the supervisor that holds the directory."""

    pid: int
    command: str
    clickhouse_url: str = ""
    nats_url: str = ""
    collector_url: str = ""
    storage_url: str = ""
    monitor_url: str = ""
    page_url: str = ""
    source: str = ""


class DataDirectory:
    """``with DataDirectory(path, "up") as directory``: made when absent, held until the end of the block.

    The lock is the kernel's (flock): it ends with the process, however that ends, so no stale file ever blocks.
    """

    def __init__(self, path: Path, command: str) -> None:
        self.path = path.resolve()
        self._command = command
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            os.fchmod(self._descriptor, 0o600)  # addresses may have passwords in them
        except OSError as error:
            raise DataDirectoryError(
                f"data directory {self.path} cannot be written: {error.strerror}; choose another with --data"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            holder = _read(self.path)
            by = f"process {holder.pid} (marketprism {holder.command})" if holder else "another process"
            raise DataDirectoryError(
                f"data directory {self.path} is in use by {by}; stop that one, or choose another with --data"
            ) from error
        self.publish(Holder(pid=os.getpid(), command=self._command))
        return self

    def __exit__(self, *_: object) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def publish(self, holder: Holder) -> None:
        """Say who holds the directory and where its servers listen."""
        body = json.dumps(msgspec.to_builtins(holder), indent=1).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, body, 0)

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def nats(self) -> Path:
        return self.path / "nats"


def _read(path: Path) -> Holder | None:
    try:
        return msgspec.json.decode((path / LOCK).read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError):
        return None


def holder_of(path: Path) -> Holder | None:
    """Who holds ``path`` now; None when nobody does."""
    try:
        descriptor = os.open(path / LOCK, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    finally:
        os.close(descriptor)
    return None
