"""The features view: what the catalogue says of a feature, its SQL and lineage, its values, distribution and drift."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import msgspec

from marketprism.catalogue import Feature, features, lineage
from marketprism.clickhouse import FEATURES
from marketprism.migrate import shipped
from marketprism.sqlfiles import parse_header
from monitors.web.endpoints import Refused
from monitors.web.reading import Reader

_TIMES: Final = ("bucket_ts_end", "ts_1m", "ts_1s", "timestamp", "at", "run_ts", "available_at")
_NUMBER: Final = re.compile(r"(?:Nullable\()?(?:U?Int\d+|Float\d+|Decimal\(\d+, \d+\))\)?")
_WINDOW_S: Final = 6 * 3600
_SLICES: Final = 24
_KEYS: Final = {"exchange", "market_type", "symbol"}


class Listed(msgspec.Struct, kw_only=True):
    """One line of the catalogue."""

    name: str
    comment: str
    purpose: str
    grain: str
    freshness: str
    lookahead: str
    columns: list[str]


class ColumnInfo(msgspec.Struct, kw_only=True):
    """A column; ``numeric``: its values can be shown."""

    name: str
    type: str
    comment: str
    numeric: bool


class Described(msgspec.Struct, kw_only=True):
    """Everything the catalogue knows. ``edges``: (input, object) pairs of its lineage, up and down."""

    name: str
    comment: str
    purpose: str
    grain: str
    inputs: list[str]
    time: str
    freshness: str
    lookahead: str
    source: str
    columns: list[ColumnInfo]
    sql: str
    edges: list[tuple[str, str]]


class FeatureAsked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A feature by ``database.object`` or its short name."""

    name: str


class ValuesAsked(FeatureAsked, kw_only=True):
    """One numeric column of it."""

    column: str


class Slice(msgspec.Struct, kw_only=True):
    """A quarter of an hour of values: the 10, 50 and 90 % quantiles of ``n``."""

    at_ms: int
    n: int
    p10: float | None
    p50: float | None
    p90: float | None


class SymbolValues(msgspec.Struct, kw_only=True):
    """``bins``: (low, high, height) of the histogram. ``shift``: newest median against the window's, in p90 − p10.

    ``psi`` and ``level`` are of the last `marketprism drift` of a day; null before the first.
    """

    exchange: str
    market_type: str
    symbol: str
    value: float | None
    at_ms: int
    n: int
    p10: float | None
    p50: float | None
    p90: float | None
    bins: list[tuple[float, float, float]]
    slices: list[Slice]
    shift: float | None
    psi: float | None = None
    level: str = ""


class Values(msgspec.Struct, kw_only=True):
    """Values of the six hours up to the newest trade; ``sql`` is what was asked."""

    sql: str
    window_s: int
    symbols: list[SymbolValues]


class Example(msgspec.Struct, kw_only=True):
    """A query of the tree."""

    name: str
    purpose: str
    grain: str
    sql: str


@cache
def _catalogue() -> dict[str, Feature]:
    return {each.name: each for each in features()}


def find(name: str) -> Feature:
    """Raises Refused 404."""
    listed = _catalogue()
    for known in (name, f"{FEATURES}.{name}"):
        if known in listed:
            return listed[known]
    raise Refused(404, f"no feature {name[:80]!r}")


def listed() -> list[Listed]:
    """The whole catalogue, in the order of its making."""
    return [
        Listed(
            name=each.name, comment=each.comment, purpose=each.header.purpose, grain=each.header.grain,
            freshness=each.header.freshness, lookahead=each.header.lookahead,
            columns=[column.name for column in each.columns],
        )
        for each in _catalogue().values()
    ]  # fmt: skip


def described(name: str) -> Described:
    """One feature whole. Raises Refused 404."""
    each = find(name)
    header = each.header
    path = shipped("sql") / "schema" / f"{each.name}.sql"
    return Described(
        name=each.name, comment=each.comment, purpose=header.purpose, grain=header.grain, inputs=list(header.inputs),
        time=header.time, freshness=header.freshness, lookahead=header.lookahead, source=header.source,
        columns=[
            ColumnInfo(name=c.name, type=c.type, comment=c.comment, numeric=_numeric(c.name, c.type))
            for c in each.columns
        ],
        sql=path.read_text(encoding="utf-8"),
        edges=around(each.name, lineage(_catalogue().values())),
    )  # fmt: skip


def _numeric(name: str, kind: str) -> bool:
    return name not in _KEYS and _NUMBER.fullmatch(kind) is not None


