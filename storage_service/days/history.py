"""Load an exchange archive: month by month, files staged in parallel, days installed once for all symbols of a month.

A killed load goes on: files that are installed and unchanged are left out, staged ones are used, a half-installed day
is installed again and comes out equal. What the archive issues anew (another checksum) is loaded anew.
"""

from __future__ import annotations

import http.client
import logging
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from marketprism.errors import DayError
from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.days.engine import Engine
from storage_service.days.fetching import Fetched, MonthFetcher, Request, Told
from storage_service.days.install import Symbol
from storage_service.days.ledger import Entry, write_entries
from storage_service.days.locks import lock
from storage_service.days.pieces import Outcome, Piece, PieceInstaller
from storage_service.days.stage import Staged, Stager, period_condition
from storage_service.days.vision import Archive, FileFailed
from storage_service.faultpoints import reach

logger = logging.getLogger(__name__)

_REACH_S: Final = 10.0
_LOOK_S: Final = 0.5
_END_S: Final = 5.0
"""An interrupted load leaves a worker that hangs in a read alone after this time."""


class _Stopped(Exception):
    """The load ends: nothing is said of the file that a worker is at."""


class _Files(Archive):
    """An archive of which nothing is asked any more once the load ends."""

    def _opened(self, path: str, use: Callable[..., bytes], method: str = "GET") -> bytes | None:
        if self._stop.is_set():
            raise _Stopped
        try:
            return super()._opened(path, use, method)
        except FileFailed:
            if self._stop.is_set():
                raise _Stopped from None
            raise


@dataclass(slots=True)
class Summary:
    """What a load came to. ``live_days``: symbol-days left to live rows; ``failed``: path and reason."""

    files: int = 0
    skipped: int = 0
    absent: int = 0
    rows: int = 0
    days: int = 0
    duplicates: int = 0
    outside: int = 0
    missing_ids: int = 0
    live_days: int = 0
    notes: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)


