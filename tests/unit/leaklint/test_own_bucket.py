# ruff: noqa: E501 — planted statements stay on one line so that a reader sees them whole
"""Single trades beside the whole of the bucket that they fill; grouped back, dated by it, or beside the one before, they pass."""

from __future__ import annotations

import pytest

from tests.unit.leaklint.pairs import Pairs, hold

KEY = "exchange, market_type, symbol"
ON = "t.exchange = b.exchange AND t.market_type = b.market_type AND t.symbol = b.symbol"
TRADES = "marketprism_features.all_trades"
SUMMED = f"(SELECT {KEY}, bucket_id, max(price) AS top FROM {TRADES} GROUP BY {KEY}, bucket_id)"
BUCKET = f"OVER (PARTITION BY {KEY}, bucket_id)"


def _join(
    items: str, bucket: str = "marketprism_features.unified_buckets", by: str = "b.bucket_id = t.bucket_id"
) -> str:
    return f"SELECT {items} FROM {TRADES} AS t JOIN {bucket} AS b ON {ON} AND {by}"


# rule, leak, honest twin
PAIRS: Pairs = {
    "the close of its own bucket": (
        "unfinished-period",
        _join("t.timestamp, t.price / b.close AS r"),
        _join("t.timestamp, t.price / b.close AS r", by="b.bucket_id = t.bucket_id - 1"),
    ),
    "the open of its own bucket": (
        "unfinished-period",
        _join("t.timestamp, t.price / b.vwap AS r"),
        _join("t.timestamp, t.price / b.open AS r"),
    ),
    "the close, and when it was known": (
        "unfinished-period",
        _join("t.timestamp, t.price / b.close AS r, t.available_at AS available_at"),
        _join("t.timestamp, t.price / b.close AS r, greatest(t.available_at, b.available_at) AS available_at"),
    ),
    "the close only as a condition": (
        "unfinished-period",
        _join("t.timestamp, t.price") + " WHERE t.price < b.close",
        _join("t.timestamp, t.price") + " WHERE t.price < b.open",
    ),
    "USING": (
        "unfinished-period",
        f"SELECT timestamp, price, vwap FROM marketprism_hot.trades JOIN marketprism_features.bucket_flow USING ({KEY}, bucket_id)",
        f"SELECT {KEY}, bucket_id, max(price / vwap) AS top FROM marketprism_hot.trades JOIN marketprism_features.bucket_flow USING ({KEY}, bucket_id) GROUP BY {KEY}, bucket_id",
    ),
    "the bucket first": (
        "unfinished-period",
        f"SELECT t.timestamp, b.vol FROM marketprism_features.unified_buckets AS b JOIN {TRADES} AS t ON {ON} AND t.bucket_id = b.bucket_id",
        f"SELECT b.bucket_ts_end, b.vol, t.price FROM marketprism_features.unified_buckets AS b JOIN {TRADES} AS t ON {ON} AND t.bucket_id = b.bucket_id",
    ),
    "as of its own bucket": (
        "unfinished-period",
        f"SELECT t.timestamp, b.close FROM {TRADES} AS t ASOF JOIN marketprism_features.unified_buckets AS b ON {ON} AND b.bucket_id <= t.bucket_id",
        f"SELECT t.timestamp, b.close FROM {TRADES} AS t ASOF JOIN marketprism_features.unified_buckets AS b ON {ON} AND b.bucket_id < t.bucket_id",
    ),
    "trades summed up and set beside themselves": (
        "unfinished-period",
        _join("t.timestamp, t.price / b.top AS r", SUMMED),
        f"SELECT {KEY}, bucket_id, avg(r) AS r FROM ({_join('t.exchange, t.market_type, t.symbol, t.bucket_id, t.timestamp, t.price / b.top AS r', SUMMED)}) GROUP BY {KEY}, bucket_id",
    ),
    "trades of buckets that rose": (
        "unfinished-period",
        f"SELECT timestamp, price FROM {TRADES} WHERE ({KEY}, bucket_id) IN (SELECT {KEY}, bucket_id FROM marketprism_features.unified_buckets WHERE close > open)",
        f"SELECT timestamp, price FROM {TRADES} WHERE ({KEY}, bucket_id - 1) IN (SELECT {KEY}, bucket_id FROM marketprism_features.unified_buckets WHERE close > open)",
    ),
    "a correlated subquery": (
        "unfinished-period",
        f"SELECT t.timestamp, (SELECT b.close FROM marketprism_features.unified_buckets AS b WHERE {ON} AND b.bucket_id = t.bucket_id) AS c FROM {TRADES} AS t",
        f"SELECT t.timestamp, (SELECT b.close FROM marketprism_features.unified_buckets AS b WHERE {ON} AND b.bucket_id = t.bucket_id - 1) AS c FROM {TRADES} AS t",
    ),
    "trades of buckets that traded much": (
        "unfinished-period",
        f"SELECT timestamp, price FROM {TRADES} WHERE ({KEY}, bucket_id) IN (SELECT {KEY}, bucket_id FROM {TRADES} GROUP BY {KEY}, bucket_id HAVING sum(quantity) > 10)",
        f"SELECT timestamp, price FROM {TRADES} WHERE ({KEY}, bucket_id) IN (SELECT {KEY}, bucket_id FROM marketprism_features.unified_buckets WHERE bucket_ts_start >= {{since:DateTime}})",
    ),
    "quoted trades": (
        "unfinished-period",
        f"SELECT t.timestamp, b.close FROM marketprism_features.quoted_trades_between(from_ts = {{a:DateTime}}, to_ts = {{b:DateTime}}) AS t JOIN marketprism_features.unified_buckets AS b ON {ON} AND b.bucket_id = t.bucket_id",
        f"SELECT t.bucket_ts_end, b.close FROM marketprism_features.vpin_by_bucket AS t JOIN marketprism_features.unified_buckets AS b ON {ON} AND b.bucket_id = t.bucket_id",
    ),
    "a whole bucket's maximum": (
        "window-unordered",
        f"SELECT timestamp, price / max(price) {BUCKET} AS r FROM {TRADES}",
        f"SELECT bucket_id, level, vol / max(vol) {BUCKET} AS r FROM footprint_bins",
    ),
    "a whole bucket's maximum, so far": (
        "window-unordered",
        f"SELECT timestamp, price / max(price) {BUCKET} AS r FROM {TRADES}",
        f"SELECT timestamp, price / max(price) OVER (PARTITION BY {KEY}, bucket_id ORDER BY sequence ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS r FROM {TRADES}",
    ),
    "a whole bucket's maximum, grouped back": (
        "window-unordered",
        f"SELECT * FROM (SELECT {KEY}, bucket_id, timestamp, price / max(price) {BUCKET} AS r FROM {TRADES})",
        f"SELECT {KEY}, bucket_id, avg(r) AS r FROM (SELECT {KEY}, bucket_id, timestamp, price / max(price) {BUCKET} AS r FROM {TRADES}) GROUP BY {KEY}, bucket_id",
    ),
    "a whole bucket's maximum, grouped back by WITH": (
        "window-unordered",
        f"WITH s AS (SELECT {KEY}, bucket_id, timestamp, price / max(price) {BUCKET} AS r FROM {TRADES}) SELECT timestamp, r FROM s",
        f"WITH s AS (SELECT {KEY}, bucket_id, timestamp, price / max(price) {BUCKET} AS r FROM {TRADES}) SELECT {KEY}, bucket_id, avg(r) AS r FROM s GROUP BY {KEY}, bucket_id",
    ),
    "the best trade of each bucket": (
        "window-by-value",
        f"SELECT timestamp, price FROM {TRADES} ORDER BY price DESC LIMIT 1 BY {KEY}, bucket_id",
        f"SELECT timestamp, price FROM {TRADES} ORDER BY sequence LIMIT 1 BY {KEY}, bucket_id",
    ),
    "a rank within the bucket": (
        "window-by-value",
        f"SELECT timestamp, rank() OVER (PARTITION BY {KEY}, bucket_id ORDER BY quantity) AS r FROM {TRADES}",
        f"SELECT bucket_id, rank() OVER (PARTITION BY {KEY}, bucket_id ORDER BY quantity) AS r FROM footprint_bins",
    ),
    "a whole minute's sum for each of its seconds": (
        "window-unordered",
        f"SELECT ts_1s AS ts, toStartOfMinute(ts_1s) AS ts_1m, v / sum(v) OVER (PARTITION BY {KEY}, ts_1m) AS r FROM flow_1s",
        f"SELECT ts_1m, bin, v / sum(v) OVER (PARTITION BY {KEY}, ts_1m) AS r FROM footprint_1m",
    ),
}


@pytest.mark.parametrize(("rule", "leak", "honest"), PAIRS.values(), ids=PAIRS.keys())
def test_the_leak_is_caught_and_its_honest_twin_is_not(rule: str, leak: str, honest: str) -> None:
    hold(rule, leak, honest)
