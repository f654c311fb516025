"""A seeded tape of trades and books, and the features computed from it by numpy, apart from any SQL."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

import numpy as np

from tests.sql.rows import assign_buckets, book, trade

EVENING_MS = int(dt.datetime(2024, 8, 8, 23, 0, tzinfo=dt.UTC).timestamp() * 1000)
Rows = list[dict[str, Any]]


def random_trades(seed: int, count: int = 6000, start_ms: int = EVENING_MS, pace: int = 1) -> Rows:
    """About two hours of trades across midnight, with pauses longer than the time limit; ``pace`` spreads them."""
    rng = random.Random(seed)
    timestamp, tick = start_ms, 120_000
    out = []
    for number in range(1, count + 1):
        timestamp += pace * rng.choice((0, 1, 7, 120, 900, 3000)) if rng.random() > 0.002 else 150_000
        tick += rng.choice((-2, -1, 0, 0, 1, 2))
        quantity = f"{rng.randrange(1, 4_000_000_000) / 10**9:.9f}"
        side = rng.choice(("buy", "buy", "sell"))
        out.append(trade(number, timestamp, str(Decimal(tick) / 2), quantity, side))
    return assign_buckets(out, Decimal(50))


def random_books(
    seed: int, trades: Rows, one_sided: int = 97, pace: int = 1, silent: int = 700, levels: int = 6
) -> Rows:
    """A book each 100 ms to 2 s (times ``pace``) over the trades' time, some without asks, with long silences."""
    rng = random.Random(seed)
    timestamp, last = trades[0]["timestamp"] - 500, trades[-1]["timestamp"]
    out, number = [], 0
    while timestamp < last:
        number += 1
        bid = 60_000 + rng.randrange(-200, 200) / 2
        asks = []
        if number % one_sided:
            asks = [(bid + 0.5 + level, rng.randrange(1, 90) / 8) for level in range(levels)]
        out.append(book(number, timestamp, [(bid - level, rng.randrange(1, 90) / 8) for level in range(levels)], asks))
        timestamp += pace * rng.choice((100, 200, 2000)) if number % silent else 200_000
    return out


def by_bucket(trades: Rows) -> dict[int, Rows]:
    """Bucket id → its trades, in order."""
    buckets: dict[int, Rows] = defaultdict(list)
    for row in trades:
        if row["bucket_id"]:
            buckets[row["bucket_id"]].append(row)
    return dict(sorted(buckets.items()))


def flow(trades: Rows) -> tuple[Decimal, Decimal, Decimal]:
    """Exact (volume, buy volume, notional)."""
    volume = sum((Decimal(row["quantity"]) for row in trades), Decimal(0))
    buys = sum((Decimal(row["quantity"]) for row in trades if row["side"] == "buy"), Decimal(0))
    notional = sum((Decimal(row["quantity"]) * Decimal(row["price"]) for row in trades), Decimal(0))
    return volume, buys, notional


def impact(buckets: dict[int, Rows], window: int = 50) -> dict[int, dict[str, float | None]]:
    """VPIN, Kyle's slope with R² (numpy.polyfit, corrcoef), the ratio and Amihud of every bucket."""
    ids = list(buckets)
    flows = [flow(buckets[key]) for key in ids]
    signed = np.array([float(2 * buys - volume) for volume, buys, _ in flows])
    volumes = [volume for volume, _, _ in flows]
    change = np.array([float(Decimal(buckets[key][-1]["price"]) - Decimal(buckets[key][0]["price"])) for key in ids])
    out: dict[int, dict[str, float | None]] = {}
    for index, key in enumerate(ids):
        first = float(buckets[key][0]["price"])
        row: dict[str, float | None] = {
            "kyle_lambda": change[index] / signed[index] if signed[index] else None,
            "amihud_illiq": abs(change[index] / first) / float(flows[index][2]),
            "vpin": None,
            "kyle_lambda_ols": None,
            "kyle_r2": None,
        }
        if index + 1 >= window:
            part = slice(index + 1 - window, index + 1)
            row["vpin"] = float(np.abs(signed[part]).sum()) / float(sum(volumes[part]))
            row["kyle_lambda_ols"] = float(np.polyfit(signed[part], change[part], 1)[0])
            row["kyle_r2"] = float(np.corrcoef(signed[part], change[part])[0, 1] ** 2)
        out[key] = row
    return out


def mids(buckets: dict[int, Rows], books: Rows) -> dict[int, tuple[float | None, float | None, int | None]]:
    """Bucket id → (as-of mid, mean mid, staleness in ms) by scanning the books."""
    times = np.array([row["timestamp"] for row in books])
    values = np.array([(row["bids"][0][0] + row["asks"][0][0]) / 2 if row["asks"] else np.nan for row in books])
    out: dict[int, tuple[float | None, float | None, int | None]] = {}
    for key, rows in buckets.items():
        start, end = min(row["timestamp"] for row in rows), max(row["timestamp"] for row in rows)
        position = int(np.searchsorted(times, end, side="right")) - 1
        age = int(end - times[position]) if position >= 0 else None
        known = age is not None and age <= 60_000 and not np.isnan(values[position])
        inside = values[(times >= start) & (times <= end)]
        inside = inside[~np.isnan(inside)]
        mean = float(inside.mean()) if len(inside) else None
        out[key] = (float(values[position]) if known else None, mean, age)
    return out
