# ruff: noqa: E501 — planted statements stay on one line so that a reader sees them whole
"""Ways by which an honest analyst looks ahead without meaning to, each beside what was meant."""

from __future__ import annotations

import pytest

from tests.unit.leaklint.pairs import Pairs, hold

KEY = "exchange, market_type, symbol"
ON = "a.exchange = b.exchange AND a.market_type = b.market_type AND a.symbol = b.symbol"
LAST = f"OVER (PARTITION BY {KEY} ORDER BY {{}} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"


def _placed(step: str) -> str:
    return f"WITH n AS (SELECT *, rowNumberInAllBlocks() AS place FROM f) SELECT a.ts, b.v FROM n AS a JOIN n AS b ON {ON} AND b.place = {step}"


# rule, leak, honest twin
PAIRS: Pairs = {
    "a lead under a name": (
        "window-lead",
        f"WITH leadInFrame(v) OVER (PARTITION BY {KEY} ORDER BY ts) AS next SELECT ts, next - v FROM f",
        f"WITH lagInFrame(v) {LAST.format('ts')} AS last SELECT ts, v - last FROM f",
    ),
    "a clock put backward in WITH": (
        "window-descending",
        f"WITH -toUnixTimestamp(ts) AS r SELECT lagInFrame(v) {LAST.format('r')} FROM f",
        f"WITH toUnixTimestamp(ts) AS r SELECT lagInFrame(v) {LAST.format('r')} FROM f",
    ),
    "a first value of a window backward": (
        "window-descending",
        f"SELECT first_value(v) {LAST.format('ts DESC')} FROM f",
        f"SELECT first_value(v) {LAST.format('ts')} FROM f",
    ),
    "neighbor back, in rows backward": (
        "block-order",
        "SELECT neighbor(v, -1) FROM (SELECT * FROM f ORDER BY ts DESC)",
        f"SELECT lagInFrame(v, 1) {LAST.format('ts')} FROM f",
    ),
    "the event after": (
        "window-lead",
        f"SELECT {KEY}, sequenceNextNode('forward', 'head')(ts, event, 1, event = 'a') AS e FROM f GROUP BY {KEY}",
        f"SELECT {KEY}, argMax(event, ts) AS e FROM f GROUP BY {KEY}",
    ),
    "the next row by its place": ("join-future", _placed("a.place + 1"), _placed("a.place - 1")),
    "rows by their place": (
        "join-future",
        "SELECT * FROM (SELECT ts, v FROM f ORDER BY ts) AS a PASTE JOIN (SELECT v AS w FROM f ORDER BY ts LIMIT 999 OFFSET 1) AS b",
        f"SELECT * FROM f AS a JOIN g AS b ON {ON} AND a.ts = b.ts",
    ),
    "a join that forgot the time": (
        "join-future",
        f"SELECT a.ts_1m, max(b.high) FROM trades_1m AS a JOIN trades_1m AS b ON {ON} GROUP BY a.exchange, a.market_type, a.symbol, a.ts_1m",
        f"SELECT a.ts_1m, max(b.high) FROM trades_1m AS a JOIN trades_1m AS b ON {ON} AND b.ts_1m < a.ts_1m GROUP BY a.exchange, a.market_type, a.symbol, a.ts_1m",
    ),
    "a join of any row": (
        "join-future",
        f"SELECT a.ts_1s, b.high FROM flow_1s AS a ANY LEFT JOIN trades_1m AS b USING ({KEY})",
        f"SELECT a.ts_1s, b.tick_size FROM flow_1s AS a ANY LEFT JOIN instruments AS b USING ({KEY})",
    ),
    "a join that forgot the bucket": (
        "join-future",
        f"SELECT a.bucket_id, max(b.vpin) FROM unified_buckets AS a JOIN vpin_by_bucket AS b USING ({KEY}) GROUP BY {KEY}, a.bucket_id",
        f"SELECT a.bucket_id, max(b.v_max) FROM unified_buckets AS a JOIN bucket_config AS b USING ({KEY}) GROUP BY {KEY}, a.bucket_id",
    ),
    "the best row of each market": (
        "window-by-value",
        f"SELECT DISTINCT ON ({KEY}) ts, v FROM f ORDER BY v DESC",
        f"SELECT DISTINCT ON ({KEY}) ts, v FROM f ORDER BY ts DESC",
    ),
    "one row for two markets": (
        "market-type",
        "SELECT DISTINCT ON (exchange, symbol) ts, v FROM f ORDER BY ts DESC",
        f"SELECT DISTINCT ON ({KEY}) ts, v FROM f ORDER BY ts DESC",
    ),
    "a map summed over all of history": (
        "whole-history",
        f"SELECT v / t['x'] FROM f JOIN (SELECT {KEY}, sumMap(m) AS t FROM f GROUP BY {KEY}) AS s USING ({KEY})",
        f"SELECT v / t['x'] FROM f JOIN (SELECT {KEY}, sumMap(m) AS t FROM f WHERE ts < {{from_ts:DateTime}} GROUP BY {KEY}) AS s USING ({KEY})",
    ),
    "a hole filled from the later row": (
        "forward-fill",
        "SELECT ts, v FROM f ORDER BY ts DESC WITH FILL STEP -1 INTERPOLATE (v)",
        "SELECT ts, v FROM f ORDER BY ts WITH FILL STEP 1",
    ),
}


@pytest.mark.parametrize(("rule", "leak", "honest"), PAIRS.values(), ids=PAIRS.keys())
def test_the_leak_is_caught_and_its_honest_twin_is_not(rule: str, leak: str, honest: str) -> None:
    hold(rule, leak, honest)
