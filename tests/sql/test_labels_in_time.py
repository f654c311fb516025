"""Labels in time: from where each counts, and that what reads ``ok`` is settled and does not change."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tests.sql.catalogue_tape import epoch_us, same
from tests.sql.rows import assign_buckets, book, trade

NOON_MS = int(dt.datetime(2024, 8, 8, 12, 0, tzinfo=dt.UTC).timestamp() * 1000)
Labels = list[dict[str, Any]]


def price(at_ms: int, start_ms: int) -> float:
    """A mid that rises an eighth a second from 100."""
    return 100 + (at_ms - start_ms) / 8000


def add_books(engine: Any, symbol: str, start_ms: int, times: Iterable[int]) -> None:
    """A book at each time with the mid of ``price``, half a unit to either side."""
    engine.books(
        symbol,
        [book(at, at, [(price(at, start_ms) - 0.5, 1)], [(price(at, start_ms) + 0.5, 1)]) for at in times],
    )


def add_trades(engine: Any, symbol: str, times: Iterable[int]) -> None:
    """Trades of 1 in buckets of 2."""
    rows = [trade(number, at, "100", "1", "buy") for number, at in enumerate(times, start=1)]
    engine.trades(symbol, assign_buckets(rows, Decimal(2)))


def labels(engine: Any, symbol: str) -> Labels:
    return engine.rows(f"SELECT * FROM marketprism_labels.bucket_labels WHERE symbol = '{symbol}' ORDER BY bucket_id")


def moved(start_ms: int, from_ms: int, seconds: int) -> float:
    return math.log(price(from_ms + seconds * 1000, start_ms) / price(from_ms, start_ms))


def test_returns_from_when_a_bucket_was_known(engine: Any, symbol: Any) -> None:
    """Trades at 0 s and 3 s, then none for 67 s: the clock closes the bucket at 60 s."""
    name = symbol()
    starts = [NOON_MS + number * 70_000 for number in range(12)]
    rows = [trade(2 * n + k, at + k * 3000, "100", "1", "buy") for n, at in enumerate(starts) for k in (0, 1)]
    engine.trades(name, assign_buckets(rows, Decimal(10)))
    add_books(engine, name, NOON_MS, range(NOON_MS, starts[-1] + 400_000, 500))
    found = labels(engine, name)
    assert len(found) == 12
    for start, row in zip(starts, found, strict=True):
        end, known = start + 3000, start + 60_000
        assert epoch_us(row["bucket_ts_end"]) == end * 1000
        assert epoch_us(row["bucket_available_at"]) == known * 1000
        assert same(row["mid"], price(end, NOON_MS))
        assert same(row["mid_available"], price(known, NOON_MS))
        for column, seconds in (("return_30s", 30), ("return_1m", 60), ("return_5m", 300)):
            assert same(row[column], moved(NOON_MS, end, seconds))
            assert same(row[f"{column}_available"], moved(NOON_MS, known, seconds))
    assert found[0]["known_at"] == found[10]["bucket_ts_end"], "the tenth bucket after comes last"
    assert epoch_us(found[2]["known_at"]) == (starts[2] + 360_000) * 1000
    assert [row["quality"] for row in found] == ["ok"] * 2 + ["partial"] * 10


def test_a_bucket_is_not_known_before_its_end_by_a_slow_clock(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = [trade(n, NOON_MS + n * 100, "100", "1", "buy", received_at=(NOON_MS - 5000) * 1000) for n in (1, 2)]
    engine.trades(name, assign_buckets(rows, Decimal(2)))
    (row,) = labels(engine, name)
    assert row["bucket_available_at"] == row["bucket_ts_end"]


def test_what_is_ok_does_not_change_when_books_come_late(engine: Any, symbol: Any) -> None:
    """Trades run 100 s ahead of the books: the horizon has passed, its mid is not known yet."""
    name = symbol()
    start = NOON_MS
    add_trades(engine, name, [start + number * 2500 for number in range(200)])
    reached = start + 400_000
    add_books(engine, name, start, range(start, reached + 1, 500))
    before = labels(engine, name)
    add_books(engine, name, start, range(reached + 500, start + 900_000, 500))
    after = labels(engine, name)
    assert len(before) == len(after) == 100
    for early, late in zip(before, after, strict=True):
        end = epoch_us(early["bucket_ts_end"]) // 1000
        assert early["quality"] != "ok" or early == late
        assert (early["quality"] == "ok") == (epoch_us(early["known_at"]) <= reached * 1000)
        assert same(early["return_5m"], moved(start, end, 300) if end + 300_000 <= reached else None)
        assert same(late["return_5m"], moved(start, end, 300))
    for count in (1, 3, 5, 10):
        for early, later in itertools.pairwise(before[::count]):
            there = epoch_us(later["bucket_ts_end"]) <= reached * 1000
            assert (early[f"return_per_s_{count}"] is not None) == there
    assert all((row["class_fixed"] is None) == (row["return_per_s_5"] is None) for row in before)
    assert {row["quality"] for row in before} >= {"ok", "partial"}


def test_no_label_before_its_time_whatever_the_books_say(engine: Any, symbol: Any) -> None:
    """Fifty seconds of a busy symbol have ten buckets; a book of a fast clock is ahead of the time."""
    name = symbol()
    start = int(time.time() * 1000) - 100_000
    add_trades(engine, name, [start + number * 2500 for number in range(24)])
    add_books(engine, name, start, range(start, start + 700_000, 500))
    found = labels(engine, name)
    assert len(found) == 12
    assert [row["quality"] for row in found] == ["partial"] * 12
    assert [row["return_5m"] for row in found] == [None] * 12
    assert same(found[0]["return_30s"], moved(start, start + 2500, 30))
    assert found[0]["return_per_s_10"] is not None
