"""Hot → cold: a verified copy of each hot table-day, recorded in archive_status; and the retention that drops hot days.

Where cold has a symbol-day from an archive file or an import, that one holds (readers of ``all_…`` see it, too) and the
hot rows of it stay behind. Late rows of a day that was dropped already join what cold has.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

from marketprism.clickhouse import COLD, HOT
from marketprism.errors import DayError
from marketprism.events import ROW_TYPES
from storage_service.allowed import FROM_FILES
from storage_service.days.content import Fingerprint, columns_of, fingerprint, row_hash
from storage_service.days.engine import Engine
from storage_service.days.hold import drop_holds, held
from storage_service.days.install import EVERY, Installer, Source, partition_id, partitions
from storage_service.days.locks import LockHeld, lock
from storage_service.faultpoints import reach

logger = logging.getLogger(__name__)

ARCHIVE_POINTS: Final = ("archive_installed", "archive_recorded", "before_drop", "after_drop")
STATUS: Final = f"{COLD}.archive_status"
TABLES: Final = tuple(name for name in ROW_TYPES if name != "instruments")  # metadata is by month and stays in hot
GRACE: Final = timedelta(hours=1)
"""How long past midnight a day still takes rows (as live buckets do)."""
_IDENTITY: Final = {
    "trades": "exchange, market_type, symbol, trade_kind, sequence",
    "orderbooks": "exchange, market_type, symbol, sequence",
    "best_quotes": "exchange, market_type, symbol, sequence",
}


@dataclass(frozen=True, slots=True)
class Archived:
    """One table and day: ``state`` is archived, unchanged, dropped or kept; ``why`` it was kept."""

    data_type: str
    day: date
    state: str
    rows: int = 0
    why: str = ""


def is_closed(day: date, now: datetime) -> bool:
    """Whether the day takes no more rows in the usual course."""
    return now >= datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1) + GRACE


def hot_days(engine: Engine, data_type: str) -> list[date]:
    """Days that a hot table has rows of."""
    rows = engine.rows(
        "SELECT DISTINCT partition_id FROM system.parts WHERE active AND rows > 0 AND database = {d:String} "
        "AND table = {t:String} ORDER BY 1",
        {"d": HOT, "t": data_type},
    )
    return [datetime.strptime(row[0], "%Y%m%d").date() for row in rows]


class Archivist:
    """Archives and drops table-days. ``now`` is given, so that a test can be any day.

    ``arriving``: a table of the same server that stands for the hot one (rows that came from another server).
    """

    def __init__(self, engine: Engine, now: datetime, arriving: str = "") -> None:
        self._engine, self._now, self._arriving = engine, now, arriving

    def _hot(self, data_type: str) -> str:
        return self._arriving or f"{HOT}.{data_type}"

    def archive(self, data_type: str, day: date) -> Archived:
        """Copy one table-day into cold and verify it on both sides. Doing it again is doing nothing.

        Raises DayError when the day is still open or a check fails; hot is never touched here.
        """
        if not is_closed(day, self._now):
            raise DayError(f"{day} is open until {day + timedelta(days=1)} 01:00 UTC; archive it after that")
        before = self.present(data_type, day)
        if before == self.recorded(data_type, day):
            return Archived(data_type, day, "unchanged", sum(part.rows for part in before.values()))
        began = time.monotonic()
        replaced = self._replaced(data_type, day)
        live = f"{partitions([day])} AND NOT ({FROM_FILES})"
        kept = self._by_exchange(f"{COLD}.{data_type}", f"{live} AND NOT ({replaced})")
        columns = columns_of(self._engine, self._hot(data_type))
        names = ", ".join(f"`{name}`" for name in columns_of(self._engine, f"{COLD}.{data_type}"))
        taken = self._taken(data_type, day)
        expected = fingerprint(self._engine, self._hot(data_type), columns, taken, without=())
        source = Source(
            EVERY,
            frozenset({day}),
            f"SELECT {names} FROM {self._hot(data_type)} WHERE {taken}",
            replaced,
            expected,
        )
        installer = Installer(
            self._engine, data_type, cause="archive", features=False, moves=True, computed=frozenset()
        )
        installer.install([source], [day])
        reach("archive_installed", data_type)
        self._verify(data_type, day, before, kept)
        self.record(data_type, day, before, self.stored_bytes(data_type, day), time.monotonic() - began)
        reach("archive_recorded", data_type)
        return Archived(data_type, day, "archived", expected.rows)

    def drop(self, data_type: str, day: date, after_days: int) -> Archived:
        """Drop a hot table-day when cold has it verified and its newest row was stored ``after_days`` ago or more.

        No row enters the day while it is looked at and dropped.
        """
        with lock(self._engine, "install") as ours, held(self._engine, data_type, [day]) as hold:
            why = self.reason_to_keep(data_type, day, after_days)
            if why:
                return Archived(data_type, day, "kept", why=why)
            self.say_dropped(data_type, day)  # first: a crash after it costs nothing, the other order would lose rows
            reach("before_drop", data_type)
            hold.renew()
            ours.check()
            self._engine.run(f"ALTER TABLE {self._hot(data_type)} DROP PARTITION ID '{partition_id(day)}'")
            reach("after_drop", data_type)
        return Archived(data_type, day, "dropped")

    def say_dropped(self, data_type: str, day: date) -> None:
        """From now on hot may hold only what comes late: it joins cold and no longer replaces it."""
        same = (
            "archive_date, data_type, exchange, records_archived, archive_size_bytes, archive_duration_seconds, "
            "content_hash, verified"
        )
        self._engine.run(
            f"INSERT INTO {STATUS} ({same}, hot_dropped, archived_at) "
            f"SELECT {same}, true, {self._next(data_type, day)} FROM {STATUS} FINAL "
            f"WHERE data_type = '{data_type}' AND archive_date = '{day}'"
        )

    def _next(self, data_type: str, day: date) -> str:
        """SQL of a time for a newer row of the day: the newest row holds, also when the clock has been put back."""
        newest = f"SELECT max(archived_at) FROM {STATUS} WHERE data_type = '{data_type}' AND archive_date = '{day}'"
        return f"(SELECT greatest(now64(6, 'UTC'), ({newest}) + toIntervalMicrosecond(1)))"

    def reason_to_keep(self, data_type: str, day: date, after_days: int) -> str:
        """Empty when the day may go."""
        present = self.present(data_type, day)
        recorded = self.recorded(data_type, day)
        if present != recorded:
            return "not archived, or changed since" if recorded else "not archived"
        stored = stored_last(self._engine, data_type, day)
        if after_days and stored is not None and self._now - stored < timedelta(days=after_days):
            return f"rows of it were stored at {stored:%Y-%m-%d %H:%M}, less than {after_days} days ago"
        return ""

    def _taken(self, data_type: str, day: date) -> str:
        """Condition on hot rows that go to cold: not those of symbol-days that an archive file or an import gave."""
        key = "exchange, market_type, symbol" + (", of_type" if data_type == "gaps" else "")
        return (
            f"{partitions([day])} AND ({key}) NOT IN (SELECT {key} FROM {COLD}.{data_type} "
            f"WHERE toYYYYMMDD(timestamp) = {partition_id(day)} AND {FROM_FILES})"
        )

    def _replaced(self, data_type: str, day: date) -> str:
        """Condition on cold rows that the hot ones replace: all live ones, unless cold has more of a symbol than hot.

        It has where hot holds only what came late, and where another server archives here as well.
        """
        live = f"NOT ({FROM_FILES})"
        key = "exchange, market_type, symbol"
        counted = f"SELECT {key}, count() AS n FROM {{}} WHERE {partitions([day])}{{}} GROUP BY {key}"
        cold, hot = counted.format(f"{COLD}.{data_type}", f" AND {live}"), counted.format(self._hot(data_type), "")
        [(more,)] = self._engine.rows(
            f"SELECT count() FROM ({cold}) AS c LEFT JOIN ({hot}) AS h USING ({key}) WHERE c.n > h.n"
        )
        if not more and not self.was_dropped(data_type, day):
            return live
        same = self._identity(data_type)
        return f"{live} AND ({same}) IN (SELECT {same} FROM {self._hot(data_type)} WHERE {partitions([day])})"

    def _identity(self, data_type: str) -> str:
        """SQL of what makes two rows the same: the exchange's ids, or all that the collector saw."""
        if data_type in _IDENTITY:
            return _IDENTITY[data_type]
        known = columns_of(self._engine, self._hot(data_type))
        return row_hash(known, without=("created_at", "stream_seq", "received_at"))

    def not_in_cold(self, data_type: str, day: date) -> int:
        """Hot rows of the day that cold has not."""
        same = self._identity(data_type)
        cold = f"SELECT {same} FROM {COLD}.{data_type} WHERE {partitions([day])}"
        query = f"SELECT count() FROM {self._hot(data_type)} WHERE {partitions([day])} AND ({same}) NOT IN ({cold})"
        return int(self._engine.rows(query)[0][0])

    def present(self, data_type: str, day: date) -> dict[str, Fingerprint]:
        """What hot has of a table-day for cold, by exchange."""
        return self._by_exchange(self._hot(data_type), self._taken(data_type, day))

    def _by_exchange(self, table: str, where: str) -> dict[str, Fingerprint]:
        columns = columns_of(self._engine, table)
        rows = self._engine.rows(
            f"SELECT exchange, count(), sum({row_hash(columns)}) FROM {table} WHERE {where} GROUP BY exchange"
        )
        return {exchange: Fingerprint(int(count), int(total)) for exchange, count, total in rows}

    def _verify(self, data_type: str, day: date, before: dict[str, Fingerprint], kept: dict[str, Fingerprint]) -> None:
        """Both sides anew: hot is what it was, cold is that and what it kept."""
        hot = self.present(data_type, day)
        cold = self._by_exchange(f"{COLD}.{data_type}", f"{partitions([day])} AND NOT ({FROM_FILES})")
        exchanges = {*before, *kept}
        wanted = {name: before.get(name, Fingerprint()).plus(kept.get(name, Fingerprint())) for name in exchanges}
        if hot != before:
            raise DayError(f"{self._hot(data_type)} of {day} changed while it was archived; run it again")
        if cold != wanted:
            raise DayError(
                f"{COLD}.{data_type} of {day} is not what was archived ({cold} instead of {wanted}); run it again"
            )

    def recorded(self, data_type: str, day: date) -> dict[str, Fingerprint]:
        """What hot held when it was last archived."""
        return {
            exchange: Fingerprint(int(rows), int(total))
            for exchange, rows, total in self._engine.rows(
                f"SELECT exchange, records_archived, content_hash FROM {STATUS} FINAL "
                f"WHERE data_type = '{data_type}' AND archive_date = '{day}' AND verified AND records_archived > 0"
            )
        }

    def was_dropped(self, data_type: str, day: date) -> bool:
        """Whether hot gave the day up: what it has of it now came late."""
        query = f"SELECT max(hot_dropped) FROM {STATUS} WHERE data_type = '{data_type}' AND archive_date = '{day}'"
        return bool(self._engine.rows(query)[0][0])

    def stored_bytes(self, data_type: str, day: date) -> int:
        """What the day takes on cold's disk."""
        query = (
            f"SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = '{COLD}' "
            f"AND table = '{data_type}' AND partition_id = '{partition_id(day)}'"
        )
        return int(self._engine.rows(query)[0][0])

    def record(self, data_type: str, day: date, parts: dict[str, Fingerprint], size: int, seconds: float) -> None:
        """Say in ``archive_status`` what was archived, each exchange by itself; a day that was dropped stays that.

        An exchange of which hot has nothing for cold any more (files gave its symbol-days since) gets a row of 0.
        """
        parts = {**dict.fromkeys(self.recorded(data_type, day), Fingerprint()), **parts}
        if not parts:
            return
        dropped = str(self.was_dropped(data_type, day)).lower()
        rows = ", ".join(f"('{exchange}', {part.rows}, {part.hash})" for exchange, part in sorted(parts.items()))
        self._engine.run(
            f"INSERT INTO {STATUS} (archive_date, data_type, exchange, records_archived, archive_size_bytes, "
            f"archive_duration_seconds, content_hash, verified, hot_dropped, archived_at) "
            f"SELECT '{day}', '{data_type}', exchange, rows, {size}, {seconds:.3f}, hash, true, {dropped}, "
            f"{self._next(data_type, day)} "
            f"FROM values('exchange String, rows UInt64, hash UInt64', {rows})"
        )


