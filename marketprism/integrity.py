"""``marketprism integrity``: one day end to end: exchange ids ↔ trades ↔ buckets ↔ minutes, hot ↔ cold, books in order.

Each check is one SELECT with a row per (exchange, market_type, symbol); what it found becomes a line with a verdict.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from marketprism.clickhouse import COLD, FEATURES, HOT
from marketprism.doctor import Verdict

SPARSE: Final = frozenset({"bybit"})
"""Exchanges whose trade ids have holes of their own: a jump says nothing there."""
_DAY: Final = "timestamp >= toDateTime64({day:Date}, 3, 'UTC') AND timestamp < toDateTime64({day:Date} + 1, 3, 'UTC')"
_BUCKETS: Final = "intDiv(f.bucket_id, 1000000) = toYYYYMMDD({day:Date})"
_KEY: Final = "exchange, market_type, symbol"

IDS: Final = f"""
SELECT {_KEY}, trade_kind, count(), uniqExact(sequence), min(sequence), max(sequence), countIf(late)
FROM {FEATURES}.all_trades WHERE {_DAY} GROUP BY {_KEY}, trade_kind ORDER BY {_KEY}, trade_kind"""

TOLD: Final = f"""
SELECT {_KEY}, sum(to_sequence - from_sequence + 1) FROM (
    SELECT {_KEY}, from_sequence, to_sequence FROM {FEATURES}.all_gaps
    WHERE of_type = 'trades' AND {_DAY} GROUP BY {_KEY}, from_sequence, to_sequence HAVING NOT max(repaired)
) GROUP BY {_KEY}"""

ARCHIVE: Final = f"""
SELECT exchange, market_type, symbol, sum(rows), sum(missing_ids) FROM {COLD}.archive_files FINAL
WHERE state = 'installed' AND file_type IN ('trades', 'aggTrades') AND period = toString({{day:Date}})
GROUP BY {_KEY}"""

BUCKETS: Final = f"""
SELECT {_KEY}, sum(t), sum(v), sum(bt), sum(bv), sum(buckets), sum(highest) FROM (
    SELECT {_KEY}, count() AS t, sum(quantity) AS v, toUInt64(0) AS bt, toDecimal128(0, 12) AS bv,
           toUInt64(0) AS buckets, toUInt64(0) AS highest
    FROM {FEATURES}.all_trades WHERE {_DAY} AND bucket_id != 0 GROUP BY {_KEY}
    UNION ALL
    SELECT {_KEY}, toUInt64(0), toDecimal128(0, 12), sum(f.trades), sum(f.vol), uniqExact(f.bucket_id),
           max(f.bucket_id) % 1000000
    FROM {FEATURES}.bucket_flow AS f WHERE {_BUCKETS} GROUP BY {_KEY}
) GROUP BY {_KEY} ORDER BY {_KEY}"""

MINUTES: Final = f"""
SELECT {_KEY}, sum(bv), sum(mv) FROM (
    SELECT {_KEY}, sum(f.vol) AS bv, toDecimal128(0, 12) AS mv FROM {FEATURES}.bucket_flow AS f
    WHERE {_BUCKETS} GROUP BY {_KEY}
    UNION ALL
    SELECT {_KEY}, toDecimal128(0, 12), sum(m.vol) FROM {FEATURES}.trades_1m_state AS m
    WHERE toDate(m.ts_1m) = {{day:Date}} GROUP BY {_KEY}
) GROUP BY {_KEY} ORDER BY {_KEY}"""

_CONTENT: Final = "cityHash64(trade_kind, sequence, timestamp, price, quantity, side, bucket_id)"
TIERS: Final = f"""
SELECT {_KEY}, sumIf(n, tier = 'hot'), sumIf(h, tier = 'hot'), sumIf(n, tier = 'cold'), sumIf(h, tier = 'cold') FROM (
    SELECT 'hot' AS tier, {_KEY}, count() AS n, sum({_CONTENT}) AS h FROM {HOT}.trades WHERE {_DAY} GROUP BY {_KEY}
    UNION ALL
    SELECT 'cold' AS tier, {_KEY}, count() AS n, sum({_CONTENT}) AS h FROM {COLD}.trades WHERE {_DAY} GROUP BY {_KEY}
) GROUP BY {_KEY} HAVING sumIf(n, tier = 'hot') > 0 AND sumIf(n, tier = 'cold') > 0 ORDER BY {_KEY}"""

BOOKS: Final = f"""
SELECT {_KEY}, count(), count() - uniqExact(sequence),
       countIf(best_bid_price >= best_ask_price AND best_bid_price > 0 AND best_ask_price > 0)