class Backfill:
    """One run of ``marketprism backfill binance-vision``."""

    def __init__(
        self,
        clickhouse: ClickHouseSettings,
        settings: StorageSettings,
        request: Request,
        *,
        base_url: str = "",
        workers: int = 4,
        told: Told | None = None,
    ) -> None:
        self._clickhouse, self._settings, self._request = clickhouse, settings, request
        self._base_url, self._workers = base_url or settings.history_url, workers
        self._asked = told or Told()
        self._told = replace(self._asked, parsed=self._parsed, file=self._looked_at)
        self._gone = ""
        self._engine = Engine.open(clickhouse)
        self._stop = threading.Event()
        self._summary = Summary()
        self._installer = PieceInstaller(
            self._engine, clickhouse, settings, request.layout, over_live=request.over_live, failed=self._fail
        )

    def run(self) -> Summary:
        """Load everything; failures of single files are in the summary. Raises DayError, ClickHouseUnreachable."""
        with (
            lock(self._engine, f"backfill_{self._request.layout.table}", wait_s=5),
            tempfile.TemporaryDirectory(prefix="marketprism-", dir=self._settings.history_download_dir) as folder,
        ):
            archive = _Files(self._base_url, Path(folder), self._stop)
            try:
                self._require_archive()
                months = list(self._months())
                self._told.planned(len(months) * len(self._request.symbols) * len(self._request.intervals))
                for month in months:
                    self._load_month(archive, month)
            finally:
                self._stop.set()
        self._engine.close()
        done = self._installer.done
        self._summary.rows, self._summary.days = done.rows, done.days
        self._summary.missing_ids, self._summary.live_days = done.missing_ids, done.live_days
        return self._summary

    def _months(self) -> Iterator[date]:
        month = self._request.first.replace(day=1)
        while month <= self._request.last:
            yield month
            month = (month + timedelta(days=32)).replace(day=1)

    def _load_month(self, archive: Archive, month: date) -> None:
        units = [(name, interval) for name in self._request.symbols for interval in self._request.intervals]
        pool = ThreadPoolExecutor(max_workers=self._workers, thread_name_prefix="backfill")
        futures = [pool.submit(self._fetch, archive, name, interval, month) for name, interval in units]
        try:
            while wait(futures, timeout=_LOOK_S, return_when=FIRST_EXCEPTION).not_done:
                # a wait without an end is not interrupted by a signal that another thread takes
                if any(future.done() and future.exception() for future in futures):
                    break
            fetched = [future.result() for future in futures]
        except BaseException:
            self._stop.set()  # also after an interrupt: workers end at their next read or pause
            pool.shutdown(wait=False, cancel_futures=True)
            wait(futures, timeout=_END_S)
            if self._gone:
                raise DayError(self._gone) from None
            raise
        pool.shutdown()
        pieces = []
        for (name, _), result in zip(units, fetched, strict=True):
            self._count(result)
            pieces += [self._piece(staged, self._request.symbol(name), days) for staged, days in result.staged]
        self._installer.install(pieces)
        reach("days_installed", self._request.layout.table)
        self._finish(fetched)
        for _ in units:
            self._told.month()

    def _fetch(self, archive: Archive, name: str, interval: str, month: date) -> Fetched:
        with self._own_engine() as engine:
            layout, market = self._request.layout, self._request.market
            stager = Stager(engine, layout, market, self._settings.history_latency_ms)
            sizes = self._settings.history_contract_sizes
            return MonthFetcher(engine, archive, stager, self._request, sizes, self._told).fetch(name, interval, month)

    @contextmanager
    def _own_engine(self) -> Iterator[Engine]:
        engine = Engine.open(self._clickhouse)
        try:
            yield engine
        finally:
            engine.close()

    def _piece(self, staged: Staged, symbol: Symbol, days: frozenset[date]) -> Piece:
        closed_end = self._request.layout.closed_end
        period = period_condition(staged.file, closed_end=closed_end)
        # the first instant belongs to the file before, unless this one has it
        reopened = period.replace(">=", ">") if closed_end else ""
        interval = staged.file.interval
        return Piece(staged.table, symbol, days, staged.days, period, staged.entry, interval, reopened)

    def _count(self, result: Fetched) -> None:
        self._summary.files += len(result.staged)
        self._summary.skipped += len(result.skipped)
        self._summary.absent += len(result.absent)
        for entry in result.failed:
            self._summary.failed.append({"path": entry.path, "error": entry.error})  # logged when it happened
        for staged, _ in result.staged:
            self._summary.duplicates += staged.entry.duplicates
            self._summary.outside += staged.entry.outside

    def _looked_at(self, entry: Entry) -> None:
        """In a worker's thread, when a file is done with. An archive that went away ends the load."""
        if entry.state == "failed" and not self._stop.is_set():
            logger.error(entry.error)
            try:
                self._require_archive()
            except DayError as error:
                self._gone = str(error)
                self._stop.set()
                raise _Stopped from error
        self._asked.file(entry)

    def _parsed(self, size: int) -> None:
        if self._stop.is_set():
            raise _Stopped
        self._asked.parsed(size)

    def _require_archive(self) -> None:
        """Raises DayError when nobody answers at the archive's address; any answer will do."""
        if not self._base_url.startswith("http"):
            return
        for last in (False, True):
            try:
                request = urllib.request.Request(self._base_url, method="HEAD", headers={"User-Agent": "marketprism"})
                urllib.request.urlopen(request, timeout=_REACH_S).close()
            except (urllib.error.HTTPError, http.client.HTTPException):
                return
            except OSError as error:
                if last or self._stop.wait(1.0):
                    reason = getattr(error, "reason", None) or error
                    raise DayError(
                        f"the archive at {self._base_url} cannot be reached ({reason}); "
                        "check the network, or name a mirror with --base-url; what was loaded stays"
                    ) from error
            else:
                return

    def _fail(self, outcome: Outcome) -> None:
        logger.error(outcome.error)
        self._summary.failed.append({"path": outcome.path, "error": outcome.error})

    def _finish(self, fetched: Sequence[Fetched]) -> None:
        """What was staged is installed: say so, then let the staged rows go."""
        for result in fetched:
            for staged, _ in result.staged:
                entry = staged.entry
                entry.state = "installed" if entry.state == "staged" else entry.state
                write_entries(self._engine, [entry])
                if entry.note:
                    self._summary.notes.append(f"{entry.path}: {entry.note}")
                self._engine.run(f"DROP TABLE IF EXISTS {staged.table} SYNC")
