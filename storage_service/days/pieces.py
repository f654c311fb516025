"""From staged files to installed days: who may have a symbol-day, buckets for trades, and the install itself.

What every source of history shares: archive files and imported day files come here as pieces, rows of one symbol in a
staging table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final, Protocol

import pyarrow as pa

from marketprism.clickhouse import COLD, HOT
from marketprism.events import ROW_TYPES
from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.allowed import FROM_FILES
from storage_service.days.content import Fingerprint
from storage_service.days.continuity import refresh_gaps
from storage_service.days.crew import LOT_ROWS, Task, crew
from storage_service.days.edges import bearing, edges_table
from storage_service.days.engine import Engine
from storage_service.days.install import Installer, Source, Symbol, partitions, same_symbol
from storage_service.days.instruments import tick_size
from storage_service.days.layouts import Layout
from storage_service.days.trades import first_trades, fold_days, frozen_plans, insert_edges, with_buckets

LEFT_TO_LIVE: Final = "days left to live rows"
"""In the note of a file of which not every day was installed."""
YIELDS_TO: Final = {"archive": f"NOT ({FROM_FILES})", "import": "data_source != 'import'"}
"""Source of a piece → condition on rows that keep their symbol-day: a verified archive file goes before an import."""
ROWS_AT_ONCE: Final = 4_000_000
"""Days are installed together up to so many rows: small days cost statements, large ones disk."""
_GRACE: Final = timedelta(hours=1)

Counts = dict[tuple[Symbol, date], int]


class Outcome(Protocol):
    """What becomes of a file: the row of a ledger that says so."""

    path: str
    symbol: str
    state: str
    note: str
    error: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one symbol in a staging table: ``days`` are those to install, ``prints`` the fingerprint of each day.

    ``period``: condition on the rows of the file's own period; ``reopened``: of these, the ones that take the place of
    rows already there (all but the first instant, where that may belong to the file before).
    """

    table: str
    symbol: Symbol
    days: frozenset[date]
    prints: Mapping[date, Fingerprint]
    period: str
    outcome: Outcome
    interval: str = ""
    reopened: str = ""

    def condition(self, days: Sequence[date] | frozenset[date]) -> str:
        """Its rows of these days."""
        shown = ", ".join(f"'{day}'" for day in sorted(self.days & set(days)))
        return f"({self.period}) AND toDate(timestamp) IN ({shown})"

    def of_days(self, days: frozenset[date]) -> Piece:
        """The same rows with fewer days."""
        return Piece(
            self.table, self.symbol, days, self.prints, self.period, self.outcome, self.interval, self.reopened
        )


@dataclass(slots=True)
class Installed:
    """What installing came to. ``live_days``: symbol-days left to rows of another source."""

    rows: int = 0
    days: int = 0
    missing_ids: int = 0
    live_days: int = 0


