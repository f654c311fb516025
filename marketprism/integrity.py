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

_SETTLED: Final = "stored_at < toDateTime64({now_s:UInt32}, 6, 'UTC') - INTERVAL 1 MINUTE"
"""An insert fills a table and its views one after another: an open day's last minute is on its way."""

BUCKETS: Final = f"""
SELECT {_KEY}, sum(t), sum(v), sum(bt), sum(bv), countIf(bt > 0), maxIf(bucket_id, bt > 0) % 1000000,
       countIf((t != bt OR v != bv) AND {_SETTLED}) FROM (
    SELECT {_KEY}, bucket_id, sum(trades) AS t, sum(volume) AS v, sum(flow_trades) AS bt, sum(flow_volume) AS bv,
           max(stored) AS stored_at FROM (
        SELECT {_KEY}, bucket_id, count() AS trades, sum(quantity) AS volume, toUInt64(0) AS flow_trades,
               toDecimal128(0, 12) AS flow_volume, max(created_at) AS stored
        FROM {FEATURES}.all_trades WHERE {_DAY} AND bucket_id != 0 GROUP BY {_KEY}, bucket_id
        UNION ALL
        SELECT {_KEY}, f.bucket_id AS bucket_id, toUInt64(0), toDecimal128(0, 12), sum(f.trades), sum(f.vol),
               toDateTime64(max(f.last_ts), 6, 'UTC')
        FROM {FEATURES}.bucket_flow AS f WHERE {_BUCKETS} GROUP BY {_KEY}, bucket_id
    ) GROUP BY {_KEY}, bucket_id
) GROUP BY {_KEY} ORDER BY {_KEY}"""

MINUTES: Final = f"""
SELECT {_KEY}, sum(bv), sum(mv), countIf(tv != mv AND {_SETTLED}) FROM (
    SELECT {_KEY}, minute, sum(flow) AS bv, sum(volume) AS tv, sum(state) AS mv, max(stored) AS stored_at FROM (
        SELECT {_KEY}, toDateTime(0, 'UTC') AS minute, sum(f.vol) AS flow, toDecimal128(0, 12) AS volume,
               toDecimal128(0, 12) AS state, toDateTime64(0, 6, 'UTC') AS stored
        FROM {FEATURES}.bucket_flow AS f WHERE {_BUCKETS} GROUP BY {_KEY}
        UNION ALL
        SELECT {_KEY}, toStartOfMinute(toDateTime(timestamp, 'UTC')) AS minute, toDecimal128(0, 12), sum(quantity),
               toDecimal128(0, 12), max(created_at)
        FROM {FEATURES}.all_trades WHERE {_DAY} AND bucket_id != 0 GROUP BY {_KEY}, minute
        UNION ALL
        SELECT {_KEY}, m.ts_1m AS minute, toDecimal128(0, 12), toDecimal128(0, 12), sum(m.vol),
               toDateTime64(m.ts_1m + INTERVAL 1 MINUTE, 6, 'UTC')
        FROM {FEATURES}.trades_1m_state AS m WHERE toDate(m.ts_1m) = {{day:Date}} GROUP BY {_KEY}, minute
    ) GROUP BY {_KEY}, minute
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


def integrity(client: Any, day: dt.date, now: dt.datetime | None = None) -> list[Line]:
    """Every check of the UTC day, symbol by symbol; one line that says so when there is nothing.

    While a day is open, its last minute may disagree between tables: an insert under way is no damage.
    """

    now = now or dt.datetime.now(dt.UTC)

    def rows(query: str) -> Sequence[tuple[Any, ...]]:
        parameters = {"day": day, "now_s": int(now.timestamp())}
        return list(client.query(query, parameters=parameters).result_rows)

    is_open = day >= now.date()
    compared = [*_buckets(rows, is_open), *_minutes(rows, is_open)]
    lines = [*_ids(rows), *_archive(rows), *compared, *_tiers(rows), *_books(rows)]
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


def _buckets(rows: Rows, is_open: bool) -> Iterable[Line]:
    advice = _rebuild(is_open) + "; then look again"
    for *key, trades, volume, bucket_trades, bucket_volume, buckets, highest, settled in rows(BUCKETS):
        differs = trades != bucket_trades or volume != bucket_volume
        wrong = (differs and (settled > 0 or not is_open)) or buckets != highest
        found = f"{trades} trades, {volume} base units; {buckets} buckets up to {highest}"
        if wrong:
            found += f" with {bucket_trades} trades, {bucket_volume} base units"
        yield _line("buckets", key, wrong, found, advice)


def _minutes(rows: Rows, is_open: bool) -> Iterable[Line]:
    for *key, buckets, minutes, settled in rows(MINUTES):
        found = f"{buckets} base units in buckets, {minutes} in minutes"
        wrong = buckets != minutes and (settled > 0 or not is_open)
        yield _line("minutes", key, wrong, found, _rebuild(is_open))


def _rebuild(is_open: bool) -> str:
    """An open day cannot be rebuilt yet."""
    return f"`marketprism buckets rebuild` of the day{', once it is closed' if is_open else ''}"


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
