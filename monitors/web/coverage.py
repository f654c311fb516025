"""The coverage view: symbol × day from what is stored, the gaps, and the status of archive and installs."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from marketprism.clickhouse import COLD, FEATURES
from monitors.web.endpoints import Refused
from monitors.web.reading import Reader, Value
from monitors.web.symbol import KEY, Symbol

_MAX_DAYS: Final = 400


class CoverageAsked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``days`` days up to ``until`` (YYYY-MM-DD; empty = the newest day that has data)."""

    days: int = 35
    until: str = ""


class Day(msgspec.Struct, kw_only=True):
    """One symbol and UTC day. ``minutes``: of 1440, those with trades; ``holes``: unrepaired, ``hole_s`` long."""

    exchange: str
    market_type: str
    symbol: str
    day: str
    minutes: int
    trades: int
    holes: int = 0
    repaired: int = 0
    hole_s: float = 0.0
    missing: int = 0


class DayStatus(msgspec.Struct, kw_only=True):
    """What the archive (of trades) and the installs say of a day: the same for every symbol of an exchange."""

    day: str
    exchange: str
    state: str
    text: str


class Coverage(msgspec.Struct, kw_only=True):
    """``first`` and ``last``: the days shown, YYYY-MM-DD."""

    first: str
    last: str
    days: list[Day]
    status: list[DayStatus]


class DayAsked(Symbol, kw_only=True):
    """A day of a symbol, YYYY-MM-DD."""

    day: str


class Hole(msgspec.Struct, kw_only=True):
    """A row of gaps: what is missing, since when, and whether it has come since."""

    of_type: str
    from_ms: int
    to_ms: int
    from_sequence: int
    to_sequence: int
    cause: str
    repaired: bool


class DayDetail(msgspec.Struct, kw_only=True):
    """``minutes``: trades of each of the 1440 minutes; ``files``: archive files that touch the day."""

    minutes: list[int]
    holes: list[Hole]
    status: list[dict[str, Any]]
    files: list[dict[str, Any]]


_LAST: Final = f"SELECT toString(toDate(max(ts_1m))) AS day FROM {FEATURES}.trades_1m_state"
_DAYS: Final = f"""
SELECT toString(exchange) AS exchange, toString(market_type) AS market_type, toString(symbol) AS symbol,
       toString(toDate(ts_1m)) AS day, uniqExact(ts_1m) AS minutes, toUInt64(sum(trades)) AS trades
FROM {FEATURES}.trades_1m_state
WHERE toDate(ts_1m) BETWEEN toDate({{last:String}}) - {{days:UInt32}} + 1 AND toDate({{last:String}})
GROUP BY exchange, market_type, symbol, day ORDER BY exchange, market_type, symbol, day"""
_HOLES: Final = f"""
SELECT exchange, market_type, symbol, day, countIf(NOT is_repaired) AS holes, countIf(is_repaired) AS repaired,
       sumIf(length_ms, NOT is_repaired) / 1000 AS hole_s, toUInt64(sumIf(rows, NOT is_repaired)) AS missing
FROM (
    SELECT toString(exchange) AS exchange, toString(market_type) AS market_type, toString(symbol) AS symbol,
           toString(toDate(min(g.from_time))) AS day, max(g.repaired) AS is_repaired,
           dateDiff('millisecond', min(g.from_time), max(g.to_time)) AS length_ms,
           if(any(g.of_type) = 'trades', to_sequence - from_sequence + 1, 0) AS rows
    FROM {FEATURES}.all_gaps AS g
    WHERE toDate(g.timestamp) BETWEEN toDate({{last:String}}) - {{days:UInt32}} + 1 AND toDate({{last:String}})
    GROUP BY g.exchange, g.market_type, g.symbol, g.of_type, from_sequence, to_sequence
)
GROUP BY exchange, market_type, symbol, day"""
_ARCHIVE: Final = f"""
SELECT toString(archive_date) AS day, toString(exchange) AS exchange,
       if(minIf(verified, data_type = 'trades'), 'archived', 'unverified') AS state,
       concat(toString(count()), ' types archived, ', toString(sum(records_archived)), ' rows',
              if(min(hot_dropped), ', hot dropped', '')) AS text
FROM {COLD}.archive_status FINAL
WHERE archive_date BETWEEN toDate({{last:String}}) - {{days:UInt32}} + 1 AND toDate({{last:String}})
GROUP BY archive_date, exchange HAVING countIf(data_type = 'trades') > 0"""
_INSTALLS: Final = f"""
SELECT toString(i.day) AS day, '' AS exchange, toString(argMax(i.state, i.changed_at)) AS state,
       concat('day installed by ', toString(argMax(i.cause, i.changed_at)),
              ', generation ', toString(max(i.generation))) AS text
FROM {COLD}.day_generation AS i FINAL
WHERE i.day BETWEEN toDate({{last:String}}) - {{days:UInt32}} + 1 AND toDate({{last:String}})
GROUP BY i.day"""
_MINUTES: Final = f"""
SELECT toHour(ts_1m) * 60 + toMinute(ts_1m) AS minute, toUInt64(sum(trades)) AS trades
FROM {FEATURES}.trades_1m_state WHERE {KEY} AND toDate(ts_1m) = toDate({{day:String}}) GROUP BY minute"""
_DAY_HOLES: Final = f"""
SELECT toString(of_type) AS of_type, toUnixTimestamp64Milli(min(g.from_time)) AS from_ms,
       toUnixTimestamp64Milli(max(g.to_time)) AS to_ms, from_sequence, to_sequence,
       toString(any(g.cause)) AS cause, toBool(max(g.repaired)) AS repaired
FROM {FEATURES}.all_gaps AS g
WHERE {KEY} AND toDate(g.from_time) <= toDate({{day:String}}) AND toDate(g.to_time) >= toDate({{day:String}})
GROUP BY of_type, from_sequence, to_sequence ORDER BY from_ms LIMIT 1000"""
_DAY_STATUS: Final = f"""
SELECT toString(data_type) AS data_type, records_archived, verified, hot_dropped, toString(archived_at) AS archived_at
FROM {COLD}.archive_status FINAL
WHERE exchange = {{exchange:String}} AND archive_date = toDate({{day:String}}) ORDER BY data_type"""
_DAY_FILES: Final = f"""
SELECT path, toString(state) AS state, rows, missing_ids, note, error FROM {COLD}.archive_files FINAL
WHERE symbol = {{symbol:String}} AND startsWith({{day:String}}, period) ORDER BY path LIMIT 200"""


