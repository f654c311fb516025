# ruff: noqa: E501 — planted statements stay on one line so that a reader sees them whole
"""Leaks that look backward by their condition and forward by their rows: each is caught, and its honest twin passes."""

from __future__ import annotations

import pytest

from marketprism.leaklint import lint_text
from tests.unit.leaklint.pairs import Pairs, hold

KEY = "exchange, market_type, symbol"
ON = "a.exchange = b.exchange AND a.market_type = b.market_type AND a.symbol = b.symbol"
DAYS = f"(SELECT {KEY}, toDate(ts_1m) AS day, max(high) AS top FROM trades_1m GROUP BY {KEY}, day)"
NUMBERED = (
    f"WITH n AS (SELECT {KEY}, close, row_number() OVER (PARTITION BY {KEY} ORDER BY ts_1m) AS rn FROM trades_1m)"
)
ORDERED = f"OVER (PARTITION BY {KEY} ORDER BY {{}} ROWS BETWEEN 5 PRECEDING AND CURRENT ROW)"


def _asof(condition: str, joined: str = "trades_1m", base: str = "flow_1s") -> str:
    return f"SELECT a.ts_1s, b.close FROM {base} AS a\nASOF LEFT JOIN {joined} AS b\nON {ON} AND {condition}"


def _join(condition: str, joined: str = "trades_1m", base: str = "flow_1s") -> str:
    return f"SELECT a.ts, b.close FROM {base} AS a\nINNER JOIN {joined} AS b\nON {ON} AND {condition}"


def _exploded(times: str, prices: str) -> str:
    days = f"(SELECT {KEY}, toDate(ts_1m) AS day, groupArray(ts_1m) AS ts, groupArray(close) AS p FROM trades_1m GROUP BY {KEY}, day)"
    return f"SELECT t, n FROM {days}\nARRAY JOIN {times} AS t, {prices} AS n"


def _minutes(item: str) -> str:
    return f"(SELECT {KEY}, {item} AS t, close FROM trades_1m)"


