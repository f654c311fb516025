# ruff: noqa: E501 — planted statements stay on one line so that a reader sees them whole
"""Rows that say they were known before all of them was; those dated by the last of it pass."""

from __future__ import annotations

import pytest

from tests.unit.leaklint.pairs import Pairs, hold

KEY = "exchange, market_type, symbol"
ON = "a.exchange = b.exchange AND a.market_type = b.market_type AND a.symbol = b.symbol AND a.ts = b.ts"


def _bucket(known: str) -> str:
    return f"SELECT {KEY}, bucket_id, max(price) AS high, {known} AS available_at FROM trades GROUP BY {KEY}, bucket_id"


def _minute(item: str) -> str:
    return f"SELECT {KEY}, {item}, max(price) AS high FROM trades GROUP BY {KEY}, toStartOfMinute(timestamp)"


def _both(known: str) -> str:
    return f"SELECT a.ts, b.close, {known} AS available_at FROM f AS a JOIN g AS b ON {ON}"


# rule, leak, honest twin
PAIRS: Pairs = {
    "the first receipt": ("backdated", _bucket("min(received_at)"), _bucket("max(received_at)")),
    "the first receipt, converted": (
        "backdated",
        _bucket("toDateTime64(min(received_at), 6, 'UTC')"),
        _bucket("toDateTime64(max(received_at), 6, 'UTC')"),
    ),
    "the earlier of two": (
        "backdated",
        _both("least(a.available_at, b.available_at)"),
        _both("greatest(a.available_at, b.available_at)"),
    ),
    "the start of a minute": (
        "backdated",
        _minute("toStartOfMinute(timestamp) AS available_at"),
        _minute("toStartOfMinute(timestamp) + INTERVAL 1 MINUTE AS available_at"),
    ),
    "half a minute in": (
        "backdated",
        _minute("toStartOfMinute(timestamp) + INTERVAL 30 SECOND AS available_at"),
        _minute("toStartOfMinute(timestamp) + INTERVAL 60 SECOND AS available_at"),
    ),
    "a minute under an instant's name": (
        "backdated",
        _minute("toStartOfMinute(timestamp) AS timestamp"),
        _minute("toStartOfMinute(timestamp) AS ts_1m"),
    ),
    "a minute under an instant's name, and when it was known": (
        "backdated",
        _minute("toStartOfMinute(timestamp) AS ts"),
        _minute("toStartOfMinute(timestamp) AS ts, max(received_at) AS available_at"),
    ),
    "date_trunc": (
        "backdated",
        f"SELECT {KEY}, date_trunc('hour', ts) AS ts, avg(v) AS v FROM f GROUP BY {KEY}, date_trunc('hour', ts)",
        f"SELECT {KEY}, date_trunc('hour', ts) + INTERVAL 1 HOUR AS ts, avg(v) AS v FROM f GROUP BY {KEY}, date_trunc('hour', ts)",
    ),
    "a number of seconds": (
        "backdated",
        _minute("toDateTime(intDiv(toUnixTimestamp(timestamp), 60) * 60) AS ts"),
        _minute("toDateTime(intDiv(toUnixTimestamp(timestamp), 60) * 60 + 60) AS ts"),
    ),
}


@pytest.mark.parametrize(("rule", "leak", "honest"), PAIRS.values(), ids=PAIRS.keys())
def test_the_leak_is_caught_and_its_honest_twin_is_not(rule: str, leak: str, honest: str) -> None:
    hold(rule, leak, honest)
