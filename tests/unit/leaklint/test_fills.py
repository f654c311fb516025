# ruff: noqa: E501 — planted statements stay on one line so that a reader sees them whole
"""Values that are carried on for ever; carried with their clock, as the true tree does it, they pass."""

from __future__ import annotations

import pytest

from tests.unit.leaklint.pairs import Pairs, hold

KEY = "exchange, market_type, symbol"
SO_FAR = f"(PARTITION BY {KEY} ORDER BY ts, kind ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
LAST_MINUTE = f"(PARTITION BY {KEY} ORDER BY ts RANGE BETWEEN 60 PRECEDING AND CURRENT ROW)"


def _filled(*items: str, window: str = SO_FAR) -> str:
    return f"SELECT {KEY}, ts, {', '.join(items)} FROM f WINDOW so_far AS {window}"


def _zones(*words: str) -> str:
    up, down = words
    return f"SELECT ts, anyLastIf(zone, zone != 'hold') OVER so_far AS zone FROM (SELECT *, multiIf(v > 1, {up}, v < -1, {down}, 'hold') AS zone FROM f) WINDOW so_far AS {SO_FAR}"


AGE = "dateDiff('millisecond', anyLastIf(ts, kind = 1) OVER so_far, ts) AS staleness_ms"

# rule, leak, honest twin
PAIRS: Pairs = {
    "anyLastIf": (
        "forward-fill",
        _filled("anyLastIf(mid, kind = 1) OVER so_far AS mid"),
        _filled("anyLastIf(mid, kind = 1) OVER so_far AS mid", AGE),
    ),
    "anyLastIf, bounded": (
        "forward-fill",
        _filled("anyLastIf(mid, kind = 1) OVER so_far AS mid"),
        _filled("anyLastIf(mid, kind = 1) OVER so_far AS mid", window=LAST_MINUTE),
    ),
    "the age of other rows": (
        "forward-fill",
        _filled("anyLastIf(mid, kind = 2) OVER so_far AS mid", AGE),
        _filled("anyLastIf(mid, kind = 1) OVER so_far AS mid", AGE),
    ),
    "the age of another window": (
        "forward-fill",
        f"SELECT ts, anyLastIf(mid, kind = 1) OVER a AS mid, anyLastIf(ts, kind = 1) OVER b AS book_ts FROM f WINDOW a AS {SO_FAR}, b AS {LAST_MINUTE}",
        f"SELECT ts, anyLastIf(mid, kind = 1) OVER a AS mid, anyLastIf(ts, kind = 1) OVER b AS book_ts FROM f WINDOW a AS {SO_FAR}, b AS {SO_FAR}",
    ),
    "an age that nobody reads": (
        "forward-fill",
        f"SELECT ts, mid FROM ({_filled('anyLastIf(mid, kind = 1) OVER so_far AS mid', 'anyLastIf(ts, kind = 1) OVER so_far AS book_ts')})",
        f"SELECT ts, if(ts - book_ts <= 60, mid, NULL) AS mid FROM ({_filled('anyLastIf(mid, kind = 1) OVER so_far AS mid', 'anyLastIf(ts, kind = 1) OVER so_far AS book_ts')})",
    ),
    "a value, and a value with its time": (
        "forward-fill",
        _filled("anyLastIf((mid, spread), kind = 1) OVER so_far AS book"),
        _filled("anyLastIf((ts, mid), kind = 1) OVER so_far AS book"),
    ),
    "the time of a tuple that a subquery makes": (
        "forward-fill",
        f"SELECT anyLastIf(best, kind = 1) OVER so_far AS quote FROM (SELECT *, (bid, ask) AS best FROM f) WINDOW so_far AS {SO_FAR}",
        f"SELECT anyLastIf(best, kind = 1) OVER so_far AS quote FROM (SELECT *, (timestamp, bid, ask) AS best FROM f) WINDOW so_far AS {SO_FAR}",
    ),
    "anyLast past NULL": (
        "forward-fill",
        _filled("anyLast(mid) OVER so_far AS mid", "max(ts) OVER so_far AS seen"),
        _filled("anyLast(mid) OVER so_far AS mid", "maxIf(ts, mid IS NOT NULL) OVER so_far AS seen"),
    ),
    "argMaxIf": (
        "forward-fill",
        _filled("argMaxIf(mid, ts, mid > 0) OVER so_far AS mid"),
        _filled("argMaxIf(mid, ts, mid > 0) OVER so_far AS mid", "maxIf(ts, mid > 0) OVER so_far AS mid_at"),
    ),
    "last_value IGNORE NULLS": (
        "forward-fill",
        f"SELECT last_value(mid) IGNORE NULLS OVER {SO_FAR} AS mid FROM f",
        f"SELECT last_value((mid, ts)) IGNORE NULLS OVER {SO_FAR} AS mid FROM f",
    ),
    "a measurement that looks like a state": (
        "forward-fill",
        _zones("v", "-v"),
        _zones("'up'", "'down'"),
    ),
    "the last of all that there were": (
        "forward-fill",
        f"SELECT ts, (groupArrayIf(mid, mid > 0) OVER {SO_FAR})[-1] AS mid FROM f",
        f"SELECT ts, (groupArrayIf(mid, mid > 0) OVER {LAST_MINUTE})[-1] AS mid FROM f",
    ),
    "arrayLast of all that there were": (
        "forward-fill",
        f"SELECT ts, arrayLast(x -> x > 0, groupArray(mid) OVER {SO_FAR}) AS mid FROM f",
        f"SELECT ts, arrayLast(x -> x.2 > 0, groupArray((ts, mid)) OVER {SO_FAR}) AS book FROM f",
    ),
    "arrayFill": (
        "forward-fill",
        f"SELECT {KEY}, arrayFill(x -> x > 0, groupArray(mid)) AS mids FROM f GROUP BY {KEY}",
        f"SELECT {KEY}, arrayFilter(x -> x > 0, groupArray(mid)) AS mids FROM f GROUP BY {KEY}",
    ),
}


@pytest.mark.parametrize(("rule", "leak", "honest"), PAIRS.values(), ids=PAIRS.keys())
def test_the_leak_is_caught_and_its_honest_twin_is_not(rule: str, leak: str, honest: str) -> None:
    hold(rule, leak, honest)
