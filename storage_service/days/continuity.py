"""Holes in the ids of loaded trades, as rows of ``marketprism_cold.gaps``: found in what is installed, by id.

A hole lies on the day of the first trade after it. Days are looked at together with the nearest that files gave, so
that a hole between two files is found whichever of them came first, and one that a later file closed goes. What lies
further apart than ``_REACH`` needs no row: a bucket before which nothing is stored for so long says ``gap`` by itself.

What the live service told of a day ends with its rows: where files gave all days that its hole is in, the hole is
repaired, and those of the files stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Final

from marketprism.clickhouse import COLD, HOT
from storage_service.allowed import FROM_FILES
from storage_service.days.content import Fingerprint, columns_of, row_hash
from storage_service.days.engine import Engine
from storage_service.days.install import COMPUTED, Installer, Source, Symbol, partitions, quoted, same_symbol
from storage_service.days.vision import days_between

_MISSING: Final = "sum(to_sequence - from_sequence + 1)"
_REACH: Final = timedelta(days=7)


def refresh_gaps(engine: Engine, symbol: Symbol, days: Sequence[date]) -> int:
    """Install the gaps of these days and of the next one after them anew; how many sequences are missing."""
    first, last = min(days), max(days)
    held = sorted(_stored(engine, symbol, days_between(first - _REACH, last + _REACH), COLD, FROM_FILES))
    before = [day for day in held if day < first][-1:]
    told = [*days_between(first, last), *[day for day in held if day > last][:1]]
    window = [*before, *told]
    where = f"{partitions(window)} AND {same_symbol(symbol)} AND {FROM_FILES}"
    count, lowest, highest = engine.rows(
        f"SELECT count(), min(sequence), max(sequence) FROM {COLD}.trades WHERE {where}"
    )[0]
    archived = f"of_type = 'trades' AND {FROM_FILES}"
    known = engine.rows(
        f"SELECT count() FROM {COLD}.gaps WHERE {partitions(told)} AND {same_symbol(symbol)} AND {archived}"
    )[0][0]
    whole = not count or int(highest) - int(lowest) + 1 == int(count)
    ended = _ended_live(engine, symbol, told, held, always=not whole)
    if whole and not known and not ended:
        return 0
    others = set(days_between(window[0], window[-1])) - set(held)
    live = _stored(engine, symbol, others, HOT) | _stored(engine, symbol, others, COLD)
    select = _holes(symbol, where, told, live)
    of_live = 0
    if ended:
        of_live = engine.rows(f"SELECT {_MISSING} FROM ({ended})")[0][0]
        select = f"{select} UNION ALL {ended}"
    columns = {name: kind for name, kind in columns_of(engine, f"{COLD}.gaps").items() if name not in COMPUTED}
    rows, total, missing = engine.rows(f"SELECT count(), sum({row_hash(columns)}), {_MISSING} FROM ({select})")[0]
    source = Source(symbol, frozenset(told), select, archived, Fingerprint(int(rows), int(total)))
    Installer(engine, "gaps", cause="history").install([source], told)
    return int(missing) - int(of_live)


def _stored(engine: Engine, symbol: Symbol, days: Iterable[date], database: str, rows: str = "true") -> set[date]:
    """Those of these days on which the database has trades of the symbol that the condition is true of."""
    if not (days := list(days)):
        return set()
    found = engine.rows(
        f"SELECT DISTINCT toDate(_partition_id) FROM {database}.trades "
        f"WHERE {partitions(days)} AND {same_symbol(symbol)} AND {rows}"
    )
    return {day for (day,) in found}


def _dates(days: Iterable[date]) -> str:
    return "[" + ", ".join(f"toDate('{day}')" for day in days) + "]::Array(Date)"


def _holes(symbol: Symbol, where: str, days: Sequence[date], live: Iterable[date]) -> str:
    """SELECT of the holes that end on these days. Who was live on a day between two files tells its holes itself."""
    exchange, market_type, name = (quoted(part) for part in symbol)
    shown = ", ".join(f"'{day}'" for day in days)
    return (
        f"SELECT time AS timestamp, received AS received_at, {exchange} AS exchange, {market_type} AS market_type, "
        f"{name} AS symbol, id AS sequence, origin AS data_source, 'trades' AS of_type, "
        "before_id + 1 AS from_sequence, toUInt64(id - 1) AS to_sequence, before_time AS from_time, time AS to_time, "
        "'sequence' AS cause, false AS repaired, toUInt64(0) AS stream_seq "
        "FROM (SELECT timestamp AS time, received_at AS received, t.data_source AS origin, t.sequence AS id, "
        "lagInFrame(t.sequence, 1, t.sequence) OVER by_id AS before_id, "
        "lagInFrame(t.timestamp, 1, t.timestamp) OVER by_id AS before_time "
        f"FROM {COLD}.trades AS t WHERE {where} "
        "WINDOW by_id AS (ORDER BY t.sequence ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)) "
        f"WHERE id > before_id + 1 AND toDate(time) IN ({shown}) "
        f"AND NOT arrayExists(day -> day > toDate(before_time) AND day < toDate(time), {_dates(live)})"
    )


def _ended_live(engine: Engine, symbol: Symbol, days: Sequence[date], held: Sequence[date], *, always: bool) -> str:
    """SELECT of the holes in trades that were told live on these days, when files end one of them; else empty.

    It has all of them, each once: a day that cold has rows of hides what hot says of it. For the same reason they are
    needed ``always`` when files may have holes of their own. A hole is ``repaired``, too, when files gave what is read
    of all its days: cold has rows of them, and none that came live.
    """
    exchange, market_type, name = (quoted(part) for part in symbol)
    where = f"{partitions(days)} AND {same_symbol(symbol)} AND of_type = 'trades' AND NOT ({FROM_FILES})"
    told = f"(SELECT * FROM {HOT}.gaps WHERE {where} UNION ALL SELECT * FROM {COLD}.gaps WHERE {where}) AS g"
    if not held or not engine.rows(f"SELECT count() FROM {told}")[0][0]:
        return ""
    given = _dates(set(held) - _stored(engine, symbol, held, COLD, f"NOT ({FROM_FILES})"))
    select = (
        f"SELECT min(g.timestamp) AS timestamp, min(g.received_at) AS received_at, {exchange} AS exchange, "
        f"{market_type} AS market_type, {name} AS symbol, min(g.sequence) AS sequence, 'archive' AS data_source, "
        "'trades' AS of_type, g.from_sequence AS from_sequence, g.to_sequence AS to_sequence, "
        "min(g.from_time) AS from_time, max(g.to_time) AS to_time, min(g.cause) AS cause, "
        "max(g.repaired) AS was_repaired, toBool(was_repaired OR arrayAll(n -> has("
        f"{given}, toDate(from_time) + n), range(toUInt64(dateDiff('day', from_time, to_time) + 1)))) AS repaired, "
        f"toUInt64(0) AS stream_seq FROM {told} GROUP BY g.from_sequence, g.to_sequence"
    )
    ends = always or engine.rows(f"SELECT countIf(repaired > was_repaired) FROM ({select})")[0][0]
    return f"SELECT * EXCEPT was_repaired FROM ({select})" if ends else ""