class Archives(Protocol):
    """Who archives and drops table-days."""

    def archive(self, data_type: str, day: date) -> Archived:
        """Copy and verify."""

    def drop(self, data_type: str, day: date, after_days: int) -> Archived:
        """Drop what is verified and old enough."""


def stored_last(engine: Engine, data_type: str, day: date) -> datetime | None:
    """When the newest hot row of a table-day was stored; None when hot has none of it."""
    query = f"SELECT count(), toUnixTimestamp(max(created_at)) FROM {HOT}.{data_type} WHERE {partitions([day])}"
    rows, newest = engine.rows(query)[0]
    return datetime.fromtimestamp(int(newest), UTC) if rows else None


def run_archive(
    engine: Engine,
    now: datetime,
    days: Sequence[date],
    tables: Sequence[str],
    *,
    drop_after: int | None,
    quiet: timedelta = timedelta(0),
    to: Archives | None = None,
    told: Callable[[Archived], None] = lambda _: None,
) -> list[Archived]:
    """Archive the given days (none given: every closed hot day), then drop what may go when ``drop_after`` is given.

    A day of which a row was stored less than ``quiet`` ago is left for later: a replay of an old day is at work on it.
    ``to``: who archives instead of this server into itself. ``told`` hears of each table-day as it is done.
    Raises DayError in the end when some failed; the others are done.
    """
    archivist = to or Archivist(engine, now)
    results: list[Archived] = []
    failed: list[str] = []

    def add(result: Archived) -> None:
        results.append(result)
        told(result)

    for data_type in tables or TABLES:
        with lock(engine, "install"):
            drop_holds(engine, f"{HOT}.{data_type}")  # of a job that was killed
        present = hot_days(engine, data_type)
        for day in present:
            if (days and day not in days) or (not days and not is_closed(day, now)):
                continue
            newest = stored_last(engine, data_type, day)
            if quiet and newest is not None and now - newest < quiet:
                add(Archived(data_type, day, "kept", why=f"rows of it were stored at {newest:%H:%M:%S}"))
                continue
            try:
                add(archivist.archive(data_type, day))
                logger.info("archived", extra={"data_type": data_type, "day": str(day), "state": results[-1].state})
                if drop_after is not None:
                    add(archivist.drop(data_type, day, drop_after))
            except LockHeld:
                raise  # each of the others would wait as long
            except DayError as error:
                logger.error("not archived", extra={"data_type": data_type, "day": str(day), "error": str(error)})
                failed.append(f"{data_type} of {day}: {error}")
    if failed:
        raise DayError(f"{len(failed)} table-days failed, the others are done; first: {failed[0]}")
    return results
