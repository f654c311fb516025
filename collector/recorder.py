"""Raw messages as they arrive, in rotating ``.jsonl.zst`` files that ``marketprism replay`` plays.

A line is ``{"received_at": epoch seconds, "transport": "ws"|"http", "url", "direction": "in", "payload": text}``, in
order of receipt, one file a venue at a time. A file ends at a size or an age; the oldest go when all together are
too large or too old. Lines are compressed and written by a thread, a second's worth at a time: a slow disk delays no
message, and when it falls too far behind recording stops with an error rather than filling the memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import msgspec
import zstandard

logger = logging.getLogger(__name__)

SUFFIX: Final = ".jsonl.zst"
EVERY_S: Final = 1.0
_LEVEL: Final = 3
_MAX_BEHIND: Final = 256 << 20
"""Bytes that may wait for the disk."""


class _Line(msgspec.Struct, gc=False):
    received_at: float
    transport: str
    url: str
    direction: str
    payload: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one file, and of all files in the directory together."""

    file_bytes: int = 256 << 20
    file_s: float = 3600.0
    total_bytes: int = 50 << 30
    total_s: float = 7 * 86400.0


@dataclass(slots=True)
class _Venue:
    name: str
    waiting: list[bytes] = field(default_factory=list)
    path: Path | None = None
    file: IO[bytes] | None = None
    stream: zstandard.ZstdCompressionWriter | None = None
    began: float = 0.0


class Recorder:
    """``add`` never waits. Run ``run`` beside it, and ``close`` at the end."""

    def __init__(self, directory: Path, limits: Limits, now: Callable[[], float] = time.time) -> None:
        """Raises OSError when the directory cannot be made."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._limits = limits
        self._now = now
        self._venues: dict[str, _Venue] = {}
        self._encode = msgspec.json.Encoder().encode
        self._behind = 0
        self.stopped = ""
        """Why nothing is recorded any more; '' while it is."""

    def add(self, key: tuple[str, str], received_at: int, transport: str, url: str, payload: bytes) -> None:
        """Take one message (``received_at`` in µs); text that is no UTF-8 is kept with replacement characters."""
        if self.stopped:
            return
        line = self._encode(_Line(received_at / 1e6, transport, url, "in", payload.decode(errors="replace")))
        name = ".".join(key)
        venue = self._venues.get(name)
        if venue is None:
            venue = self._venues[name] = _Venue(name)
        venue.waiting.append(line)
        self._behind += len(line)
        if self._behind > _MAX_BEHIND:
            self._stop("the disk is too slow")

    async def run(self) -> None:
        """Write every ``EVERY_S``, until cancelled."""
        while not self.stopped:
            await asyncio.sleep(EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits; a disk that refuses ends the recording, not the collector."""
        batches = []
        for venue in self._venues.values():
            batches.append((venue, venue.waiting))
            venue.waiting = []
        self._behind = 0
        try:
            await asyncio.to_thread(self._write, batches)
        except OSError as error:
            self._stop(f"{self._directory}: {error.strerror or error}")

    async def close(self) -> None:
        """Write what waits, and end every file so that it can be read."""
        if not self.stopped:
            await self.flush()
        for venue in self._venues.values():
            await asyncio.to_thread(_end, venue)

    def _write(self, batches: list[tuple[_Venue, list[bytes]]]) -> None:
        for venue, lines in batches:
            if venue.file is not None and self._full(venue):
                _end(venue)
                self._tidy()
            if not lines:
                continue
            if venue.stream is None:
                self._begin(venue)
            assert venue.stream is not None
            venue.stream.write(b"\n".join(lines) + b"\n")
            venue.stream.flush(zstandard.FLUSH_BLOCK)  # a killed collector leaves whole lines

    def _begin(self, venue: _Venue) -> None:
        now = self._now()
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S_%f")
        venue.path = self._directory / f"{venue.name}_{stamp}{SUFFIX}"
        venue.file = venue.path.open("wb")
        venue.stream = zstandard.ZstdCompressor(_LEVEL).stream_writer(venue.file, closefd=False)
        venue.began = now

    def _full(self, venue: _Venue) -> bool:
        assert venue.file is not None
        return venue.file.tell() >= self._limits.file_bytes or self._now() - venue.began >= self._limits.file_s

    def _tidy(self) -> None:
        """Delete the oldest finished files beyond the limits."""
        open_now = {venue.path for venue in self._venues.values() if venue.file is not None}
        files = []
        for path in self._directory.glob(f"*{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):  # finished files may be moved away at any time
                if path not in open_now:
                    of_file = path.stat()
                    files.append((of_file.st_mtime, of_file.st_size, path))
        total = 0
        for modified, size, path in sorted(files, reverse=True):
            total += size
            if total > self._limits.total_bytes or self._now() - modified > self._limits.total_s:
                logger.info("recording %s goes: beyond the limits of size or age", path.name)
                path.unlink(missing_ok=True)

    def _stop(self, why: str) -> None:
        self.stopped = why
        for venue in self._venues.values():
            venue.waiting.clear()
        logger.error("nothing more is recorded: %s; see MARKETPRISM_COLLECTOR_RECORD_DIR", why)


def _end(venue: _Venue) -> None:
    if venue.stream is not None:
        venue.stream.close()  # type: ignore[no-untyped-call]
    if venue.file is not None:
        venue.file.close()
    venue.stream = venue.file = venue.path = None