def _day(text: str) -> str:
    """Raises Refused for what is no day."""
    parts = text.split("-")
    if [len(part) for part in parts] != [4, 2, 2] or not all(part.isascii() and part.isdigit() for part in parts):
        raise Refused(400, f"{text[:40]!r} is no day; write it as 2026-11-21")
    return text


async def coverage(reader: Reader, asked: CoverageAsked) -> Coverage:
    """Days with data and their holes; a symbol without a row on a day has no data there."""
    if not 1 <= asked.days <= _MAX_DAYS:
        raise Refused(400, f"days={asked.days}: give 1 to {_MAX_DAYS}")
    last = _day(asked.until) if asked.until else str((await reader.rows(_LAST))[0]["day"])
    where: dict[str, Value] = {"last": last, "days": asked.days}
    days, holes, archive, installs, first = await asyncio.gather(
        reader.rows(_DAYS, **where),
        reader.rows(_HOLES, **where),
        reader.rows(_ARCHIVE, **where),
        reader.rows(_INSTALLS, **where),
        reader.rows("SELECT toString(toDate({last:String}) - {days:UInt32} + 1) AS day", **where),
    )
    found = {_key(row): Day(**row) for row in days}
    for row in holes:
        day = found.setdefault(_key(row), Day(**{n: row[n] for n in _KEY}, minutes=0, trades=0))
        day.holes, day.repaired, day.hole_s, day.missing = row["holes"], row["repaired"], row["hole_s"], row["missing"]
    return Coverage(
        first=first[0]["day"],
        last=last,
        days=sorted(found.values(), key=lambda day: (day.exchange, day.market_type, day.symbol, day.day)),
        status=[DayStatus(**row) for row in [*archive, *installs]],
    )


_KEY: Final = ("exchange", "market_type", "symbol", "day")


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEY)


async def day_detail(reader: Reader, asked: DayAsked) -> DayDetail:
    """One day of a symbol, minute by minute, with its holes."""
    where: dict[str, Value] = {**asked.key, "day": _day(asked.day)}
    counted, holes, status, files = await asyncio.gather(
        reader.rows(_MINUTES, **where),
        reader.rows(_DAY_HOLES, **where),
        reader.rows(_DAY_STATUS, exchange=asked.exchange, day=asked.day),
        reader.rows(_DAY_FILES, symbol=asked.symbol, day=asked.day),
    )
    minutes = [0] * 1440
    for row in counted:
        minutes[row["minute"]] = row["trades"]
    return DayDetail(minutes=minutes, holes=[Hole(**row) for row in holes], status=status, files=files)