def around(name: str, edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The edges by which ``name`` is reached from its sources, and those to what reads it directly."""
    above: dict[str, list[tuple[str, str]]] = {}
    for edge in edges:
        above.setdefault(edge[1], []).append(edge)
    seen, waiting, kept = {name}, [name], [edge for edge in edges if edge[0] == name]
    while waiting:
        for edge in above.get(waiting.pop(), []):
            if edge not in kept:
                kept.append(edge)
            if edge[0] not in seen:
                seen.add(edge[0])
                waiting.append(edge[0])
    return kept


def values_sql(each: Feature, column: str) -> str:
    """The statement behind ``values``: names are those of the catalogue, the moment is a parameter."""
    names = {c.name: c.type for c in each.columns}
    time = each.header.time if each.header.time in names else next((t for t in _TIMES if t in names), "")
    if not time or not names.keys() >= _KEYS:
        raise Refused(422, f"{each.name} has no time column of symbols; read it in the SQL view")
    if column not in names or not _numeric(column, names[column]):
        raise Refused(404, f"{each.name} has no numeric column {column[:60]!r}")
    moment = "toDateTime64({until:String}, 3, 'UTC')"
    return f"""
SELECT toString(exchange) AS exchange_, toString(market_type) AS market_, toString(symbol) AS symbol_, slice,
       grouping(slice) AS whole, argMax(tuple(v), t).1 AS value, toUnixTimestamp64Milli(max(t)) AS at_ms, count(v) AS n,
       quantiles(0.1, 0.5, 0.9)(v) AS quantiles, if(whole = 1, histogram(24)(assumeNotNull(v)), []) AS bins
FROM (
    SELECT exchange, market_type, symbol, toDateTime64(`{time}`, 3, 'UTC') AS t, toFloat64(`{column}`) AS v,
           toUnixTimestamp(toStartOfInterval(toDateTime(t), INTERVAL {_WINDOW_S // _SLICES} SECOND)) AS slice
    FROM {each.name}
    WHERE `{time}` > {moment} - INTERVAL {_WINDOW_S} SECOND AND `{time}` <= {moment} + INTERVAL 60 SECOND
)
WHERE v IS NOT NULL AND isFinite(v)
GROUP BY GROUPING SETS ((exchange, market_type, symbol), (exchange, market_type, symbol, slice))
ORDER BY exchange_, market_, symbol_, whole DESC, slice
LIMIT 20000"""


_DRIFT: Final = f"""
SELECT toString(exchange) AS exchange_, toString(market_type) AS market_, toString(symbol) AS symbol_,
       argMax(tuple(psi), measured_at).1 AS psi, toString(argMax(level, measured_at)) AS level
FROM {FEATURES}.feature_drift
WHERE object = {{object:String}} AND feature = {{feature:String}} AND period = 'day'
GROUP BY exchange_, market_, symbol_"""
_UNTIL: Final = f"SELECT toString(max(ts_1m) + 60) AS until FROM {FEATURES}.trades_1m_state"


async def values(reader: Reader, asked: ValuesAsked) -> Values:
    """Newest value, distribution and drift by symbol. Raises Refused for an unknown feature or column."""
    sql = values_sql(find(asked.name), asked.column)
    until = str((await reader.rows(_UNTIL))[0]["until"])
    found: dict[tuple[str, str, str], SymbolValues] = {}
    for row in await reader.rows(sql, until=until):
        key = (row["exchange_"], row["market_"], row["symbol_"])
        p10, p50, p90 = row["quantiles"]
        if row["whole"]:
            found[key] = SymbolValues(
                exchange=key[0], market_type=key[1], symbol=key[2], value=row["value"], at_ms=row["at_ms"],
                n=row["n"], p10=p10, p50=p50, p90=p90, bins=row["bins"], slices=[], shift=None,
            )  # fmt: skip
        else:
            at = 1000 * int(row["slice"])
            found[key].slices.append(Slice(at_ms=at, n=row["n"], p10=p10, p50=p50, p90=p90))
    drifted = await reader.rows(_DRIFT, object=find(asked.name).name.split(".")[1], feature=asked.column)
    for row in drifted:
        known = found.get((row["exchange_"], row["market_"], row["symbol_"]))
        if known is not None:
            known.psi, known.level = row["psi"], row["level"]
    for each in found.values():
        each.shift = _shift(each)
    return Values(
        sql=sql.replace("{until:String}", f"'{until}'").strip(), window_s=_WINDOW_S, symbols=list(found.values())
    )


def _shift(each: SymbolValues) -> float | None:
    """How far the newest slice's median lies from that of the slices before, in widths of the window."""
    if len(each.slices) < 2 or each.p10 is None or each.p90 is None or each.p90 <= each.p10:
        return None
    before = sorted(s.p50 for s in each.slices[:-1] if s.p50 is not None)
    newest = each.slices[-1].p50
    return None if newest is None or not before else (newest - before[len(before) // 2]) / (each.p90 - each.p10)


@cache
def examples() -> list[Example]:
    """The queries of ``sql/queries``, without their headers."""
    found = []
    for path in sorted((shipped("sql") / "queries").glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        header = parse_header(text, path.name)
        lines = [line for line in text.splitlines() if not line.startswith("-- ")]
        found.append(
            Example(name=header.name, purpose=header.purpose, grain=header.grain, sql="\n".join(lines).strip())
        )
    return found


_SCHEMA: Final = """
SELECT database, table, groupArray((name, type, comment)) AS columns
FROM (SELECT database, table, name, type, comment FROM system.columns
      WHERE startsWith(database, 'marketprism_') AND NOT endsWith(table, '_mv') ORDER BY database, table, position)
GROUP BY database, table ORDER BY database, table"""


class SchemaTable(msgspec.Struct, kw_only=True):
    """A table or view; ``columns``: (name, type, meaning)."""

    name: str
    columns: list[tuple[str, str, str]]


async def schema(reader: Reader) -> list[SchemaTable]:
    """What the editor completes."""
    rows: list[dict[str, Any]] = await reader.rows(_SCHEMA)
    return [SchemaTable(name=f"{row['database']}.{row['table']}", columns=row["columns"]) for row in rows]