# rule, leak, honest twin
PAIRS: Pairs = {
    "as-of a minute's start": ("unfinished-period", _asof("b.ts_1m <= a.ts_1s"), _asof("b.available_at <= a.ts_1s")),
    "as-of strictly after its start": (
        "unfinished-period",
        _asof("b.ts_1m < a.ts_1s"),
        _asof("b.ts_1m + INTERVAL 1 MINUTE <= a.ts_1s"),
    ),
    "as-of half a minute in": (
        "unfinished-period",
        _asof("b.ts_1m + 30 <= a.ts_1s"),
        _asof("b.ts_1m <= a.ts_1s - toIntervalMinute(1)"),
    ),
    "as-of in milliseconds": (
        "unfinished-period",
        _asof("toUnixTimestamp64Milli(b.ts_1m) + 1000 <= toUnixTimestamp64Milli(a.timestamp)"),
        _asof("toUnixTimestamp64Milli(b.ts_1m) + 60000 <= toUnixTimestamp64Milli(a.timestamp)"),
    ),
    "as-of a renamed start": (
        "unfinished-period",
        _asof("b.t <= a.ts_1s", _minutes("ts_1m")),
        _asof("b.t <= a.ts_1s", _minutes("toDateTime64(ts_1m + 60, 6, 'UTC')")),
    ),
    "as-of USING a renamed start": (
        "unfinished-period",
        f"SELECT * FROM (SELECT *, ts_1s AS t FROM flow_1s) AS a ASOF JOIN {_minutes('ts_1m')} AS b USING ({KEY}, t)",
        f"SELECT * FROM (SELECT *, ts_1s AS t FROM flow_1s) AS a ASOF JOIN {_minutes('ts_1m + 60')} AS b USING ({KEY}, t)",
    ),
    "as-of a WITH": (
        "unfinished-period",
        f"WITH m AS {_minutes('ts_1m')} {_asof('b.t <= a.ts_1s', 'm')}",
        f"WITH m AS {_minutes('available_at')} {_asof('b.t <= a.ts_1s', 'm')}",
    ),
    "as-of a longer period": (
        "unfinished-period",
        _asof("b.ts_1m <= a.ts_1s"),
        _asof("b.ts_1s <= a.ts_1m", "flow_1s", "trades_1m"),
    ),
    "as-of a bucket's start": (
        "unfinished-period",
        _asof("b.bucket_ts_start <= a.ts_1s", "vpin_by_bucket"),
        _asof("b.bucket_ts_end <= a.ts_1s", "vpin_by_bucket"),
    ),
    "as-of another market's bucket": (
        "unfinished-period",
        "SELECT * FROM vpin_by_bucket AS a ASOF LEFT JOIN vpin_by_bucket AS b ON a.market_type = b.market_type AND a.symbol = b.symbol AND b.bucket_ts_start <= a.bucket_ts_start",
        _asof("b.bucket_ts_start <= a.bucket_ts_start", "vpin_by_bucket", "vpin_by_bucket"),
    ),
    "as-of an hour after a bucket's start": (
        "asof-forward",
        _asof("b.timestamp <= a.bucket_ts_start + INTERVAL 1 HOUR", "book_features"),
        _asof("b.timestamp <= a.bucket_ts_start", "book_features"),
    ),
    "as-of a clock put back": (
        "asof-forward",
        _asof("b.t <= a.timestamp", _minutes("timestamp - INTERVAL 60 SECOND")),
        _asof("b.t <= a.timestamp", _minutes("timestamp + INTERVAL 60 SECOND")),
    ),
    "each second its own minute": (
        "unfinished-period",
        _join("b.ts_1m = toStartOfMinute(a.ts_1s)"),
        _join("b.ts_1m = toStartOfMinute(a.ts_1s) - INTERVAL 1 MINUTE"),
    ),
    "each minute its seconds": (
        "unfinished-period",
        _join("toStartOfMinute(b.ts_1s) = a.ts_1m", "flow_1s", "trades_1m"),
        f"SELECT a.ts_1m, sum(b.vol) FROM trades_1m AS a JOIN flow_1s AS b ON {ON} AND toStartOfMinute(b.ts_1s) = a.ts_1m GROUP BY a.exchange, a.market_type, a.symbol, a.ts_1m",
    ),
    "seconds of one minute": (
        "unfinished-period",
        _join("toStartOfMinute(b.ts_1s) = toStartOfMinute(a.ts_1s)", "flow_1s"),
        _join("toStartOfMinute(b.ts_1s) = toStartOfMinute(a.ts_1s) AND b.ts_1s <= a.ts_1s", "flow_1s"),
    ),
    "five minutes by interval": (
        "unfinished-period",
        _join("b.ts_5m = toStartOfInterval(a.ts_1s, INTERVAL 5 MINUTE)"),
        _join("b.ts_5m = toStartOfInterval(a.ts_1s - INTERVAL 5 MINUTE, INTERVAL 5 MINUTE)"),
    ),
    "its own minute, dated": (
        "unfinished-period",
        f"SELECT a.ts_1s, b.close, a.available_at AS available_at FROM flow_1s AS a JOIN trades_1m AS b ON {ON} AND b.ts_1m = toStartOfMinute(a.ts_1s)",
        f"SELECT a.ts_1s, b.close, greatest(a.available_at, b.available_at) AS available_at FROM flow_1s AS a JOIN trades_1m AS b ON {ON} AND b.ts_1m = toStartOfMinute(a.ts_1s)",
    ),
    "its own minute, for its quality": (
        "unfinished-period",
        f"SELECT a.ts_1s, b.holes, if(b.holes > 0, 'gap', 'ok') AS quality FROM flow_1s AS a JOIN gap_minutes AS b ON {ON} AND b.ts_1m = toStartOfMinute(a.ts_1s)",
        f"SELECT a.ts_1s, if(b.holes > 0, 'gap', 'ok') AS quality FROM flow_1s AS a JOIN gap_minutes AS b ON {ON} AND b.ts_1m = toStartOfMinute(a.ts_1s)",
    ),
    "the day's high": (
        "unfinished-period",
        _join("b.day = toDate(a.ts_1m)", DAYS),
        _join("b.day = toDate(a.ts_1m) - 1", DAYS),
    ),
    "the day's high USING": (
        "unfinished-period",
        f"SELECT * FROM (SELECT *, toDate(ts_1m) AS day FROM trades_1m) AS a JOIN {DAYS} AS b USING ({KEY}, day)",
        f"SELECT * FROM volatility_1d AS a JOIN {DAYS} AS b USING ({KEY}, day)",
    ),
    "the hour's mean over all days": (
        "whole-history",
        f"SELECT * FROM f AS a JOIN (SELECT {KEY}, toHour(ts) AS h, avg(v) AS mean FROM f GROUP BY {KEY}, h) AS b ON {ON} AND b.h = toHour(a.ts)",
        f"SELECT * FROM f AS a JOIN (SELECT {KEY}, toHour(ts) AS h, avg(v) AS mean FROM f WHERE ts < {{from_ts:DateTime}} GROUP BY {KEY}, h) AS b ON {ON} AND b.h = toHour(a.ts)",
    ),
    "later rows of the same day": (
        "join-future",
        _join("b.day = a.day AND b.ts > a.ts"),
        _join("b.day = a.day AND b.ts < a.ts"),
    ),
    "up to five minutes ahead": (
        "join-future",
        _join("b.ts <= a.ts + INTERVAL 5 MINUTE"),
        _join("b.ts <= a.ts AND b.ts > a.ts - INTERVAL 5 MINUTE"),
    ),
    "dateDiff from the row": (
        "join-future",
        _join("dateDiff('second', a.ts, b.ts) BETWEEN 0 AND 300"),
        _join("dateDiff('second', b.ts, a.ts) BETWEEN 0 AND 300"),
    ),
    "dateDiff either way": (
        "join-future",
        _join("abs(dateDiff('second', a.ts, b.ts)) <= 300"),
        _join("abs(dateDiff('second', a.ts, b.ts)) <= 300 AND b.ts <= a.ts"),
    ),
    "a difference": ("join-future", _join("b.ts - a.ts BETWEEN 0 AND 300"), _join("a.ts - b.ts BETWEEN 0 AND 300")),
    "the next row's number": (
        "join-future",
        f"{NUMBERED} {_join('b.rn = a.rn + 1', 'n', 'n')}",
        f"{NUMBERED} {_join('b.rn = a.rn - 1', 'n', 'n')}",
    ),
    "a correlated subquery": (
        "join-future",
        "SELECT ts, (SELECT min(b.low) FROM f AS b WHERE b.ts > a.ts) AS low FROM f AS a",
        "SELECT ts, (SELECT min(b.low) FROM f AS b WHERE b.ts < a.ts) AS low FROM f AS a",
    ),
    "a correlated EXISTS": (
        "join-future",
        "SELECT ts, EXISTS(SELECT 1 FROM f AS b WHERE b.ts > a.ts AND b.ts <= a.ts + INTERVAL 5 MINUTE) AS x FROM f AS a",
        "SELECT ts, EXISTS(SELECT 1 FROM f AS b WHERE b.ts > a.ts - INTERVAL 5 MINUTE AND b.ts <= a.ts) AS x FROM f AS a",
    ),
    "everything before now": (
        "whole-history",
        "SELECT high / (SELECT max(high) FROM f WHERE ts <= now()) FROM f",
        "SELECT high / (SELECT max(high) FROM f WHERE ts < {from_ts:DateTime}) FROM f",
    ),
    "a shift in a branch": (
        "join-future",
        _join("b.ts = if(a.v > 1, a.ts + 60, a.ts)"),
        _join("b.ts = if(a.v > 1, a.ts - 60, a.ts)"),
    ),
    "a price by its clock": (
        "join-future",
        f"{NUMBERED} {_join('b.rn > a.rn', 'n', 'n')}",
        _join(
            "b.ts = a.ts AND b.last > a.last",
            f"(SELECT {KEY}, ts, argMax(price, (ts, sequence)) AS last FROM f GROUP BY {KEY}, ts)",
        ),
    ),
    "IN with a shifted key": (
        "join-future",
        f"SELECT ts FROM f WHERE ({KEY}, ts + INTERVAL 1 MINUTE) IN (SELECT {KEY}, ts FROM f WHERE close > open)",
        f"SELECT ts FROM f WHERE ({KEY}, ts - INTERVAL 1 MINUTE) IN (SELECT {KEY}, ts FROM f WHERE close > open)",
    ),
    "IN without market_type": (
        "market-type",
        "SELECT ts FROM f WHERE (symbol, ts) IN (SELECT symbol, ts FROM g)",
        f"SELECT ts FROM f WHERE ({KEY}, ts) IN (SELECT {KEY}, ts FROM g)",
    ),
    "LIMIT BY without market_type": (
        "market-type",
        "SELECT * FROM f ORDER BY ts LIMIT 1 BY symbol",
        f"SELECT * FROM f ORDER BY ts LIMIT 1 BY {KEY}",
    ),
    "a lag by the clock's negative": (
        "window-descending",
        f"SELECT lagInFrame(close) {ORDERED.format('-toUnixTimestamp(ts)')} FROM f",
        f"SELECT lagInFrame(close) {ORDERED.format('-toUnixTimestamp(ts) DESC')} FROM f",
    ),
    "a last value by a difference": (
        "window-descending",
        f"SELECT anyLast(close) {ORDERED.format('0 - toUnixTimestamp(ts)')} FROM f",
        f"SELECT anyLast(close) {ORDERED.format('toUnixTimestamp(ts) - 0')} FROM f",
    ),
    "an array without its first": (
        "array-forward",
        _exploded("ts", "arrayPopFront(p)"),
        _exploded("arrayPopFront(ts)", "arrayPopFront(p)"),
    ),
    "a slice from the second": (
        "array-forward",
        f"SELECT arrayJoin(arrayZip(groupArray(ts), arraySlice(groupArray(p), 2))) FROM f GROUP BY {KEY}",
        f"SELECT arrayJoin(arrayZip(groupArray(ts), arraySlice(groupArray(p), 1))) FROM f GROUP BY {KEY}",
    ),
    "merge() of the labels": (
        "labels-read",
        "SELECT return_1m FROM merge('marketprism_labels', '^bucket_labels$')",
        "SELECT close FROM merge('marketprism_features', '^trades_1m$')",
    ),
    "merge() by a pattern": (
        "labels-read",
        "SELECT x FROM merge(REGEXP('^marketprism_'), '^x$')",
        "SELECT x FROM merge(REGEXP('^marketprism_(hot|cold)$'), '^x$')",
    ),
    "remote() labels": (
        "labels-read",
        "SELECT x FROM remote('one', marketprism_labels.returns)",
        "SELECT x FROM remote('one', marketprism_features.returns)",
    ),
}


@pytest.mark.parametrize(("rule", "leak", "honest"), PAIRS.values(), ids=PAIRS.keys())
def test_the_leak_is_caught_and_its_honest_twin_is_not(rule: str, leak: str, honest: str) -> None:
    hold(rule, leak, honest)


def test_the_finding_stands_on_the_condition_and_says_what_is_unfinished() -> None:
    (finding,) = lint_text(_asof("b.ts_1m <= a.ts_1s"), "x.sql")
    assert (finding.path, finding.line, finding.rule) == ("x.sql", 3, "unfinished-period")
    assert "b.ts_1m <= a.ts_1s sets a row of b beside moments before its end" in finding.detail


def test_columns_that_are_computed_from_columns_many_times_over_are_followed_once() -> None:
    deep = "SELECT x AS p, y AS q FROM t"
    for _ in range(25):
        deep = f"SELECT p + q AS p, p - q AS q FROM ({deep}) AS d"
    assert lint_text(f"SELECT 1 FROM ({deep}) AS a JOIN ({deep}) AS b ON a.p = b.q AND b.p > a.q") == []
