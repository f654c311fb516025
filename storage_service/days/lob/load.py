"""``marketprism import lob``: trades first, then books day by day; what is broken costs one manifest row.

A killed import goes on: files whose manifest row says installed, and whose bytes are the same, are left out; a
half-installed day is installed again and comes out equal.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Final

from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.days.engine import Engine
from storage_service.days.install import Symbol
from storage_service.days.layouts import Layout
from storage_service.days.ledger import Entry
from storage_service.days.lob.files import BookFile, TradeFile, Wanted, book_files, checksum, trade_files
from storage_service.days.lob.manifest import Key, ManifestRow, read_manifest, trade_statistics, write_manifest
from storage_service.days.lob.reading import ColumnMap
from storage_service.days.lob.staging import BookStager, StagedBooks
from storage_service.days.lob.trades import LAYOUT as TRADES
from storage_service.days.lob.trades import TradeStager
from storage_service.days.locks import lock
from storage_service.days.pieces import Outcome, Piece, PieceInstaller
from storage_service.days.stage import period_condition
from storage_service.days.vision import FileFailed
from storage_service.faultpoints import reach

logger = logging.getLogger(__name__)

BOOKS: Final = Layout("lob", "orderbooks", {}, {})
_BYTES_AT_ONCE: Final = 150_000_000
"""Days whose files come to so much are installed together."""


@dataclass(frozen=True, slots=True)
class LobRequest:
    """What to import: the folder, whose books they are, which days and symbols, and where columns are."""

    root: Path
    exchange: str
    market_type: str
    wanted: Wanted
    columns: ColumnMap
    over_live: bool = False

    def symbol(self, name: str) -> Symbol:
        """The key columns of a symbol."""
        return self.exchange, self.market_type, name


@dataclass(slots=True)
class LobSummary:
    """What an import came to. ``live_days``: symbol-days left to other rows; ``failed``: path and reason."""

    files: int = 0
    skipped: int = 0
    rows: int = 0
    trade_files: int = 0
    trades: int = 0
    missing_ids: int = 0
    live_days: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)


class LobImport:
    """One run. ``told`` hears of each manifest row as it is written."""

    def __init__(
        self,
        clickhouse: ClickHouseSettings,
        settings: StorageSettings,
        request: LobRequest,
        *,
        workers: int = 2,
        told: Callable[[ManifestRow], None] = lambda _: None,
    ) -> None:
        self._clickhouse, self._settings, self._request = clickhouse, settings, request
        self._workers, self._told = workers, told
        self._engine = Engine.open(clickhouse)
        self._summary = LobSummary()
        self._manifest: dict[Key, ManifestRow] = {}

    def run(self) -> LobSummary:
        """Import everything; failures of single files are in the summary. Raises DayError, ClickHouseUnreachable."""
        request = self._request
        try:
            with lock(self._engine, "import_lob", wait_s=5):
                books = book_files(request.root, request.wanted)
                self._manifest = read_manifest(self._engine, request.exchange, request.market_type)
                self._load_trades(trade_files(request.root, request.wanted))
                for files in self._batches(books):
                    self._load_books(files)
                self._refresh_trade_statistics(books)
        finally:
            self._engine.close()
        return self._summary

    # ------------------------------------------------------------------------------------------------------- trades

    def _load_trades(self, files: Sequence[TradeFile]) -> None:
        """A period at a time, all symbols together: a day is installed once."""
        installer = self._installer(TRADES)
        request = self._request
        stager = TradeStager(self._engine, request.exchange, request.market_type, self._settings.history_latency_ms)
        for _, of_period in groupby(files, key=lambda file: file.period):
            pieces, rows = [], []
            for file in of_period:
                row = self._row(_first_day(file.period), file.symbol, "trades", file.path)
                if self._is_done(row):
                    continue
                try:
                    staged = stager.stage(file)
                except FileFailed as error:
                    self._fail(row, str(error))
                    continue
                _describe_trades(row, staged.entry)
                days = frozenset(day for day in staged.days if request.wanted.day(day, file.symbol))
                period = period_condition(staged.file, closed_end=False)
                pieces.append(Piece(staged.table, request.symbol(file.symbol), days, staged.days, period, row))
                rows.append(row)
            if pieces:
                installer.install(pieces)
            reach("days_installed", TRADES.table)
            self._finish(pieces, rows)
            self._summary.trade_files += len(rows)
        self._summary.trades = installer.done.rows
        self._summary.missing_ids = installer.done.missing_ids
        self._summary.live_days += installer.done.live_days

    # -------------------------------------------------------------------------------------------------------- books

    def _batches(self, files: Sequence[BookFile]) -> Iterator[list[BookFile]]:
        """A few days at a time, so that small ones share an install; what was done before is left out."""
        batch: list[BookFile] = []
        size = 0
        for file in files:
            row = self._row(file.day, file.symbol, "book", file.path)
            if file.others:
                shown = ", ".join(path.name for path in (file.path, *file.others))
                self._fail(row, f"{file.day}/: several files are of {file.symbol} ({shown}); leave one")
                continue
            if self._is_done(row):
                continue
            if batch and file.day != batch[-1].day and size > _BYTES_AT_ONCE:
                yield batch
                batch, size = [], 0
            batch.append(file)
            size += file.path.stat().st_size
        if batch:
            yield batch

    def _load_books(self, files: Sequence[BookFile]) -> None:
        with ThreadPoolExecutor(max_workers=self._workers, thread_name_prefix="import") as pool:
            staged = list(pool.map(self._stage, files))
        reach("staged", BOOKS.table)
        pieces, rows = [], []
        for file, found in zip(files, staged, strict=True):
            row = self._row(file.day, file.symbol, "book", file.path)
            if isinstance(found, str):
                self._fail(row, found)
                continue
            _describe(row, found)
            prints = {file.day: found.content}
            symbol = self._request.symbol(file.symbol)
            pieces.append(Piece(found.table, symbol, frozenset([file.day]), prints, "1", row))
            rows.append(row)
        installer = self._installer(BOOKS)
        if pieces:
            installer.install(pieces)
        reach("days_installed", BOOKS.table)
        self._finish(pieces, rows)
        self._summary.files += len(pieces)
        self._summary.rows += installer.done.rows
        self._summary.live_days += installer.done.live_days

    def _stage(self, file: BookFile) -> StagedBooks | str:
        """What was staged, or why not."""
        engine = Engine.open(self._clickhouse)
        try:
            stager = BookStager(engine, self._request.columns, self._settings.history_latency_ms)
            return stager.stage(file.path, self._request.symbol(file.symbol), file.day)
        except FileFailed as error:
            return str(error)
        finally:
            engine.close()

    # ------------------------------------------------------------------------------------------------------ manifest

    def _refresh_trade_statistics(self, files: Sequence[BookFile]) -> None:
        """Trades may have come after the books, or from elsewhere."""
        days: dict[str, list[date]] = defaultdict(list)
        for file in files:
            days[file.symbol].append(file.day)
        changed = []
        for name, of_symbol in days.items():
            found = trade_statistics(self._engine, self._request.symbol(name), of_symbol)
            for day in of_symbol:
                row = self._manifest.get((day, name, "book"))
                now = found.get(day, (0.0, 0.0))
                if row is not None and (row.trade_coverage, row.median_trade_dt_ms) != now:
                    row.trade_coverage, row.median_trade_dt_ms = now
                    changed.append(row)
        write_manifest(self._engine, changed)

    def _finish(self, pieces: Sequence[Piece], rows: Sequence[ManifestRow]) -> None:
        """What was staged is installed: say so, then let the staged rows go."""
        for piece, row in zip(pieces, rows, strict=True):
            self._keep(row)
            self._engine.run(f"DROP TABLE IF EXISTS {piece.table} SYNC")

    def _installer(self, layout: Layout) -> PieceInstaller:
        return PieceInstaller(
            self._engine,
            self._clickhouse,
            self._settings,
            layout,
            source="import",
            over_live=self._request.over_live,
            failed=self._told_of_failure,
        )

    def _row(self, day: date, name: str, kind: str, path: Path) -> ManifestRow:
        return ManifestRow(day, self._request.exchange, self._request.market_type, name, kind, str(path))

    def _is_done(self, row: ManifestRow) -> bool:
        row.checksum = checksum(Path(row.path))
        before = self._manifest.get(row.key)
        again = self._request.over_live and before is not None and before.state == "superseded"
        done = before is not None and before.checksum == row.checksum and before.state in ("installed", "superseded")
        self._summary.skipped += done and not again
        return done and not again

    def _keep(self, row: ManifestRow) -> None:
        row.checksum = row.checksum or checksum(Path(row.path))
        self._manifest[row.key] = row
        write_manifest(self._engine, [row])
        self._told(row)

    def _fail(self, row: ManifestRow, reason: str) -> None:
        row.state, row.error = "failed", reason
        self._told_of_failure(row)
        self._keep(row)

    def _told_of_failure(self, outcome: Outcome) -> None:
        logger.error(outcome.error)
        self._summary.failed.append({"path": outcome.path, "error": outcome.error})


def _describe(row: ManifestRow, found: StagedBooks) -> None:
    for name, value in asdict(found.statistics).items():
        setattr(row, name, value)
    row.quality_score = found.statistics.quality_score
    row.state = "installed"


def _describe_trades(row: ManifestRow, entry: Entry) -> None:
    row.rows, row.duplicate_rows, row.outside_rows = entry.rows, entry.duplicates, entry.outside
    row.first_time, row.last_time = entry.first_time, entry.last_time
    row.state = "installed"


def _first_day(period: str) -> date:
    return date.fromisoformat(period if len(period) > 7 else f"{period}-01")