class PieceInstaller:
    """Installs pieces of one layout. ``source`` is their data_source; ``over_live`` takes closed days of live rows."""

    def __init__(
        self,
        engine: Engine,
        clickhouse: ClickHouseSettings,
        settings: StorageSettings,
        layout: Layout,
        *,
        source: str = "archive",
        over_live: bool = False,
        failed: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._engine, self._clickhouse, self._settings, self._layout = engine, clickhouse, settings, layout
        self._source_name, self._over_live, self._failed = source, over_live, failed
        self.done = Installed()

    def install(self, pieces: list[Piece]) -> None:
        """Install what may be; what may not, its outcome says. Raises DayError, ClickHouseUnreachable."""
        pieces = self._of_one_kind(self._without_live(pieces))
        for days in self._together(pieces, ROWS_AT_ONCE):
            self._install(pieces, days)
        if self._layout.contiguous:
            for symbol in sorted({piece.symbol for piece in pieces if piece.days}):
                days = sorted({day for piece in pieces if piece.symbol == symbol for day in piece.days})
                self.done.missing_ids += refresh_gaps(self._engine, symbol, days)

    def _without_live(self, pieces: list[Piece]) -> list[Piece]:
        """Leave symbol-days to the live service that has rows of them; ``over_live`` takes the archive's if closed."""
        table = self._layout.table
        days = sorted({day for piece in pieces for day in piece.days})
        if table not in ROW_TYPES or not days:
            return pieces
        live: dict[Symbol, set[date]] = defaultdict(set)
        for database in (HOT, COLD):
            rows = self._engine.rows(
                f"SELECT exchange, market_type, symbol, toDate(timestamp) AS day FROM {database}.{table} "
                f"WHERE {partitions(days)} AND {YIELDS_TO[self._source_name]} "
                "GROUP BY exchange, market_type, symbol, day"
            )
            for exchange, market_type, symbol, day in rows:
                live[exchange, market_type, symbol].add(day)
        kept = []
        for piece in pieces:
            left = piece.days & live[piece.symbol]
            if self._over_live:
                left = frozenset(day for day in left if not _closed(day))
            if left:
                self.done.live_days += len(left)
                shown = ", ".join(str(day) for day in sorted(left)[:5])
                _noted(piece.outcome, f"{len(left)} {LEFT_TO_LIVE}: {shown}")
                if left == piece.days:
                    piece.outcome.state = "superseded"
            kept.append(piece.of_days(piece.days - left))
        return kept

    def _of_one_kind(self, pieces: list[Piece]) -> list[Piece]:
        """Refuse files whose days bear the other id space of trades: the two never mix within a symbol-day."""
        if self._layout.table != "trades":
            return pieces
        kind = "agg_trade" if self._layout.kind == "aggTrades" else "trade"
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
                outcome = piece.outcome
                outcome.state = "failed"
                outcome.error = (
                    f"{outcome.path}: the other kind of trades bears the buckets of {outcome.symbol} on {shown}; "
                    "a symbol-day has one kind: load that one, or other days"
                )
                self._failed(outcome)
            else:
                kept.append(piece)
        return kept

    @staticmethod
    def _together(pieces: Sequence[Piece], most: int, of: Sequence[date] = ()) -> Iterator[list[date]]:
        """The days of the pieces (only those in ``of``, if given) in groups of at most so many rows, or of one day."""
        rows: dict[date, int] = defaultdict(int)
        for piece in pieces:
            for day in piece.days & set(of) if of else piece.days:
                rows[day] += piece.prints[day].rows
        group: list[date] = []
        for day in sorted(rows):
            if group and sum(rows[other] for other in group) + rows[day] > most:
                yield group
                group = []
            group.append(day)
        if group:
            yield group

    def _install(self, pieces: Sequence[Piece], days: list[date]) -> None:
        layout = self._layout
        installer = Installer(self._engine, layout.table, cause="history", features=layout.table in ROW_TYPES)
        concerned = [piece for piece in pieces if piece.days & set(days)]
        lots = list(self._together(concerned, LOT_ROWS, days))
        with edges_table(self._engine) if layout.table == "trades" else nullcontext("") as edges:
            counts = self._fold(edges, concerned, days, lots) if edges else {}
            sources = [source for piece in concerned for source in self._sources(piece, lots, edges, counts)]
            self.done.rows += installer.install(sources, days).rows
        self.done.days += len(days)

    def _fold(self, edges: str, pieces: Sequence[Piece], days: list[date], lots: Sequence[list[date]]) -> Counts:
        """Freeze the plans, fold the days into ``edges``; how many trades of each symbol-day bear a bucket."""
        requests = []
        for piece in pieces:
            requests += first_trades(self._engine, piece.table, piece.condition(days), piece.symbol)
        plans = frozen_plans(self._clickhouse, self._settings, requests)
        made: list[pa.RecordBatch] = []

        def fold(engine: Engine, piece: Piece, lot: list[date]) -> None:
            of_lot = {day: plans[piece.symbol, day] for day in piece.days & set(lot) if (piece.symbol, day) in plans}
            if of_lot:
                made.extend(fold_days(engine, piece.table, piece.condition(lot), piece.symbol, of_lot))

        tasks: list[Task] = [partial(fold, piece=piece, lot=lot) for piece in pieces for lot in lots]
        with crew(self._engine) as hands:
            hands.run(tasks)
        insert_edges(self._engine, edges, made)
        return bearing(made)

    def _sources(self, piece: Piece, lots: Sequence[list[date]], edges: str, counts: Counts) -> Iterator[Source]:
        layout, table = self._layout, piece.table
        columns = [
            name
            for (name,) in self._engine.rows(
                f"SELECT name FROM system.columns WHERE database = '{COLD}' AND table = '{layout.table}' "
                "AND name != 'created_at' ORDER BY position"
            )
        ]
        days = piece.days & {day for lot in lots for day in lot}
        tick = tick_size(self._engine, piece.symbol, min(days), table, piece.condition(days)) if edges else None
        for lot in lots:
            taken = piece.days & set(lot)
            if not taken:
                continue
            condition = piece.condition(lot)
            if edges:
                select = with_buckets(columns, table, condition, piece.symbol, edges, tick)
            else:
                select = f"SELECT {', '.join(f'`{name}`' for name in columns)} FROM {table} WHERE {condition}"
            expected = Fingerprint()
            for day in taken:
                expected = expected.plus(piece.prints[day])
            bear = sum(counts.get((piece.symbol, day), 0) for day in taken) if edges else None
            yield Source(piece.symbol, frozenset(taken), select, self._replaces(piece), expected, bear)

    @staticmethod
    def _replaces(piece: Piece) -> str:
        """Earlier rows of the same file's period; live rows too where they were not left the day."""
        parts = []
        if piece.interval:
            parts.append(f"interval = '{piece.interval}'")
        if piece.reopened:
            key = "exchange, market_type, symbol, timestamp"
            parts.append(f"({piece.reopened} OR ({key}) IN (SELECT {key} FROM {{new}}))")
        return " AND ".join(parts)


def _closed(day: date) -> bool:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return datetime.now(UTC) >= midnight + _GRACE


def _noted(outcome: Outcome, note: str) -> None:
    outcome.note = f"{outcome.note}; {note}" if outcome.note else note
