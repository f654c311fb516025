"""What a worker remembers of 1,000 symbols over 24 h: bounded by symbols, not by trades."""

from __future__ import annotations

import tracemalloc

import numpy as np
import polars as pl

from storage_service.buckets.book import DAY_MS, BucketBook
from storage_service.buckets.plan import SCALE, DayPlan
from storage_service.duplicates import SequenceJudge
from storage_service.groups import grouped, key_columns
from storage_service.schema import DECIMAL

SYMBOLS = [f"S{number}USDT" for number in range(1_000)]
HOURS = (0, 8, 16, 23, 25)
PLAN = DayPlan("trade", "adaptive", q_bucket=5 * SCALE, n_min=2, t_max_ms=60_000)


def an_hour(hour: int, per_symbol: int, symbols: list[str] = SYMBOLS) -> pl.DataFrame:
    """Some trades of every symbol with a hole between them."""
    rows = per_symbol * len(symbols)
    number = np.tile(np.arange(per_symbol), len(symbols))
    return pl.DataFrame(
        {
            "exchange": ["binance"] * rows,
            "market_type": ["linear"] * rows,
            "symbol": np.repeat(symbols, per_symbol),
            "trade_kind": ["trade"] * rows,
            "sequence": (1 + hour * (per_symbol + 1) + number).astype(np.uint64),
            "timestamp": 20_000 * DAY_MS + hour * 3_600_000 + number * 7_000,
            "price": pl.Series(["10"] * rows).cast(DECIMAL),
            "quantity": pl.Series(["1.5"] * rows).cast(DECIMAL),
            "is_market": [True] * rows,
        }
    )


def test_the_state_of_a_thousand_symbols_over_a_day_is_below_100_mb() -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        judge, book = SequenceJudge("trades"), BucketBook()
        sizes = []
        for hour in HOURS:  # the last is past midnight, so that two days are open
            rows = an_hour(hour, 4)
            late = judge.judge(rows).late
            book.open_days([(request.symbol, request.day, PLAN) for request in book.missing_days(rows)])
            book.assign(rows, late)
            del rows, late
            sizes.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    assert len(book.symbols) == len(judge.marks) == len(SYMBOLS)
    assert sizes[-1] < 100 << 20
    assert sizes[-1] < 3 * sizes[0]  # an hour's holes and a second day are all that is added


def test_what_expires_leaves_memory_and_the_holes_on_record() -> None:
    """400 options a day: after a year it was 200 MB, and 13 MB of holes, more than NATS takes in one message."""
    judge, book = SequenceJudge("trades"), BucketBook()
    known = []
    for day in range(15):
        judge.begin_day()
        book.begin_day()
        for hour in (0, 1):  # a hole between the hours
            rows = an_hour(24 * day + hour, 1, ["BTC-PERPETUAL", *(f"BTC-{day}-{strike}-C" for strike in range(400))])
            late = judge.judge(rows).late
            book.open_days([(request.symbol, request.day, PLAN) for request in book.missing_days(rows)])
            book.assign(rows, late)
        known.append((len(book.symbols), len(judge.marks), sum(len(mark.holes) for mark in judge.marks.values())))
    assert known[-1][:2] == known[-3][:2] == (400 * 10 + 1, 400 * 10 + 1)
    assert known[-1][2] <= known[-3][2] + 4  # of the one that lives
    assert judge.holes_changed
    [group] = [group for group in grouped(rows, key_columns("trades")) if group[0][2] == "BTC-PERPETUAL"]
    assert judge.unknown([group]) == []
    assert book.unknown([group]) == set()
    expired = [(("binance", "linear", "BTC-0-0-C", "trade"), group[1])]
    assert judge.unknown(expired) == [expired[0][0]]
    assert book.unknown(expired) == {("binance", "linear", "BTC-0-0-C")}
