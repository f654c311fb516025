# ruff: noqa: E501 — planted statements stay on one line so that a reader sees them whole
"""Keys that mix instruments, however they are written; the whole key written the same way passes."""

from __future__ import annotations

import pytest

from tests.unit.leaklint.pairs import Pairs, hold

KEY = "exchange, market_type, symbol"

# rule, leak, honest twin
PAIRS: Pairs = {
    "a comma join": (
        "market-type",
        "SELECT a.ts, b.v FROM f AS a, g AS b WHERE a.exchange = b.exchange AND a.symbol = b.symbol AND a.ts = b.ts",
        "SELECT a.ts, b.v FROM f AS a, g AS b WHERE a.exchange = b.exchange AND a.market_type = b.market_type AND a.symbol = b.symbol AND a.ts = b.ts",
    ),
    "a comma join of three": (
        "market-type",
        "SELECT a.ts, c.v FROM f AS a, g AS b, h AS c WHERE (a.exchange, a.market_type, a.symbol, a.ts) = (b.exchange, b.market_type, b.symbol, b.ts) AND c.exchange = a.exchange AND c.symbol = a.symbol AND c.ts = a.ts",
        "SELECT a.ts, c.v FROM f AS a, g AS b, h AS c WHERE (a.exchange, a.market_type, a.symbol, a.ts) = (b.exchange, b.market_type, b.symbol, b.ts) AND c.exchange = a.exchange AND c.symbol = a.symbol AND c.market_type = a.market_type AND c.ts = a.ts",
    ),
    "a comma join that looks ahead": (
        "join-future",
        "SELECT a.ts, b.v FROM f AS a, g AS b WHERE (a.exchange, a.market_type, a.symbol) = (b.exchange, b.market_type, b.symbol) AND b.ts > a.ts",
        "SELECT a.ts, b.v FROM f AS a, g AS b WHERE (a.exchange, a.market_type, a.symbol) = (b.exchange, b.market_type, b.symbol) AND b.ts < a.ts",
    ),
    "a cross join": (
        "market-type",
        "SELECT a.ts, b.v FROM f AS a CROSS JOIN g AS b WHERE a.symbol = b.symbol AND a.ts = b.ts AND a.exchange = b.exchange",
        "SELECT a.ts, b.v FROM f AS a CROSS JOIN g AS b WHERE a.symbol = b.symbol AND a.ts = b.ts AND a.exchange = b.exchange AND a.market_type = b.market_type",
    ),
    "a join without exchange": (
        "market-type",
        "SELECT a.ts, b.v FROM f AS a JOIN g AS b USING (market_type, symbol, ts)",
        "SELECT a.ts, b.v FROM f AS a JOIN g AS b ON a.market_type = b.market_type AND a.symbol = b.symbol AND a.ts = b.ts AND a.exchange = 'binance' AND b.exchange = 'okx'",
    ),
    "a perpetual beside its spot": (
        "market-type",
        "SELECT a.ts, b.v FROM f AS a JOIN g AS b USING (exchange, symbol, ts) WHERE a.market_type = 'spot'",
        "SELECT a.ts, b.v FROM f AS a JOIN g AS b USING (exchange, symbol, ts) WHERE a.market_type = 'spot' AND b.market_type = 'linear'",
    ),
    "a perpetual beside its spot, by subqueries": (
        "market-type",
        "SELECT a.ts, b.v FROM (SELECT * FROM f WHERE market_type = 'spot') AS a JOIN f AS b USING (exchange, symbol, ts)",
        "SELECT a.ts, b.v FROM (SELECT * FROM f WHERE market_type = 'spot') AS a JOIN (SELECT * FROM f WHERE market_type = 'linear') AS b USING (exchange, symbol, ts)",
    ),
    "tuples": (
        "market-type",
        "SELECT a.ts, b.v FROM f AS a JOIN g AS b ON (a.exchange, a.symbol, a.ts) = (b.exchange, b.symbol, b.ts)",
        "SELECT a.ts, b.v FROM f AS a JOIN g AS b ON (a.exchange, a.market_type, a.symbol, a.ts) = (b.exchange, b.market_type, b.symbol, b.ts)",
    ),
    "tuples of which one is later": (
        "join-future",
        "SELECT a.ts, b.v FROM f AS a JOIN g AS b ON (a.exchange, a.market_type, a.symbol, a.ts + 60) = (b.exchange, b.market_type, b.symbol, b.ts)",
        "SELECT a.ts, b.v FROM f AS a JOIN g AS b ON (a.exchange, a.market_type, a.symbol, a.ts - 60) = (b.exchange, b.market_type, b.symbol, b.ts)",
    ),
    "other names on the other side": (
        "market-type",
        "SELECT a.ts, b.v FROM f AS a JOIN g AS b ON a.exchange = b.venue AND b.instrument = a.symbol AND a.ts = b.ts",
        "SELECT a.ts, b.v FROM f AS a JOIN g AS b ON a.exchange = b.venue AND b.instrument = a.symbol AND b.kind = a.market_type AND a.ts = b.ts",
    ),
    "keys within functions": (
        "market-type",
        "SELECT a.ts, b.v FROM f AS a JOIN g AS b ON concat(a.exchange, a.symbol) = concat(b.exchange, b.symbol) AND a.ts = b.ts",
        "SELECT a.ts, b.v FROM f AS a JOIN g AS b ON concat(a.exchange, a.market_type) = concat(b.exchange, b.market_type) AND lower(a.symbol) = b.symbol AND a.ts = b.ts",
    ),
    "GROUP BY places": (
        "market-type",
        "SELECT exchange, symbol, ts, sum(v) FROM f GROUP BY 1, 2, 3",
        f"SELECT {KEY}, ts, sum(v) FROM f GROUP BY 1, 2, 3, 4",
    ),
    "GROUP BY ALL": (
        "market-type",
        "SELECT exchange, symbol, ts, sum(v) FROM f GROUP BY ALL",
        f"SELECT {KEY}, ts, sum(v) FROM f GROUP BY ALL",
    ),
    "GROUP BY an alias": (
        "market-type",
        "SELECT exchange, symbol AS s, ts, sum(v) FROM f GROUP BY exchange, s, ts",
        "SELECT exchange, (market_type, symbol) AS s, ts, sum(v) FROM f GROUP BY exchange, s, ts",
    ),
    "GROUP BY an alias of a subquery": (
        "market-type",
        "SELECT e, s, ts, sum(v) FROM (SELECT exchange AS e, symbol AS s, ts, v FROM f) GROUP BY e, s, ts",
        "SELECT e, s, ts, sum(v) FROM (SELECT exchange AS e, (market_type, symbol) AS s, ts, v FROM f) GROUP BY e, s, ts",
    ),
    "LIMIT BY places": (
        "market-type",
        "SELECT exchange, symbol, ts FROM f ORDER BY ts LIMIT 1 BY 1, 2",
        f"SELECT {KEY}, ts FROM f ORDER BY ts LIMIT 1 BY 1, 2, 3",
    ),
    "PARTITION BY places, which are constants": (
        "market-type",
        f"SELECT {KEY}, lag(v) OVER (PARTITION BY 1, 2, 3 ORDER BY ts) FROM f",
        f"SELECT {KEY}, lag(v) OVER (PARTITION BY {KEY} ORDER BY ts) FROM f",
    ),
    "PARTITION BY an alias": (
        "market-type",
        "SELECT concat(exchange, symbol) AS id, lag(v) OVER (PARTITION BY id ORDER BY ts) FROM f",
        f"SELECT concat({KEY}) AS id, lag(v) OVER (PARTITION BY id ORDER BY ts) FROM f",
    ),
}


@pytest.mark.parametrize(("rule", "leak", "honest"), PAIRS.values(), ids=PAIRS.keys())
def test_the_leak_is_caught_and_its_honest_twin_is_not(rule: str, leak: str, honest: str) -> None:
    hold(rule, leak, honest)
