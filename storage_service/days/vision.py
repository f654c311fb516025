"""The archive as files: paths, checksums, downloads. HTTP(S), file:// and plain directories, all through one opener."""

from __future__ import annotations

import hashlib
import random
import shutil
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from marketprism.errors import DayError
from storage_service.days.layouts import FOLDERS, Layout

_CHUNK: Final = 1 << 20
_ATTEMPTS: Final = 4
_TIMEOUT_S: Final = 60.0
_SPARE_BYTES: Final = 1 << 30


class FileFailed(DayError):
    """A file of the archive cannot be used; the others can."""


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One zip: ``days`` are those it covers, ``period`` is YYYY-MM or YYYY-MM-DD."""

    market: str
    kind: str
    symbol: str
    interval: str
    period: str

    @property
    def monthly(self) -> bool:
        """Whether it is a month's file."""
        return len(self.period) == 7

    @property
    def path(self) -> str:
        """Below the archive's ``data/``."""
        folder = "monthly" if self.monthly else "daily"
        inner = f"{self.interval}/" if self.interval else ""
        name = f"{self.symbol}-{self.interval or self.kind}-{self.period}.zip"
        return f"{FOLDERS[self.market]}/{folder}/{self.kind}/{self.symbol}/{inner}{name}"

    @property
    def first(self) -> date:
        """First day."""
        return date.fromisoformat(f"{self.period}-01" if self.monthly else self.period)

    @property
    def last(self) -> date:
        """Last day."""
        if not self.monthly:
            return self.first
        return (self.first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def days_between(first: date, last: date) -> list[date]:
    """Both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def month_of(layout: Layout, market: str, symbol: str, interval: str, day: date) -> ArchiveFile:
    """The month's file that a day lies in."""
    return ArchiveFile(market, layout.kind, symbol, interval, f"{day:%Y-%m}")


def day_of(layout: Layout, market: str, symbol: str, interval: str, day: date) -> ArchiveFile:
    """The day's file."""
    return ArchiveFile(market, layout.kind, symbol, interval, day.isoformat())


class Archive:
    """Reads one archive. ``base`` is what stands before ``/data/…`` or ends in ``/data``: an URL or a directory."""

    def __init__(self, base: str, downloads: Path, stop: threading.Event) -> None:
        base = base.rstrip("/")
        if "://" not in base:
            folder = Path(base).expanduser().resolve()
            if not folder.is_dir():
                raise DayError(f"--base-url {base}: no such directory; give one, or an http(s):// address")
            base = folder.as_uri()
        self._base = base if base.endswith("/data") else f"{base}/data"
        self._downloads, self._stop = downloads, stop

    def checksum(self, path: str) -> str | None:
        """SHA-256 that the archive states for a file; None when it has neither the file nor a checksum of it.

        Raises FileFailed when the file is there without a checksum, or the answer is not one.
        """
        text = self._read(f"{path}.CHECKSUM")
        if text is None:
            if self._opened(path, lambda _: b"", method="HEAD") is None:
                return None
            raise FileFailed(f"{path} has no .CHECKSUM beside it; fetch it again, or leave the file out")
        words = text.decode(errors="replace").split()
        if not words or len(words[0]) != 64 or set(words[0].lower()) - set("0123456789abcdef"):
            raise FileFailed(f"{path}.CHECKSUM does not begin with a SHA-256: {text[:80]!r}")
        return words[0].lower()

    def fetch(self, path: str, checksum: str, told: Callable[[int], None]) -> Path:
        """Download and verify; the caller deletes the file. A wrong sum is fetched once more (a cache may lag)."""
        target = self._downloads / path.replace("/", "__")
        found = ""
        for _ in range(2):
            if self._opened(path, lambda answer: self._save(answer, target, told)) is None:
                raise FileFailed(f"{path} went away while it was being fetched; run the load again")
            found = _sha256(target)
            if found == checksum:
                return target
        target.unlink(missing_ok=True)
        raise FileFailed(f"{path}: SHA-256 is {found}, its .CHECKSUM says {checksum}; nothing of it was loaded")

    def _read(self, path: str) -> bytes | None:
        return self._opened(path, lambda answer: bytes(answer.read(4096)))

    def _save(self, answer: object, target: Path, told: Callable[[int], None]) -> bytes:
        size = int(getattr(answer, "headers", {}).get("Content-Length") or 0)
        if shutil.disk_usage(self._downloads).free < size + _SPARE_BYTES:
            raise FileFailed(f"less than {size + _SPARE_BYTES >> 20} MB free in {self._downloads}; make room")
        with target.open("wb") as out:
            while chunk := answer.read(_CHUNK):  # type: ignore[attr-defined]
                if self._stop.is_set():
                    raise FileFailed("stopped")
                out.write(chunk)
                told(len(chunk))
        return b""

    def _opened(self, path: str, use: Callable[..., bytes], method: str = "GET") -> bytes | None:
        """What ``use`` makes of the answer; None for 404. Other failures are tried again, then FileFailed."""
        url = f"{self._base}/{urllib.parse.quote(path)}"
        for attempt in range(_ATTEMPTS):
            try:
                request = urllib.request.Request(url, method=method, headers={"User-Agent": "marketprism"})
                with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                    return use(answer)
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                cause = f"HTTP {error.code}"
            except urllib.error.URLError as error:
                if isinstance(error.reason, FileNotFoundError) or "No such file" in str(error.reason):
                    return None
                cause = str(error.reason)
            except OSError as error:  # cut connections, timeouts
                cause = str(error) or type(error).__name__
            if attempt + 1 == _ATTEMPTS or self._stop.wait(random.uniform(0.5, 1.5) * 2**attempt):
                break
        raise FileFailed(f"{url} could not be read ({cause}); run the load again when the archive answers")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
