"""Load an exchange archive: month by month, files staged in parallel, days installed once for all symbols of a month.

A killed load goes on: files that are installed and unchanged are left out, staged ones are used, a half-installed day
is installed again and comes out equal. What the archive issues anew (another checksum) is loaded anew.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from marketprism.clickhouse import COLD, HOT
from marketprism.events import ROW_TYPES
from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.days.content import Fingerprint
from storage_service.days.continuity import refresh_gaps
from storage_service.days.edges import create_edges
from storage_service.days.engine import Engine
from storage_service.days.fetching import LEFT_TO_LIVE, Fetched, MonthFetcher, Request, Told
from storage_service.days.install import Installer, Source, Symbol, partitions, same_symbol
from storage_service.days.instruments import tick_size
from storage_service.days.ledger import Entry, write_entries
from storage_service.days.locks import lock
from storage_service.days.stage import Staged, Stager, period_condition
from storage_service.days.trades import check_edges, first_trades, frozen_plans, insert_edges, with_buckets
from storage_service.days.vision import Archive
from storage_service.faultpoints import reach

logger = logging.getLogger(__name__)

_ROWS_AT_ONCE: Final = 4_000_000
"""Days are installed together up to so many rows: small days cost statements, large ones memory."""
_GRACE: Final = timedelta(hours=1)


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


@dataclass(frozen=True, slots=True)
class Piece:
    """The days of one staged file that are to be installed."""

    staged: Staged
    symbol: Symbol
    days: frozenset[date]

    def condition(self, days: Sequence[date], *, closed_end: bool) -> str:
        """Its rows of these days."""
        shown = ", ".join(f"'{day}'" for day in sorted(self.days & set(days)))
        return f"({period_condition(self.staged.file, closed_end=closed_end)}) AND toDate(timestamp) IN ({shown})"


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
        self._told = told or Told()
        self._engine = Engine.open(clickhouse)
        self._stop = threading.Event()
        self._summary = Summary()

    def run(self) -> Summary:
        """Load everything; failures of single files are in the summary. Raises DayError, ClickHouseUnreachable."""
        with (
            lock(self._engine, f"backfill_{self._request.layout.table}", wait_s=5),
            tempfile.TemporaryDirectory(prefix="marketprism-", dir=self._settings.history_download_dir) as folder,
        ):
            archive = Archive(self._base_url, Path(folder), self._stop)
            try:
                for month in self._months():
                    self._load_month(archive, month)
            finally:
                self._stop.set()
        self._engine.close()
        return self._summary

    def _months(self) -> Iterator[date]:
        month = self._request.first.replace(day=1)
        while month <= self._request.last:
            yield month
            month = (month + timedelta(days=32)).replace(day=1)

    def _load_month(self, archive: Archive, month: date) -> None:
        units = [(name, interval) for name in self._request.symbols for interval in self._request.intervals]
        with ThreadPoolExecutor(max_workers=self._workers, thread_name_prefix="backfill") as pool:
            fetched = list(pool.map(lambda unit: self._fetch(archive, unit[0], unit[1], month), units))
        pieces = []
        for (name, _), result in zip(units, fetched, strict=True):
            self._count(result)
            pieces += [Piece(staged, self._request.symbol(name), days) for staged, days in result.staged]
        pieces = self._without_live(pieces)
        pieces = self._of_one_kind(pieces)
        for days in self._chunks(pieces):
            self._install(pieces, days)
        if self._request.layout.contiguous:
            for symbol in sorted({piece.symbol for piece in pieces if piece.days}):
                days = sorted({day for piece in pieces if piece.symbol == symbol for day in piece.days})
                self._summary.missing_ids += refresh_gaps(self._engine, symbol, days)
        reach("days_installed", self._request.layout.table)
        self._finish(fetched)

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

    def _without_live(self, pieces: list[Piece]) -> list[Piece]:
        """Leave symbol-days to the live service that has rows of them; ``over_live`` takes the archive's if closed."""
        table = self._request.layout.table
        days = sorted({day for piece in pieces for day in piece.days})
        if table not in ROW_TYPES or not days:
            return pieces
        live: dict[Symbol, set[date]] = defaultdict(set)
        for database in (HOT, COLD):
            rows = self._engine.rows(
                f"SELECT exchange, market_type, symbol, toDate(timestamp) AS day FROM {database}.{table} "
                f"WHERE {partitions(days)} AND data_source != 'archive' GROUP BY exchange, market_type, symbol, day"
            )
            for exchange, market_type, symbol, day in rows:
                live[exchange, market_type, symbol].add(day)
        kept = []
        for piece in pieces:
            left = piece.days & live[piece.symbol]
            if self._request.over_live:
                left = frozenset(day for day in left if not _closed(day))
            if left:
                self._summary.live_days += len(left)
                shown = ", ".join(str(day) for day in sorted(left)[:5])
                _noted(piece.staged.entry, f"{len(left)} {LEFT_TO_LIVE}: {shown}")
                if left == piece.days:
                    piece.staged.entry.state = "superseded"
            kept.append(Piece(piece.staged, piece.symbol, piece.days - left))
        return kept

    def _of_one_kind(self, pieces: list[Piece]) -> list[Piece]:
        """Refuse files whose days bear the other id space of trades: the two never mix within a symbol-day."""
        if self._request.layout.table != "trades":
            return pieces
        kind = "agg_trade" if self._request.layout.kind == "aggTrades" else "trade"
        kept = []
        for piece in pieces:
            if not piece.days:
                continue
            where = f"{same_symbol(piece.symbol)} AND trade_kind != '{kind}'"
            taken = {
                row[0]
                for row in self._engine.rows(
                    f"SELECT toDate(timestamp) AS day FROM {COLD}.trades WHERE {partitions(piece.days)} AND {where} "
                    "GROUP BY day UNION DISTINCT SELECT day FROM marketprism_features.bucket_days "
                    f"WHERE {where} AND day IN ({', '.join(repr(str(day)) for day in piece.days)})"
                )
            }
            if taken & piece.days:
                shown = ", ".join(str(day) for day in sorted(taken & piece.days)[:5])
                entry = piece.staged.entry
                entry.state = "failed"
                entry.error = (
                    f"{entry.path}: the other kind of trades bears the buckets of {entry.symbol} on {shown}; "
                    "a symbol-day has one kind: load that one, or other days"
                )
                self._fail(entry)
            else:
                kept.append(piece)
        return kept

    def _chunks(self, pieces: Sequence[Piece]) -> Iterator[list[date]]:
        rows: dict[date, int] = defaultdict(int)
        for piece in pieces:
            for day in piece.days:
                rows[day] += piece.staged.days[day].rows
        chunk: list[date] = []
        for day in sorted(rows):
            if chunk and sum(rows[other] for other in chunk) + rows[day] > _ROWS_AT_ONCE:
                yield chunk
                chunk = []
            chunk.append(day)
        if chunk:
            yield chunk

    def _install(self, pieces: Sequence[Piece], days: list[date]) -> None:
        layout = self._request.layout
        installer = Installer(self._engine, layout.table, cause="history", features=layout.table in ROW_TYPES)
        concerned = [piece for piece in pieces if piece.days & set(days)]
        edges = self._edges(concerned, days) if layout.table == "trades" else ""
        sources = [self._source(piece, days, edges) for piece in concerned]
        self._summary.rows += installer.install(sources, days).rows
        self._summary.days += len(days)
        if edges:
            self._engine.run(f"DROP TABLE IF EXISTS {edges} SYNC")

    def _edges(self, pieces: Sequence[Piece], days: list[date]) -> str:
        """Plans frozen, days folded: the table of edges."""
        conditions = [piece.condition(days, closed_end=False) for piece in pieces]
        requests = []
        for piece, condition in zip(pieces, conditions, strict=True):
            requests += first_trades(self._engine, piece.staged.table, condition, piece.symbol)
        plans = frozen_plans(self._clickhouse, self._settings, requests)
        edges, made = create_edges(self._engine, "history"), 0
        for piece, condition in zip(pieces, conditions, strict=True):
            for day in sorted(piece.days & set(days)):
                plan = plans.get((piece.symbol, day))
                if plan is not None:
                    table = piece.staged.table
                    made += insert_edges(self._engine, edges, table, condition, piece.symbol, day, plan)
        check_edges(self._engine, edges, made)
        return edges

    def _source(self, piece: Piece, days: list[date], edges: str) -> Source:
        layout, table = self._request.layout, piece.staged.table
        condition = piece.condition(days, closed_end=layout.closed_end)
        taken = piece.days & set(days)
        expected = _sum(piece, taken)
        columns = [
            name
            for (name,) in self._engine.rows(
                f"SELECT name FROM system.columns WHERE database = '{COLD}' AND table = '{layout.table}' "
                "AND name != 'created_at' ORDER BY position"
            )
        ]
        if edges:
            tick = tick_size(self._engine, piece.symbol, min(taken), table, condition)
            select = with_buckets(columns, table, condition, edges, tick)
        else:
            select = f"SELECT {', '.join(f'`{name}`' for name in columns)} FROM {table} WHERE {condition}"
        return Source(piece.symbol, frozenset(taken), select, self._replaces(piece, taken, table, condition), expected)

    def _replaces(self, piece: Piece, days: frozenset[date], table: str, condition: str) -> str:
        """Earlier rows of the same file's period; live rows too where they were not left the day."""
        layout = self._request.layout
        parts = [same_symbol(piece.symbol), partitions(days)]
        if layout.intervals:
            parts.append(f"interval = '{piece.staged.file.interval}'")
        if layout.closed_end:  # the first instant belongs to the file before, unless this one has it
            start = period_condition(piece.staged.file, closed_end=True).replace(">=", ">")
            parts.append(f"({start} OR timestamp IN (SELECT timestamp FROM {table} WHERE {condition}))")
        return " AND ".join(parts)

    def _count(self, result: Fetched) -> None:
        self._summary.files += len(result.staged)
        self._summary.skipped += len(result.skipped)
        self._summary.absent += len(result.absent)
        for entry in result.failed:
            self._fail(entry)
        for staged, _ in result.staged:
            self._summary.duplicates += staged.entry.duplicates
            self._summary.outside += staged.entry.outside

    def _fail(self, entry: Entry) -> None:
        logger.error(entry.error)
        self._summary.failed.append({"path": entry.path, "error": entry.error})

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


def _closed(day: date) -> bool:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return datetime.now(UTC) >= midnight + _GRACE


def _noted(entry: Entry, note: str) -> None:
    entry.note = f"{entry.note}; {note}" if entry.note else note


def _sum(piece: Piece, days: frozenset[date]) -> Fingerprint:
    total = Fingerprint()
    for day in days:
        total = total.plus(piece.staged.days[day])
    return total
