# ruff: noqa: E501 — planted statements stay on one line so that a reader sees them whole
"""Thresholds and choices made with all of history; those made before the rows that they judge pass."""

from __future__ import annotations

import pytest

from tests.unit.leaklint.pairs import Pairs, hold

KEY = "exchange, market_type, symbol"


def _threshold(inside: str, outside: str = "") -> str:
    return f"SELECT ts, v > (SELECT quantile(0.9)(v) FROM f {inside}) AS is_large FROM f {outside}"


def _joined(inside: str, outside: str = "") -> str:
    return f"WITH q AS (SELECT {KEY}, quantile(0.9)(v) AS hi FROM f {inside} GROUP BY {KEY}) SELECT ts, v > hi FROM f JOIN q USING ({KEY}) {outside}"


# rule, leak, honest twin
PAIRS: Pairs = {
    "yesterday's, for rows of all years": (
        "whole-history",
        _threshold("WHERE ts < now() - INTERVAL 1 DAY"),
        _threshold("WHERE ts < now() - INTERVAL 1 DAY", "WHERE ts >= now() - INTERVAL 1 DAY"),
    ),
    "yesterday's, for rows of a week": (
        "whole-history",
        _threshold("WHERE ts < now() - INTERVAL 1 DAY", "WHERE ts >= now() - INTERVAL 7 DAY"),
        _threshold("WHERE ts < now() - INTERVAL 7 DAY", "WHERE ts >= now() - INTERVAL 1 DAY"),
    ),
    "before today": (
        "whole-history",
        _threshold("WHERE ts < today()"),
        _threshold("WHERE ts < today() - 1", "WHERE ts >= today()"),
    ),
    "a bound written the other way round": (
        "whole-history",
        _joined("WHERE now() - INTERVAL 1 DAY > ts"),
        _joined("WHERE now() - INTERVAL 1 DAY > ts", "WHERE now() - INTERVAL 1 HOUR <= f.ts"),
    ),
    "an hour until now": (
        "whole-history",
        _threshold("WHERE ts >= now() - INTERVAL 1 HOUR"),
        _threshold("WHERE ts >= now() - INTERVAL 1 HOUR AND ts < {from_ts:DateTime}"),
    ),
    "a month until now": (
        "whole-history",
        _threshold("WHERE ts BETWEEN now() - INTERVAL 30 DAY AND now()"),
        _threshold("WHERE ts BETWEEN {from_ts:DateTime} - INTERVAL 30 DAY AND {from_ts:DateTime}"),
    ),
    "until now64": ("whole-history", _joined("WHERE ts <= now64(3)"), _joined("WHERE ts <= {from_ts:DateTime64(3)}")),
    "PREWHERE": (
        "whole-history",
        _threshold("PREWHERE ts < now() - INTERVAL 1 DAY"),
        _threshold("PREWHERE ts < {from_ts:DateTime}"),
    ),
    "a day by the wall clock, beside other rows": (
        "whole-history",
        _joined("WHERE toDate(ts) = today() - 1"),
        f"SELECT {KEY}, hi FROM (SELECT {KEY}, quantile(0.9)(v) AS hi FROM f WHERE toDate(ts) = today() - 1 GROUP BY {KEY})",
    ),
    "the symbols that traded most": (
        "whole-history",
        f"SELECT ts, v FROM f WHERE ({KEY}) IN (SELECT {KEY} FROM f GROUP BY {KEY} ORDER BY sum(v) DESC LIMIT 10)",
        f"SELECT ts, v FROM f WHERE ({KEY}) IN (SELECT {KEY} FROM f WHERE ts < {{from_ts:DateTime}} GROUP BY {KEY} ORDER BY sum(v) DESC LIMIT 10)",
    ),
    "the best three of all time": (
        "window-by-value",
        f"SELECT ts, v FROM f ORDER BY v DESC LIMIT 3 BY {KEY}",
        f"SELECT ts, v FROM f ORDER BY v DESC LIMIT 3 BY {KEY}, ts",
    ),
    "the best three, by the keys first": (
        "window-by-value",
        f"SELECT ts, v FROM f ORDER BY {KEY}, v DESC LIMIT 3 BY {KEY}",
        f"SELECT ts, v FROM f ORDER BY {KEY}, ts DESC LIMIT 3 BY {KEY}",
    ),
    "the best three of a day": (
        "window-by-value",
        f"SELECT ts, v FROM f ORDER BY v DESC LIMIT 3 BY {KEY}, toDate(ts)",
        f"SELECT ts, v FROM f WHERE ts < {{at:DateTime}} ORDER BY v DESC LIMIT 3 BY {KEY}, toDate(ts)",
    ),
    "a view of the ten best": (
        "window-by-value",
        f"CREATE VIEW marketprism_features.x AS SELECT {KEY}, ts, v FROM f ORDER BY v DESC LIMIT 10",
        f"SELECT {KEY}, ts, v FROM f ORDER BY v DESC LIMIT 10",
    ),
    "the best of all, as a scale": (
        "window-by-value",
        "SELECT ts, v / (SELECT v FROM f ORDER BY v DESC LIMIT 1) AS share FROM f",
        "SELECT ts, v / (SELECT v FROM f WHERE ts < {from_ts:DateTime} ORDER BY v DESC LIMIT 1) AS share FROM f",
    ),
    "the best of a subquery": (
        "window-by-value",
        f"SELECT * FROM (SELECT * FROM (SELECT {KEY}, ts, v FROM f) ORDER BY v DESC LIMIT 10)",
        f"SELECT * FROM (SELECT * FROM (SELECT {KEY}, ts, v FROM f WHERE ts <= {{at:DateTime}}) ORDER BY v DESC LIMIT 10)",
    ),
}


@pytest.mark.parametrize(("rule", "leak", "honest"), PAIRS.values(), ids=PAIRS.keys())
def test_the_leak_is_caught_and_its_honest_twin_is_not(rule: str, leak: str, honest: str) -> None:
    hold(rule, leak, honest)