FROM {FEATURES}.all_orderbooks WHERE {_DAY} GROUP BY {_KEY} ORDER BY {_KEY}"""


class Line(msgspec.Struct, kw_only=True):
    """One check of one symbol. ``advice`` is empty when all is well."""

    check: str
    symbol: str
    verdict: Verdict
    found: str
    advice: str = ""


Rows = Callable[[str], Sequence[tuple[Any, ...]]]


def integrity(client: Any, day: dt.date) -> list[Line]:
    """Every check of the UTC day, symbol by symbol; one line that says so when there is nothing."""

    def rows(query: str) -> Sequence[tuple[Any, ...]]:
        return list(client.query(query, parameters={"day": day}).result_rows)

    lines = [*_ids(rows), *_archive(rows), *_buckets(rows), *_minutes(rows), *_tiers(rows), *_books(rows)]
    return lines or [
        Line(
            check="rows",
            symbol="",
            verdict=Verdict.WARN,
            found=f"no trade or book of {day}",
            advice="is it the right day? `marketprism status` shows what is stored",
        )
    ]


def _line(check: str, key: Iterable[Any], wrong: bool, found: str, advice: str) -> Line:
    verdict = Verdict.FAIL if wrong else Verdict.OK
    return Line(
        check=check, symbol=".".join(map(str, key)), verdict=verdict, found=found, advice=advice if wrong else ""
    )


def _ids(rows: Rows) -> Iterable[Line]:
    told = {row[:3]: int(row[3]) for row in rows(TOLD)}
    for *key, kind, count, unique, first, last, late in rows(IDS):
        doubled, absent = count - unique, last - first + 1 - unique
        known = told.get(tuple(key), 0)
        sparse = key[0] in SPARSE
        found = f"{count} of kind {kind}, ids {first}–{last}, {doubled} doubled, "
        found += "ids are sparse" if sparse else f"{absent} missing of which {min(absent, known)} told as gaps"
        found += f", {late} late" if late else ""
        untold = not sparse and absent > known
        advice = "stop a second storage service; then `marketprism buckets rebuild`" if doubled else ""
        advice = advice or "fill the hole: `marketprism backfill` once the archive has the day"
        yield _line("exchange ids", key, bool(doubled or untold), found, advice)


def _archive(rows: Rows) -> Iterable[Line]:
    files = {row[:3]: row[3:] for row in rows(ARCHIVE)}
    if not files:
        return
    stored: dict[tuple[Any, ...], int] = {}
    for *key, _kind, count, _unique, _first, _last, _late in rows(IDS):
        stored[tuple(key)] = stored.get(tuple(key), 0) + count
    for file, (rows_there, absent) in files.items():
        here = stored.get(file, 0)
        found = f"{rows_there} rows in the archive's files ({absent} ids missing there), {here} stored"
        advice = "load the day again: `marketprism backfill`"
        yield _line("archive file", file, here != rows_there, found, advice)


def _buckets(rows: Rows) -> Iterable[Line]:
    advice = "`marketprism buckets rebuild` of the day; then look again"
    for *key, trades, volume, bucket_trades, bucket_volume, buckets, highest in rows(BUCKETS):
        wrong = trades != bucket_trades or volume != bucket_volume or buckets != highest
        found = f"{trades} trades, {volume} base units; {buckets} buckets up to {highest}"
        if wrong:
            found += f" with {bucket_trades} trades, {bucket_volume} base units"
        yield _line("buckets", key, wrong, found, advice)


def _minutes(rows: Rows) -> Iterable[Line]:
    for *key, buckets, minutes in rows(MINUTES):
        found = f"{buckets} base units in buckets, {minutes} in minutes"
        yield _line("minutes", key, buckets != minutes, found, "`marketprism buckets rebuild` of the day")


def _tiers(rows: Rows) -> Iterable[Line]:
    for *key, hot, hot_hash, cold, cold_hash in rows(TIERS):
        found = f"{hot} trades in hot, {cold} in cold"
        advice = "`marketprism archive --day` again; an archive file that replaced live rows explains a difference"
        yield _line("hot and cold", key, (hot, hot_hash) != (cold, cold_hash), found, advice)


def _books(rows: Rows) -> Iterable[Line]:
    for *key, count, doubled, crossed in rows(BOOKS):
        found = f"{count} books, {doubled} doubled, {crossed} crossed or locked"
        advice = "exclude the interval by hand (excluded_by_hand) and see BooksCrossed in monitors/RUNBOOK.md"
        yield _line("books", key, bool(doubled or crossed), found, advice)


def render(lines: Sequence[Line]) -> str:
    """One line a check, and under each that is not well what to do."""
    width = max(len(line.check) for line in lines)
    wide = max(len(line.symbol) for line in lines)
    out = []
    for line in lines:
        out.append(f"{line.verdict.value:<4}  {line.check:<{width}}  {line.symbol:<{wide}}  {line.found}")
        if line.advice:
            out.append(f"      {'':<{width}}  {'':<{wide}}  → {line.advice}")
    return "\n".join(out)
