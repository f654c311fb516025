# ruff: noqa: E501 — planted statements stay on one line so that a reader sees them whole
"""Planted leaks are each caught by the rule that names them; causal SQL passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from marketprism.cli.commands import app
from marketprism.leaklint import RULES, default_files, lint_text, lint_tree

KEY = "exchange, market_type, symbol"

SIDES = "SELECT * FROM a JOIN b ON a.exchange = b.exchange AND a.market_type = b.market_type AND a.symbol = b.symbol"

LEAKS: list[tuple[str, str]] = [
    ("window-lead", f"SELECT lead(mid) OVER (PARTITION BY {KEY} ORDER BY ts) FROM f"),
    ("window-lead", f"SELECT lead(mid, 3) OVER (PARTITION BY {KEY} ORDER BY ts) FROM f"),
    (
        "window-lead",
        f"SELECT leadInFrame(mid, 1) OVER (PARTITION BY {KEY} ORDER BY ts ROWS BETWEEN 5 PRECEDING AND CURRENT ROW) FROM f",
    ),
    ("window-lead", f"SELECT leadInFrame(mid) OVER w FROM f WINDOW w AS (PARTITION BY {KEY} ORDER BY ts)"),
    ("window-lead", f"SELECT lag(mid, -1) OVER (PARTITION BY {KEY} ORDER BY ts) FROM f"),
    ("window-lead", f"SELECT lagInFrame(mid, -5) OVER (PARTITION BY {KEY} ORDER BY ts) FROM f"),
    ("window-lead", f"SELECT lagInFrame(mid, shift) OVER (PARTITION BY {KEY} ORDER BY ts) FROM f"),
    ("window-lead", "SELECT neighbor(mid, 1) FROM f"),
    (
        "window-lead",
        "CREATE VIEW a.b AS SELECT log(lead(close) OVER (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id) / close) AS r FROM f",
    ),
    (
        "window-following",
        f"SELECT avg(mid) OVER (PARTITION BY {KEY} ORDER BY ts ROWS BETWEEN 5 PRECEDING AND 5 FOLLOWING) FROM f",
    ),
    (
        "window-following",
        f"SELECT avg(mid) OVER (PARTITION BY {KEY} ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM f",
    ),
    (
        "window-following",
        f"SELECT max(mid) OVER (PARTITION BY {KEY} ORDER BY ts RANGE BETWEEN 1 FOLLOWING AND 60 FOLLOWING) FROM f",
    ),
    (
        "window-following",
        f"SELECT sum(v) OVER w FROM f WINDOW w AS (PARTITION BY {KEY} ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
    ),
    ("window-unordered", f"SELECT vol / avg(vol) OVER (PARTITION BY {KEY}) FROM f"),
    ("window-unordered", f"SELECT quantile(0.9)(vol) OVER (PARTITION BY {KEY}) FROM f"),
    ("window-unordered", "SELECT max(ts) OVER () FROM f"),
    ("window-unordered", f"SELECT v / sum(v) OVER (PARTITION BY {KEY}, toDate(ts)) FROM f"),
    ("window-unordered", f"SELECT v / sum(v) OVER (PARTITION BY {KEY}, day) FROM f"),
    ("window-descending", f"SELECT sum(v) OVER (PARTITION BY {KEY} ORDER BY ts DESC) FROM f"),
    ("window-descending", f"SELECT lag(mid) OVER w FROM f WINDOW w AS (PARTITION BY {KEY} ORDER BY bucket_id DESC)"),
    ("forward-fill", f"SELECT last_value(mid) IGNORE NULLS OVER (PARTITION BY {KEY} ORDER BY ts) FROM f"),
    (
        "forward-fill",
        f"SELECT anyLast(mid) OVER (PARTITION BY {KEY} ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM f",
    ),
    ("forward-fill", f"SELECT any(mid) OVER (PARTITION BY {KEY} ORDER BY ts) FROM f"),
    ("forward-fill", "SELECT ts, mid FROM f ORDER BY ts WITH FILL STEP 1 INTERPOLATE (mid AS mid)"),
    ("block-order", "SELECT runningDifference(mid) FROM f"),
    ("block-order", "SELECT runningAccumulate(state) FROM f"),
    ("array-forward", f"SELECT arrayShiftLeft(groupArray(mid), 1) FROM f GROUP BY {KEY}"),
    ("array-forward", "SELECT arrayMap(i -> mids[i + 1] - mids[i], range(1, length(mids))) FROM f"),
    ("array-forward", "SELECT arrayCumSum(arrayReverse(vols)) FROM f"),
    ("array-forward", f"SELECT arrayDifference(arrayReverse(groupArray(mid))) FROM f GROUP BY {KEY}"),
    (
        "asof-forward",
        "SELECT * FROM t ASOF JOIN q ON t.exchange = q.exchange AND t.market_type = q.market_type AND t.symbol = q.symbol AND t.ts <= q.ts",
    ),
    (
        "asof-forward",
        "SELECT * FROM t ASOF LEFT JOIN q ON t.market_type = q.market_type AND t.symbol = q.symbol AND q.timestamp > t.timestamp",
    ),
    (
        "asof-forward",
        "SELECT * FROM t ASOF LEFT JOIN q ON t.market_type = q.market_type AND t.symbol = q.symbol AND t.ts + INTERVAL 5 SECOND >= q.ts",
    ),
    (
        "join-future",
        "SELECT * FROM a JOIN b ON a.market_type = b.market_type AND a.symbol = b.symbol AND b.bucket_id = a.bucket_id + 1",
    ),
    (
        "join-future",
        "SELECT * FROM a JOIN b ON a.market_type = b.market_type AND a.symbol = b.symbol AND b.ts > a.ts AND b.ts <= a.ts + INTERVAL 5 MINUTE",
    ),
    (
        "join-future",
        "SELECT * FROM a JOIN b ON a.market_type = b.market_type AND a.symbol = b.symbol AND a.ts_1m = b.ts_1m - INTERVAL 1 MINUTE",
    ),
    ("join-future", "SELECT * FROM a CROSS JOIN b WHERE b.ts >= a.ts"),
    (
        "unfinished-period",
        "SELECT * FROM flow_1s AS a ASOF LEFT JOIN trades_1m AS b ON a.market_type = b.market_type AND a.symbol = b.symbol AND b.ts_1m <= a.ts_1s",
    ),
    ("market-type", "SELECT * FROM a JOIN b ON a.symbol = b.symbol AND a.ts = b.ts"),
    ("market-type", "SELECT * FROM a JOIN b USING (exchange, symbol, ts)"),
    ("market-type", "SELECT exchange, symbol, ts, sum(v) FROM a GROUP BY exchange, symbol, ts"),
    ("market-type", "SELECT lag(v) OVER (PARTITION BY exchange, symbol ORDER BY ts) FROM a"),
    ("whole-history", "SELECT v > (SELECT quantile(0.9)(v) FROM f) FROM f"),
    (
        "whole-history",
        f"WITH q AS (SELECT {KEY}, quantile(0.9)(v) AS hi FROM f GROUP BY {KEY}) SELECT * FROM f JOIN q USING ({KEY})",
    ),
    (
        "whole-history",
        f"SELECT (v - m.mean) / m.sd FROM f JOIN (SELECT {KEY}, avg(v) AS mean, stddevPop(v) AS sd FROM f GROUP BY {KEY}) AS m USING ({KEY})",
    ),
    (
        "whole-history",
        f"SELECT * FROM f JOIN (SELECT {KEY}, argMax(price, ts) AS last FROM trades WHERE price > 0 GROUP BY {KEY}) AS l USING ({KEY})",
    ),
    (
        "whole-history",
        f"SELECT * FROM f JOIN (SELECT {KEY}, quantile(0.9)(v) AS hi FROM f WHERE ts >= now() - INTERVAL 1 HOUR GROUP BY {KEY}) AS q USING ({KEY})",
    ),
    ("latest-row", "SELECT v / (SELECT v FROM f ORDER BY ts DESC LIMIT 1) FROM f"),
    (
        "forward-fill",
        f"SELECT argMax(mid, ts) OVER (PARTITION BY {KEY} ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM f",
    ),
    ("window-following", f"SELECT sum(v) OVER (PARTITION BY {KEY} ORDER BY toDate(ts)) FROM f"),
    (
        "window-descending",
        f"SELECT sum(v) OVER (PARTITION BY {KEY} ORDER BY r) FROM (SELECT *, -toUnixTimestamp(ts) AS r FROM f)",
    ),
    ("join-future", f"{SIDES} AND NOT (b.ts <= a.ts)"),
    ("join-future", f"{SIDES} AND (b.ts > a.ts OR b.v = 1)"),
    ("join-future", f"{SIDES} AND b.ts != a.ts"),
    ("join-future", f"{SIDES} AND greater(b.ts, a.ts)"),
    ("labels-read", "SELECT * FROM marketprism_labels_cluster.bucket_labels"),
    ("labels-read", "SELECT * FROM f WHERE symbol IN marketprism_labels.chosen"),
    ("window-by-value", f"SELECT percent_rank() OVER (PARTITION BY {KEY} ORDER BY v) FROM f"),
    ("window-by-value", f"SELECT ntile(10) OVER w FROM f WINDOW w AS (PARTITION BY {KEY}, toDate(ts) ORDER BY v)"),
    ("backdated", f"CREATE VIEW a.b AS SELECT {KEY}, ts - INTERVAL 1 MINUTE AS ts, mid FROM f"),
    ("backdated", f"SELECT {KEY}, bucket_id - 1 AS bucket_id, vpin FROM f"),
    ("backdated", f"SELECT {KEY}, arrayJoin([ts, ts - 60]) AS ts, mid FROM f"),
    ("backdated", f"SELECT {KEY}, ts, mid, subtractSeconds(available_at, 5) AS available_at FROM f"),
    ("labels-read", "SELECT * FROM marketprism_labels.returns_30s"),
    ("labels-read", "SELECT * FROM cluster('c', marketprism_labels, returns_30s)"),
    (
        "labels-read",
        "CREATE VIEW marketprism_features.x AS SELECT * FROM f JOIN marketprism_labels.classes USING (exchange, market_type, symbol, bucket_id)",
    ),
    (
        "labels-written",
        "CREATE MATERIALIZED VIEW marketprism_features.v TO marketprism_labels.t AS SELECT a FROM marketprism_features.f",
    ),
    ("unparsed", "SELECT FROM WHERE ((("),
    ("waiver", "-- leak-ok: window-lead\nSELECT 1 FROM f"),
    ("waiver", "-- leak-ok: no-such-rule: because\nSELECT 1 FROM f"),
    ("waiver", f"-- leak-ok: window-lead: nothing looks ahead here any more\nSELECT {KEY}, mid FROM f"),
]

CAUSAL: list[str] = [
    f"{SIDES} AND b.ts <= a.ts AND b.ts != a.ts",
    f"SELECT sum(v) OVER (PARTITION BY {KEY} ORDER BY ts_1m) FROM trades_1m",
    f"SELECT sum(v) OVER (PARTITION BY {KEY} ORDER BY toDate(ts) ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) FROM f",
    f"SELECT sum(v) OVER (PARTITION BY {KEY} ORDER BY r) FROM (SELECT *, toUnixTimestamp(ts) AS r FROM f)",
    f"SELECT rank() OVER (PARTITION BY {KEY}, bucket_id ORDER BY quantity DESC) FROM f",
    f"SELECT {KEY}, ts + INTERVAL 1 MINUTE AS ts, mid FROM f",
    f"SELECT {KEY}, ts, ts - INTERVAL 1 HOUR AS from_time, mid FROM f",
    f"SELECT v / sum(v) OVER (PARTITION BY {KEY}, bucket_id) FROM f",
    f"SELECT sum(v) OVER (PARTITION BY {KEY}, ts_1m ORDER BY distance DESC) FROM f",
    "SELECT arraySum((p, q) -> p * q, prices, quantities) FROM f",
    f"SELECT lag(mid) OVER (PARTITION BY {KEY} ORDER BY ts) FROM f",
    f"SELECT lagInFrame(mid, 5) OVER (PARTITION BY {KEY} ORDER BY ts ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) FROM f",
    f"SELECT sum(v) OVER (PARTITION BY {KEY} ORDER BY bucket_id ROWS BETWEEN 49 PRECEDING AND CURRENT ROW) FROM f",
    f"SELECT last_value(mid) OVER (PARTITION BY {KEY} ORDER BY ts RANGE BETWEEN 3 PRECEDING AND CURRENT ROW) FROM f",
    f"SELECT row_number() OVER (PARTITION BY {KEY} ORDER BY ts) FROM f",
    "SELECT * FROM t ASOF LEFT JOIN q ON t.exchange = q.exchange AND t.market_type = q.market_type AND t.symbol = q.symbol AND t.ts >= q.ts",
    "SELECT * FROM t ASOF JOIN q USING (exchange, market_type, symbol, ts)",
    "SELECT * FROM t ASOF JOIN q ON t.exchange = q.exchange AND t.market_type = q.market_type AND t.symbol = q.symbol AND q.ts < t.ts",
    "SELECT * FROM a JOIN b ON a.exchange = b.exchange AND a.market_type = b.market_type AND a.symbol = b.symbol AND b.bucket_id = a.bucket_id",
    "SELECT * FROM a JOIN b ON a.exchange = b.exchange AND a.market_type = b.market_type AND a.symbol = b.symbol AND b.ts = a.ts - INTERVAL 1 MINUTE",
    "SELECT * FROM b JOIN gaps AS g ON b.exchange = g.exchange AND b.market_type = g.market_type AND b.symbol = g.symbol AND g.to_time >= b.ts_start AND g.from_time <= b.ts_end",
    f"SELECT {KEY}, toStartOfMinute(timestamp) AS ts_1m, sum(quantity) FROM trades GROUP BY {KEY}, ts_1m",
    f"WITH m AS (SELECT {KEY}, toStartOfMinute(timestamp) AS ts_1m, max(price) AS high FROM trades GROUP BY {KEY}, ts_1m) SELECT * FROM m",
    f"SELECT * FROM f JOIN (SELECT {KEY}, quantile(0.9)(v) AS hi FROM f WHERE ts < {{from_ts:DateTime64(3)}} GROUP BY {KEY}) AS q USING ({KEY})",
    "SELECT arrayMap(i -> mids[i] - mids[i - 1], range(2, length(mids))) FROM f",
    "CREATE VIEW a.b (symbol String COMMENT 'one (1); symbol', r Float64) AS SELECT symbol, lag(mid) OVER (PARTITION BY exchange, market_type, symbol ORDER BY ts) AS r FROM f COMMENT 'what it is'",
    "CREATE TABLE a.b (lead String) ENGINE = MergeTree ORDER BY lead",
    "CREATE MATERIALIZED VIEW marketprism_labels.r TO marketprism_labels.t AS SELECT lead(mid) OVER (PARTITION BY exchange, market_type, symbol ORDER BY ts) FROM f",
    f"-- leak-ok: window-lead: the next row says only when this one was known\nSELECT lead(received_at) OVER (PARTITION BY {KEY} ORDER BY ts) FROM f",
]


@pytest.mark.parametrize(("rule", "sql"), LEAKS, ids=[f"{rule}-{n}" for n, (rule, _) in enumerate(LEAKS)])
def test_planted_leak_is_caught(rule: str, sql: str) -> None:
    assert rule in {finding.rule for finding in lint_text(sql)}


@pytest.mark.parametrize("sql", CAUSAL, ids=range(len(CAUSAL)))
def test_causal_sql_passes(sql: str) -> None:
    assert lint_text(sql) == []


def test_every_rule_has_a_planted_leak() -> None:
    assert {rule for rule, _ in LEAKS} == set(RULES)


def test_finding_names_file_line_and_reason() -> None:
    sql = f"SELECT ts,\n  mid,\n  lead(mid) OVER (PARTITION BY {KEY} ORDER BY ts)\nFROM f"
    (finding,) = lint_text(sql, "x.sql")
    assert (finding.path, finding.line, finding.rule) == ("x.sql", 3, "window-lead")
    assert RULES["window-lead"] in str(finding)


def test_the_tree_has_no_leak() -> None:
    files = default_files()
    assert files, "no SQL files found"
    assert [str(finding) for finding in lint_tree(files)] == []


def test_the_command_says_where_and_why_and_fails(tmp_path: Path) -> None:
    leaking = tmp_path / "leaking.sql"
    leaking.write_text(f"SELECT ts,\n  lead(mid) OVER (PARTITION BY {KEY} ORDER BY ts)\nFROM f")
    told = CliRunner().invoke(app, ["lint-sql", str(leaking)])
    assert told.exit_code == 1
    assert told.stdout.startswith(f"{leaking}:2: window-lead: ")
    (finding,) = json.loads(CliRunner().invoke(app, ["lint-sql", "--json", str(leaking)]).stdout)
    assert (finding["line"], finding["rule"]) == (2, "window-lead")
