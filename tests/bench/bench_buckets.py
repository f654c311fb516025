"""Bucket assignment, trades/s: a day of history in one go, and live batches of many symbols.

python -m tests.bench.bench_buckets
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import polars as pl

from storage_service.buckets.book import BucketBook
from storage_service.buckets.fold import DayState, Quantities, advance
from storage_service.buckets.plan import SCALE, DayPlan
from storage_service.schema import DECIMAL

FRAME_ROWS = 20
START = 1_700_000_000_000 // 86_400_000 * 86_400_000


def best(work: Callable[[], object], rounds: int = 5) -> float:
    """Processor seconds of the fastest round, all threads: the machine is shared."""
    found = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        work()
        found = min(found, time.process_time() - started)
    return found


def history(trades: int, per_bucket: int) -> float:
    """Trades/s of one symbol-day with about ``per_bucket`` trades a bucket."""
    random = np.random.default_rng(1)
    times = START + np.cumsum(random.integers(0, 60, trades)).astype(np.int64)
    low = random.integers(1, 2 * SCALE, trades).astype(np.int64)
    quantities = Quantities(np.stack([low, np.zeros_like(low)], axis=1))
    plan = DayPlan("trade", "volume", q_bucket=per_bucket * SCALE, t_max_ms=600_000)
    return trades / best(lambda: advance(DayState(), plan.thresholds(), times, quantities))


def live(symbols: int, rows: int, batches: int = 20) -> float:
    """Processor microseconds a trade of batches of ``rows`` trades over ``symbols`` symbols, grouping included.

    Frames of ``FRAME_ROWS`` rows of one symbol; the faster half of the batches counts: the machine is shared.
    """
    random = np.random.default_rng(2)
    plan = DayPlan("trade", "volume", q_bucket=300 * SCALE, t_max_ms=60_000)
    book = BucketBook()
    names = [f"S{i}USDT" for i in range(symbols)]
    book.open_days((("binance", "spot", name), START // 86_400_000, plan) for name in names)
    frames = []
    for number in range(batches):
        frame_symbols = np.repeat(random.integers(0, symbols, rows // FRAME_ROWS + 1), FRAME_ROWS)
        picked = frame_symbols[:rows]
        frames.append(
            pl.DataFrame(
                {
                    "exchange": ["binance"] * rows,
                    "market_type": ["spot"] * rows,
                    "symbol": [names[i] for i in picked],
                    "trade_kind": ["trade"] * rows,
                    "timestamp": START + number * 1000 + np.arange(rows) // 100,
                    "is_market": [True] * rows,
                    "quantity": pl.Series(random.integers(1, 9, rows)).cast(DECIMAL),
                }
            )
        )
    late = np.zeros(rows, dtype=np.bool_)
    times = []
    for frame in frames:
        started = time.process_time()
        book.assign(frame, late)
        times.append(time.process_time() - started)
    return sum(sorted(times)[: batches // 2]) / (batches // 2) / rows * 1e6


def main() -> None:
    for per_bucket in (1_500, 100, 10):
        print(f"history, 2 M trades, {per_bucket:>5} a bucket: {history(2_000_000, per_bucket) / 1e6:8.1f} M trades/s")
    for symbols, rows in ((2, 1_000), (2, 20_000), (100, 5_000), (1_000, 20_000)):
        print(f"live, {rows:>6} trades over {symbols:>5} symbols: {live(symbols, rows):8.2f} µs of processor a trade")


if __name__ == "__main__":
    main()
