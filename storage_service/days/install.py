"""Install days: prepare them in shadow tables, verify, REPLACE PARTITION. Idempotent; atomic per table.

What other symbols have on such a day stays: it is copied into the shadow. The targets of the views that hang on the raw
table are computed from the new rows by the views' own SELECT and installed first, the raw table last; a reader across
tables asks ``marketprism_cold.day_generation``. A job that dies leaves what was there, or days that the same job,
run again, replaces by equal ones.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from typing import Final

from marketprism.clickhouse import COLD, HOT
from marketprism.cluster import local_copy
from marketprism.errors import DayError
from storage_service.days.content import NOT_CONTENT, Fingerprint, columns_of, fingerprint
from storage_service.days.crew import LOT, Crew, Task, crew
from storage_service.days.engine import STAGING, Engine
from storage_service.days.hold import Hold, drop_holds, held
from storage_service.days.locks import Lock, lock
from storage_service.days.views import View, swapped, views_on
from storage_service.faultpoints import reach

logger = logging.getLogger(__name__)

INSTALL_POINTS: Final = ("shadow_filled", "before_replace", "between_targets", "before_raw", "after_raw")
"""Where a fault test may kill the process (``storage_service.faultpoints``)."""
COMPUTED: Final = frozenset(
    {"created_at", "bucket_id", "bucket_cut", "bucket_t_max_ms", "tick_size", "price_tick", "late"}
)
"""Columns that installing computes: left out where new rows are compared with those they come from."""
GENERATIONS: Final = f"{COLD}.day_generation"

_SOME_DAYS: Final = "_partition_id IN ('of the lot')"

Symbol = tuple[str, str, str]
EVERY: Final[Symbol] = ("", "", "")
"""The symbol of a source that has rows of all."""


def partition_id(day: date) -> str:
    """As ClickHouse names the partition of a UTC day, by toYYYYMMDD as by intDiv(bucket_id, 1000000)."""
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


@dataclass(frozen=True, slots=True)
class Source:
    """New rows of one symbol, as many as one statement should move. ``select``: a SELECT of every column of the raw
    table but created_at, in its order.

    ``replaces``: which rows of the raw table go, of the symbol (of all, where it is EVERY) and the days: a condition,
    the same text for as many sources as can be, or empty for all; ``{new}`` in it is the table of the new rows;
    ``expected``: fingerprint of the new rows over the
    columns that are not ``COMPUTED``, taken where they come from; ``bearing``: how many of them get a bucket, where
    that is computed.
    """

    symbol: Symbol
    days: frozenset[date]
    select: str
    replaces: str
    expected: Fingerprint
    bearing: int | None = None


@dataclass(slots=True)
class Shadow:
    """A table in preparation. ``final``: its rows are states that must be merged before they are compared."""

    target: str
    name: str
    columns: dict[str, str]
    final: bool


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def same_symbol(symbol: Symbol) -> str:
    """Condition on the key columns."""
    return f"(exchange, market_type, symbol) = ({', '.join(quoted(part) for part in symbol)})"


def replaced_by(sources: Iterable[Source], new: str = "") -> list[str]:
    """Conditions on the rows that go, sources that say the same together: a condition for each of a thousand symbols
    is no statement any more. Of the raw table with ``new``, the table of the new rows; otherwise of a view's target.
    """
    alike: dict[tuple[frozenset[date], str], set[Symbol]] = defaultdict(set)
    for source in sources:
        alike[source.days, source.replaces.replace("{new}", new) if new else ""].add(source.symbol)
    conditions = []
    for (days, replaces), symbols in alike.items():
        parts = [partitions(days)]
        if EVERY not in symbols:
            shown = ", ".join(f"({', '.join(quoted(part) for part in symbol)})" for symbol in sorted(symbols))
            parts.append(f"(exchange, market_type, symbol) IN ({shown})")
        conditions.append(" AND ".join([*parts, *([f"({replaces})"] if replaces else [])]))
    return conditions


def partitions(days: Iterable[date]) -> str:
    """Condition on the partition of a table by UTC day."""
    return f"_partition_id IN ({', '.join(quoted(partition_id(day)) for day in sorted(days))})"


class Installer:
    """Installs days of one raw table (hot or cold) with the targets of its views.

    ``moves``: the sources select created_at too, for rows that were stored before and only move. ``computed``: columns
    that installing computes, left out where new rows are compared with those they come from.
    """

    def __init__(
        self,
        engine: Engine,
        data_type: str,
        *,
        database: str = COLD,
        cause: str,
        features: bool = True,
        moves: bool = False,
        computed: frozenset[str] = COMPUTED,
    ) -> None:
        self._engine, self._data_type, self._database, self._cause = engine, data_type, database, cause
        self._raw = f"{database}.{data_type}"
        self._moves, self._computed = moves, computed
        self._views: list[View] = views_on(engine, f"{HOT}.{data_type}") if features else []

    def install(self, sources: Sequence[Source], days: Sequence[date]) -> Fingerprint:
        """Replace ``days`` by the sources' rows and all that they do not replace; what the sources promised.

        Raises DayError when a check fails; nothing has been replaced then.
        """
        writers = self._views or self._database == HOT
        with lock(self._engine, "install") as ours, ExitStack() as stack:
            shadows = self._make_shadows(ours)
            hold = stack.enter_context(held(self._engine, self._data_type, days)) if writers else None
            try:
                installed = self._prepare(shadows, sources, hold.renew if hold else _nothing)
                for shadow in shadows:
                    self._keep(shadow, sources, days)
                reach("shadow_filled", self._data_type)
                self._replace(shadows, days, hold, ours)
            finally:
                for shadow in shadows:
                    self._engine.run(f"DROP TABLE IF EXISTS {shadow.name} SYNC")
        return installed

    def compare(self, sources: Sequence[Source]) -> list[str]:
        """Prepare as ``install`` does and replace nothing: what the tables hold that differs, one line each."""
        differences = []
        with lock(self._engine, "install") as ours:
            shadows = self._make_shadows(ours)
            try:
                self._prepare(shadows, sources, _nothing)
                for shadow in shadows:
                    new, stored = self._fingerprint(shadow), Fingerprint()
                    for where in self._replaced(shadow, sources):
                        final = shadow.final
                        stored = stored.plus(
                            fingerprint(self._engine, shadow.target, shadow.columns, where, final=final)
                        )
                    if stored != new:
                        differences.append(f"{shadow.target} holds {stored}; recomputed: {new}")
            finally:
                for shadow in shadows:
                    self._engine.run(f"DROP TABLE IF EXISTS {shadow.name} SYNC")
        return differences

    def _make_shadows(self, ours: Lock) -> list[Shadow]:
        """Targets in the views' order, the raw table last.

        Of this job alone: one that slept until it was taken for dead, and wakes, finds its own gone.
        """
        left = "SELECT name FROM system.tables WHERE database = {d:String} AND startsWith(name, 'shadow_')"
        for (name,) in self._engine.rows(left, {"d": STAGING}):
            self._engine.run(f"DROP TABLE IF EXISTS {STAGING}.{name} SYNC")
        targets = list(dict.fromkeys(view.target for view in self._views))
        shadows = []
        for target in [*targets, self._raw]:
            name = f"{STAGING}.shadow_{ours.token}_{target.replace('.', '_')}"
            create = str(self._engine.rows(f"SHOW CREATE TABLE {target}")[0][0])
            self._engine.run(local_copy(create, name))
            drop_holds(self._engine, name)  # a copy of a held table would refuse the days too
            merges = "AggregatingMergeTree" in create
            shadows.append(Shadow(target, name, columns_of(self._engine, target), merges))
        return shadows

    def _prepare(self, shadows: list[Shadow], sources: Sequence[Source], between: Callable[[], None]) -> Fingerprint:
        """New rows into the raw shadow, checked against where they come from; the views' rows into theirs."""
        raw = shadows[-1]
        names = ", ".join(f"`{name}`" for name in raw.columns if self._moves or name != "created_at")
        expected = Fingerprint()
        for source in sources:
            expected = expected.plus(source.expected)
        with crew(self._engine) as hands:
            alone = len(sources) == 1  # then the engine's own threads share the work
            inserts = [_statement(f"INSERT INTO {raw.name} ({names}) {source.select}", alone) for source in sources]
            hands.run(inserts, between, rows=max((source.expected.rows for source in sources), default=0))
            arrived = self._fingerprint(raw, without=self._computed)
            if arrived != expected:
                raise DayError(f"{self._raw}: {expected} were to be installed, the shadow has {arrived}; run it again")
            self._check_bearing(raw, sources)
            self._compute(shadows, sources, hands, between)
        return expected

    def _compute(
        self, shadows: list[Shadow], sources: Sequence[Source], hands: Crew, between: Callable[[], None]
    ) -> None:
        """Each view's own SELECT over the new rows, lot by lot; views on a target wait for what fills it."""
        tables = {shadow.target: shadow.name for shadow in shadows}
        tables[f"{HOT}.{self._data_type}"] = shadows[-1].name
        lots = lots_of(sources)
        rows = max((sum(s.expected.rows for s in sources if s.days & set(lot)) for lot in lots), default=0)
        waiting = list(self._views)
        while waiting:
            unfilled = {view.target for view in waiting}
            ready = [view for view in waiting if not view.sources & unfilled]
            tasks: list[Task] = []
            for view in ready:
                columns = ", ".join(f"`{name}`" for name in view.columns)
                select = swapped(view.select, tables, _SOME_DAYS)
                insert = f"INSERT INTO {tables[view.target]} ({columns}) {select}"
                tasks += [_statement(insert.replace(_SOME_DAYS, partitions(lot))) for lot in lots]
            hands.run(tasks, between, rows=rows)
            waiting = [view for view in waiting if view not in ready]
        self._check_counts(tables, shadows[-1])

    def _check_bearing(self, raw: Shadow, sources: Sequence[Source]) -> None:
        """No fingerprint sees buckets: a fold that the rows did not get would wipe the day's features."""
        known = [source.bearing for source in sources if source.bearing is not None]
        if known:
            found = self._number(f"SELECT count() FROM {raw.name} WHERE bucket_id != 0")
            if found != sum(known):
                raise DayError(
                    f"{self._raw}: the fold gave buckets to {sum(known)} trades, {found} bear one; run it again"
                )

    def _check_counts(self, tables: dict[str, str], raw: Shadow) -> None:
        counting = [view for view in self._views if "count() AS trades" in view.select]
        bearing = self._number(f"SELECT count() FROM {raw.name} WHERE bucket_id != 0") if counting else 0
        for view in counting:
            counted = self._number(f"SELECT sum(trades) FROM {tables[view.target]}")
            if counted != bearing:
                raise DayError(f"{view.name} counted {counted} of {bearing} trades; repair the view")

    def _keep(self, shadow: Shadow, sources: Sequence[Source], days: Sequence[date]) -> None:
        """Copy what the day has and the sources do not replace."""
        replaced = (f"NOT ({condition})" for condition in self._replaced(shadow, sources))
        kept = " AND ".join([partitions(days), *replaced])
        before = fingerprint(self._engine, shadow.target, shadow.columns, kept, final=shadow.final)
        if before.rows:  # a shadow without them is what was just told of it
            new = self._fingerprint(shadow)
            names = ", ".join(f"`{name}`" for name in shadow.columns)
            self._engine.run(f"INSERT INTO {shadow.name} ({names}) SELECT {names} FROM {shadow.target} WHERE {kept}")
            total = self._fingerprint(shadow)
            if total != new.plus(before):
                raise DayError(
                    f"{shadow.target}: {new} and kept {before} do not make {total}; "
                    "another writer was at work on the day: run it again"
                )
        foreign = set(self._partitions_of(shadow.name)) - {partition_id(day) for day in days}
        if foreign:
            raise DayError(f"{shadow.target}: rows of {', '.join(sorted(foreign))} are not of the days to install")

    def _replaced(self, shadow: Shadow, sources: Sequence[Source]) -> list[str]:
        return replaced_by(sources, shadow.name if shadow.target == self._raw else "")

    def _replace(self, shadows: list[Shadow], days: Sequence[date], hold: Hold | None, ours: Lock) -> None:
        self._mark(days, "installing")
        reach("before_replace", self._data_type)
        for shadow in shadows:
            if shadow.target == self._raw:
                reach("before_raw", self._data_type)
            filled, present = self._partitions_of(shadow.name), self._partitions_of(shadow.target)
            if not columns_of(self._engine, shadow.name):  # nothing in it would mean that the day goes
                raise DayError(f"{shadow.name} is gone, it was to become {shadow.target}; run it again")
            commands = []
            for day in sorted(days):
                if partition_id(day) in filled:
                    commands.append(f"REPLACE PARTITION ID '{partition_id(day)}' FROM {shadow.name}")
                elif partition_id(day) in present:
                    commands.append(f"DROP PARTITION ID '{partition_id(day)}'")
            if hold is not None:
                hold.renew()
            ours.check()
            if commands:  # one statement: each costs a round trip and a look at all parts
                self._engine.run(f"ALTER TABLE {shadow.target} {', '.join(commands)}")
            reach("after_raw" if shadow.target == self._raw else "between_targets", self._data_type)
        self._mark(days, "installed")

    def _partitions_of(self, table: str) -> set[str]:
        database, _, name = table.partition(".")
        query = (
            "SELECT DISTINCT partition_id FROM system.parts "
            "WHERE active AND rows > 0 AND database = {d:String} AND table = {t:String}"
        )
        return {str(row[0]) for row in self._engine.rows(query, {"d": database, "t": name})}

    def _mark(self, days: Sequence[date], state: str) -> None:
        """The generation rises when an install begins, and stays when it ends; each row is newer than the one before,
        whatever the clock: the newest holds."""
        step = 1 if state == "installing" else 0
        shown = ", ".join(f"'{day}'" for day in sorted(days))
        self._engine.run(
            f"INSERT INTO {GENERATIONS} (data_type, day, generation, state, cause, changed_at) "
            f"SELECT {quoted(self._data_type)}, d.day, ifNull(g.newest, 0) + {step}, {quoted(state)}, "
            f"{quoted(self._cause)}, greatest(now64(6, 'UTC'), g.changed + toIntervalMicrosecond(1)) "
            f"FROM (SELECT arrayJoin([{shown}]::Array(Date)) AS day) AS d LEFT JOIN "
            f"(SELECT day, max(generation) AS newest, max(changed_at) AS changed FROM {GENERATIONS} "
            f"WHERE data_type = {quoted(self._data_type)} GROUP BY day) AS g ON g.day = d.day"
        )

    def _fingerprint(self, shadow: Shadow, without: Collection[str] = NOT_CONTENT) -> Fingerprint:
        return fingerprint(self._engine, shadow.name, shadow.columns, final=shadow.final, without=without)

    def _number(self, query: str) -> int:
        return int(self._engine.rows(query)[0][0] or 0)


def lots_of(sources: Sequence[Source]) -> list[list[date]]:
    """The sources' days, those together that sources have together; in order."""
    lots: list[set[date]] = []
    for source in sources:
        touched = [lot for lot in lots if lot & source.days]
        lots = [lot for lot in lots if lot not in touched]
        lots.append(set(source.days).union(*touched))
    return sorted(sorted(lot) for lot in lots if lot)


def _statement(sql: str, alone: bool = False) -> Task:
    return lambda engine: engine.run(sql, settings={} if alone else LOT)


def _nothing() -> None:
    """Between statements of a job that holds no days."""
