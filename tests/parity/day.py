"""One synthetic UTC day of trades and books: busy and quiet hours, runs of one side, heavy-tailed sizes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np

from tests.sql.rows import DAY_MS, assign_buckets, book, trade
from tests.sql.tape import Rows

MIDNIGHT_MS = int(dt.datetime(2024, 8, 7, tzinfo=dt.UTC).timestamp() * 1000)
TICK = 0.5
BUCKETS = 600
LEVELS = 12
MINUTES = 1440


def make_trades(seed: int, count: int) -> Rows:
    """``count`` trades in about 600 buckets; one in 50 is of the millisecond before it, and no minute is empty."""
    rng = np.random.default_rng(seed)
    busy = 2 + np.sin(np.arange(MINUTES) / MINUTES * 2 * np.pi)
    minutes = np.concatenate([np.arange(MINUTES), rng.choice(MINUTES, size=count - MINUTES, p=busy / busy.sum())])
    offsets = np.sort(minutes * 60_000 + rng.integers(0, 60_000, size=count))
    offsets[1::50] = offsets[::50]
    buys = np.cumsum(rng.random(count) < 0.3) % 2 == 0
    jumps = np.where(rng.random(count) < 1e-3, rng.integers(-40, 40, count), 0)
    ticks = 120_000 + np.cumsum(rng.choice((-1, 0, 0, 0, 1), size=count) + jumps) + buys
    sizes = np.maximum(1, (rng.lognormal(-1.5, 1.4, count) * 1000).astype(int))
    columns = (column.tolist() for column in (offsets, ticks, sizes, buys))
    rows = [
        trade(n, MIDNIGHT_MS + at, str(Decimal(tick) / 2), str(Decimal(size) / 1000), "buy" if buy else "sell")
        for n, (at, tick, size, buy) in enumerate(zip(*columns, strict=True), start=1)
    ]
    return assign_buckets(rows, Decimal(int(sizes.sum())) / 1000 / BUCKETS, t_max_ms=600_000)


def make_books(seed: int, trades: Rows, step_ms: int) -> Rows:
    """A book of twelve levels about each ``step_ms``, around the last trade before it."""
    rng = np.random.default_rng(seed)
    times = np.arange(MIDNIGHT_MS + 500, MIDNIGHT_MS + DAY_MS, step_ms)
    times = np.sort(times + rng.integers(-step_ms // 3, step_ms // 3, size=len(times)))
    last = np.searchsorted([row["timestamp"] for row in trades], times)
    out = []
    for number, (at, position) in enumerate(zip(times.tolist(), last.tolist(), strict=True), start=1):
        price = float(trades[max(0, position - 1)]["price"])
        sizes = rng.integers(1, 800, size=(2, LEVELS)) / 100
        bids, asks = (list(enumerate(row.tolist())) for row in sizes)
        out.append(
            book(
                number,
                at,
                [(price - TICK * rank, size) for rank, size in bids],
                [(price + TICK * (rank + 1), size) for rank, size in asks],
            )
        )
    return out
