"""The comparison of the fault plan notices a bucket that was cut elsewhere, and a second that lacks a trade."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.faults.compare_ledger import Trade, Verdict, _seconds
from tests.faults.derive_cuts import DAY_MS, check_cuts

START = 20_000 * DAY_MS
PREFIX = 20_241_004 * 1_000_000
VOLUME = ["volume", "5", 0, 30.0, 60_000, 0, 0.8]
ROWS = [  # sequence, ms of the day, quantity, bucket, cut: closed by volume, by time, by the day
    (1, 0, "2", 1, ""),
    (2, 1_000, "3.5", 1, "volume"),
    (3, 1_000, "1", 2, ""),
    (4, 60_999, "1", 2, ""),
    (5, 61_000, "1", 3, ""),
    (6, 60_000, "4", 3, "volume"),
    (7, DAY_MS - 1, "1", 4, ""),
]
NEXT_DAY = (8, DAY_MS, "9", 1_000_001, "volume")


class Stored:
    """Answers for trades and for configurations; the trade before the first has bucket ``below``."""

    def __init__(self, rows: list[tuple[Any, ...]], plans: list[list[Any]], below: int = 0) -> None:
        self.trades = [[n, START + ms, q, PREFIX + b, cut, 60_000] for n, ms, q, b, cut in rows if b >= below]
        self.plans = plans

    def rows(self, query: str) -> list[list[Any]]:
        return self.plans if "bucket_days" in query else self.trades


def days(plan: list[Any]) -> list[list[Any]]:
    return [[20_000, *plan], [20_001, *plan]]


@pytest.mark.parametrize("below", [0, 3])
def test_buckets_that_are_cut_where_they_must_be(below: int) -> None:
    assert check_cuts("spot X", "1", 6, Stored([*ROWS, NEXT_DAY], days(VOLUME), below)) == []


@pytest.mark.parametrize(
    ("place", "instead"),
    [
        (1, (2, 1_000, "3.5", 2, "")),  # it belongs to the bucket that it fills
        (1, (2, 1_000, "3.5", 1, "")),  # the closing trade is marked
        (4, (5, 61_000, "1", 2, "")),  # a minute after the first trade of the bucket
        (3, (4, 60_999, "1", 3, "")),  # a millisecond before that
        (6, (7, DAY_MS - 1, "1", 3, "")),
        (7, (8, DAY_MS, "9", 5, "volume")),  # buckets restart with the day
    ],
)
def test_a_trade_in_another_bucket_is_found(place: int, instead: tuple[Any, ...]) -> None:
    rows = [*ROWS, NEXT_DAY]
    rows[place] = instead
    found = check_cuts("spot X", "1", 1, Stored(rows, days(VOLUME)))
    assert len(found) == 1
    assert "must be in" in found[0]


def test_by_count_by_quality_and_by_time() -> None:
    counted = [(n, n * 1_000, "1", (n + 1) // 2, "" if n % 2 else "count") for n in range(1, 7)]
    assert check_cuts("X", "1", 1, Stored(counted, days(["count", "0", 2, 30.0, 60_000, 0, 0.8]))) == []
    adaptive = [(1, 0, "9", 1, ""), (2, 23_999, "9", 1, ""), (3, 24_000, "9", 1, "volume"), (4, 24_000, "9", 2, "")]
    plan = ["adaptive", "5", 0, 30.0, 60_000, 3, 0.8]
    assert check_cuts("X", "1", 1, Stored(adaptive, days(plan))) == []
    timed = [(1, 0, "9", 1, ""), (2, 59_999, "9", 1, ""), (3, 60_000, "9", 2, "")]
    assert check_cuts("X", "1", 1, Stored(timed, days(["time", "0", 0, 30.0, 60_000, 0, 0.8]))) == []
    assert check_cuts("X", "1", 1, Stored(timed, days(["count", "0", 2, 30.0, 60_000, 0, 0.8]))) != []


def test_a_day_without_a_configuration_is_found() -> None:
    assert check_cuts("X", "1", 1, Stored(ROWS, [])) == ["X day 20000: 0 configurations"]


def test_a_second_that_lacks_a_trade_is_found() -> None:
    """The first second may have begun before; of the next one a trade, its price or its value may be missing."""
    trades = {
        n: Trade(ms, Decimal(price), side, Decimal(quantity))
        for n, ms, price, side, quantity in [
            (1, 500, "10", "buy", "1"),
            (2, 1_000, "11", "buy", "2"),
            (3, 1_000, "9", "sell", "1"),
            (4, 1_999, "10", "sell", "1"),
        ]
    }

    def wrong(*row: Any) -> list[str]:
        verdict = Verdict()
        stored = Stored([], [])
        stored.trades = [[1, *row]]
        _seconds("X", trades, "1", stored, verdict)  # type: ignore[arg-type]
        return verdict.wrong

    assert wrong(3, "4", "2", "41", "11", "11", "9", "10") == []
    assert wrong(2, "3", "2", "31", "11", "11", "9", "9") != []
    assert wrong(3, "4", "2", "41", "11", "11", "9", "9") != []
