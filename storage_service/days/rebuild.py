"""Rebuild or verify a day of a raw table with views: their own SELECT over its stored rows once more. Trades are folded
again under the frozen plans first; every other row is what it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

from marketprism.clickhouse import COLD, HOT
from marketprism.errors import DayError
from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.allowed import FROM_FILES, VIEWED
from storage_service.days.content import columns_of, fingerprint
from storage_service.days.edges import bearing, edges_table
from storage_service.days.engine import Engine
from storage_service.days.install import COMPUTED, Installer, Source, Symbol, partitions, quoted, same_symbol
from storage_service.days.tiers import Archivist, hot_days, is_closed
from storage_service.days.trades import first_trades, fold_days, frozen_plans, insert_edges, with_buckets

_BUCKETS = COMPUTED - {"created_at", "tick_size", "price_tick", "late"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a day: ``symbols`` looked at, ``rows`` of theirs, ``differences`` one line each (verify only)."""

    day: date
    symbols: int
    rows: int
    differences: tuple[str, ...] = ()


class Rebuilder:
    """Works on one day of a raw table, wherever it lies. ``now`` is given, so that a test can be any day.

    Raises DayError for a table that no view hangs on.
    """

    def __init__(
        self,
        engine: Engine,
        clickhouse: ClickHouseSettings,
        settings: StorageSettings,
        now: datetime | None = None,
        data_type: str = "trades",
    ) -> None:
        if data_type not in VIEWED:
            raise DayError(f"nothing is computed from {data_type} as it is stored; choose one of {', '.join(VIEWED)}")
        self._engine, self._clickhouse, self._settings = engine, clickhouse, settings
        self._now = now or datetime.now(UTC)
        self._type = data_type
        self._computed = frozenset(_BUCKETS if data_type == "trades" else ())

    def rebuild(self, day: date, names: Collection[str] = ()) -> Outcome:
        """Install the day anew: buckets of trades and every target of the views; ``names``: only these symbols.

        Raises DayError for an open day.
        """
        self._require_closed(day, "rebuild")
        self._join_late_rows(day)
        rows = symbols = 0
        for database in self._homes(day):
            found = self._symbols(database, day, names)
            if found:
                with self._sources(database, day, found) as sources:
                    rows += self._installer(database).install(sources, [day]).rows
                symbols += len(found)
        if HOT in self._homes(day) and self._in_cold(day):
            Archivist(self._engine, self._now).archive(self._type, day)
        return Outcome(day, symbols, rows)

    def verify(self, day: date, names: Collection[str] = ()) -> Outcome:
        """Recompute and compare; nothing is written but shadows. Raises DayError for an open day."""
        self._require_closed(day, "verify")
        rows = symbols = 0
        differences: list[str] = []
        archivist = Archivist(self._engine, self._now)
        if archivist.was_dropped(self._type, day) and (waiting := archivist.not_in_cold(self._type, day)):
            unknown = "no bucket knows" if self._type == "trades" else "no view has beside the others"
            differences.append(f"{HOT}.{self._type} has {waiting} late rows that {unknown}; rebuild the day")
        for database in self._homes(day):
            found = self._symbols(database, day, names)
            if found:
                with self._sources(database, day, found) as sources:
                    differences += self._installer(database).compare(sources)
                    rows += sum(source.expected.rows for source in sources)
                symbols += len(found)
        return Outcome(day, symbols, rows, tuple(differences))

    def _require_closed(self, day: date, what: str) -> None:
        if not is_closed(day, self._now):
            raise DayError(f"{day} is still open; {what} it after its midnight and an hour (UTC)")

    def _installer(self, database: str) -> Installer:
        return Installer(
            self._engine, self._type, database=database, cause="rebuild", moves=True, computed=self._computed
        )

    def _join_late_rows(self, day: date) -> None:
        """What came after hot had been dropped joins cold, where the rest of the day is, and leaves hot."""
        archivist = Archivist(self._engine, self._now)
        if archivist.was_dropped(self._type, day) and day in hot_days(self._engine, self._type):
            if self._settings.archive_remote_url:
                raise DayError(
                    f"the {self._type} of {day} are on the server of the archive, and what came late follows with the "
                    "next archive; then rebuild the day there"
                )
            archivist.archive(self._type, day)
            archivist.drop(self._type, day, 0)

    def _homes(self, day: date) -> list[str]:
        """Databases with rows of the day: hot last, because live rows of a symbol-day are there until it is dropped."""
        if Archivist(self._engine, self._now).was_dropped(self._type, day):
            return [COLD]
        return [
            database
            for database in (COLD, HOT)
            if self._engine.rows(f"SELECT count() FROM {database}.{self._type} WHERE {partitions([day])}")[0][0]
        ]

    def _in_cold(self, day: date) -> bool:
        query = f"SELECT count() FROM {COLD}.{self._type} WHERE {partitions([day])} AND NOT ({FROM_FILES})"
        return bool(self._engine.rows(query)[0][0])

    def _symbols(self, database: str, day: date, names: Collection[str]) -> list[Symbol]:
        """Symbols whose day is computed from this database: cold where hot has none of it, or cold's is from files."""
        chosen = f" AND symbol IN ({', '.join(quoted(name) for name in sorted(names))})" if names else ""
        same = f"{partitions([day])}{chosen}"
        query = f"SELECT DISTINCT exchange, market_type, symbol FROM {{}}.{self._type} WHERE {same}{{}}"
        hot = set(self._engine.rows(query.format(HOT, ""))) if HOT in self._homes(day) else set()
        from_files = set(self._engine.rows(query.format(COLD, f" AND {FROM_FILES}")))
        if database == HOT:
            return sorted(hot - from_files)
        return sorted(set(self._engine.rows(query.format(COLD, ""))) - (hot - from_files))

    @contextmanager
    def _sources(self, database: str, day: date, symbols: list[Symbol]) -> Iterator[list[Source]]:
        """What each symbol's day is made of: for the block, since edges of buckets are a table."""
        conditions = {symbol: f"{partitions([day])} AND {same_symbol(symbol)}" for symbol in symbols}
        if self._type == "trades":
            with edges_table(self._engine) as edges:
                yield self._folded(database, day, conditions, edges)
        else:
            yield self._as_stored(database, day, conditions)

    def _as_stored(self, database: str, day: date, conditions: Mapping[Symbol, str]) -> list[Source]:
        table = f"{database}.{self._type}"
        columns = columns_of(self._engine, table)
        names = ", ".join(f"`{name}`" for name in columns)
        sources = []
        for symbol, condition in conditions.items():
            select = f"SELECT {names} FROM {table} WHERE {condition}"
            expected = fingerprint(self._engine, table, columns, condition, without=self._computed)
            sources.append(Source(symbol, frozenset({day}), select, "", expected))
        return sources

    def _folded(self, database: str, day: date, conditions: Mapping[Symbol, str], edges: str) -> list[Source]:
        table = f"{database}.trades"
        columns = columns_of(self._engine, table)
        requests = [
            request
            for symbol, condition in conditions.items()
            for request in first_trades(self._engine, table, condition, symbol)
        ]
        plans = frozen_plans(self._clickhouse, self._settings, requests)
        made = []
        for symbol, condition in conditions.items():
            if (symbol, day) in plans:
                made += fold_days(self._engine, table, condition, symbol, {day: plans[symbol, day]})
        insert_edges(self._engine, edges, made)
        counts = bearing(made)
        sources = []
        for symbol, condition in conditions.items():
            select = with_buckets(list(columns), table, condition, symbol, edges)
            expected = fingerprint(self._engine, table, columns, condition, without=_BUCKETS)
            sources.append(Source(symbol, frozenset({day}), select, "", expected, counts.get((symbol, day), 0)))
        return sources
