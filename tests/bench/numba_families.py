"""The five families as a user of polars and numba writes them: one compiled pass over the columns of a frame.

What ``bench_families`` times beside polars and DuckDB. Compilation is not timed: the first call of a kernel is the
round that nobody counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]

MINUTE_MS = 60_000
BARS = ("open", "high", "low", "close", "volume", "bought", "notional", "trades")
WINDOW = 50


@njit  # type: ignore[untyped-decorator]
def _bars(ts: Array, price: Array, quantity: Array, buy: Array, q: float) -> tuple[Array, Array]:
    """(bucket ids, a row of BARS for each): a bucket is a minute and the volume before the trade in it / q."""
    count = len(ts)
    ids, rows = np.empty(count, np.int64), np.empty((count, 8))
    made, minute, before = -1, np.int64(-1), 0.0
    for i in range(count):
        if ts[i] // MINUTE_MS != minute:
            minute, before = ts[i] // MINUTE_MS, 0.0
        bucket = minute * 100_000 + np.int64(np.floor(before / q + 1e-9))
        before += quantity[i]
        if made < 0 or ids[made] != bucket:
            made += 1
            ids[made] = bucket
            rows[made, :4] = price[i]
            rows[made, 4:] = 0.0
        row = rows[made]
        row[1], row[2], row[3] = max(row[1], price[i]), min(row[2], price[i]), price[i]
        row[4] += quantity[i]
        row[5] += quantity[i] if buy[i] else 0.0
        row[6] += price[i] * quantity[i]
        row[7] += 1
    return ids[: made + 1].copy(), rows[: made + 1].copy()


@njit  # type: ignore[untyped-decorator]
def _vpin(volume: Array, bought: Array) -> Array:
    """Sum of |buy − sell| / sum of volume over the last 50 bars."""
    found = np.full(len(volume), np.nan)
    moved, whole = 0.0, 0.0
    for i in range(len(volume)):
        moved += abs(2 * bought[i] - volume[i])
        whole += volume[i]
        if i >= WINDOW:
            moved -= abs(2 * bought[i - WINDOW] - volume[i - WINDOW])
            whole -= volume[i - WINDOW]
        if i >= WINDOW - 1:
            found[i] = moved / whole
    return found


@njit  # type: ignore[untyped-decorator]
def _kyle(signed: Array, change: Array) -> Array:
    """Slope of the change on signed volume over the last 50 bars."""
    found = np.full(len(signed), np.nan)
    for i in range(WINDOW - 1, len(signed)):
        x, y = signed[i - WINDOW + 1 : i + 1], change[i - WINDOW + 1 : i + 1]
        off = x - x.mean()
        found[i] = (off * (y - y.mean())).sum() / (off * off).sum()
    return found


@njit  # type: ignore[untyped-decorator]
def _minutes(ts: Array, price: Array, quantity: Array, buy: Array) -> tuple[Array, Array]:
    """(minutes, a row of open, high, low, close, volume and flow for each)."""
    ids, rows = np.empty(len(ts), np.int64), np.empty((len(ts), 6))
    made = -1
    for i in range(len(ts)):
        minute = ts[i] // MINUTE_MS
        if made < 0 or ids[made] != minute:
            made += 1
            ids[made] = minute
            rows[made, :4] = price[i]
            rows[made, 4:] = 0.0
        row = rows[made]
        row[1], row[2], row[3] = max(row[1], price[i]), min(row[2], price[i]), price[i]
        row[4] += quantity[i]
        row[5] += quantity[i] if buy[i] else -quantity[i]
    return ids[: made + 1].copy(), rows[: made + 1].copy()


@njit  # type: ignore[untyped-decorator]
def _footprint(ts: Array, tick: Array, quantity: Array, buy: Array) -> tuple[Array, Array]:
    """((minute, tick), (bought, volume, trades)) of every price that traded in a minute."""
    ids, rows = np.empty((len(ts), 2), np.int64), np.empty((len(ts), 3))
    made, start = 0, 0
    while start < len(ts):
        minute, end = ts[start] // MINUTE_MS, start
        while end < len(ts) and ts[end] // MINUTE_MS == minute:
            end += 1
        lowest = tick[start:end].min()
        bins = np.zeros((tick[start:end].max() - lowest + 1, 3))
        for i in range(start, end):
            row = bins[tick[i] - lowest]
            row[0] += quantity[i] if buy[i] else 0.0
            row[1] += quantity[i]
            row[2] += 1
        for number in range(len(bins)):
            if bins[number, 2]:
                ids[made, 0], ids[made, 1] = minute, lowest + number
                rows[made] = bins[number]
                made += 1
        start = end
    return ids[:made].copy(), rows[:made].copy()


def of_numba(frame: pl.DataFrame, q: float) -> tuple[Callable[[], pl.DataFrame], ...]:
    """Bucket bars, VPIN, Kyle, minutes and footprint, each from the columns of the frame."""
    ts, price, quantity, buy, tick = (frame[name].to_numpy() for name in ("ts", "price", "quantity", "buy", "tick"))

    def bars() -> pl.DataFrame:
        ids, rows = _bars(ts, price, quantity, buy, q)
        return pl.DataFrame({"bucket": ids, **{name: rows[:, i] for i, name in enumerate(BARS)}})

    def vpin() -> pl.DataFrame:
        made = bars()
        return made.with_columns(vpin=pl.Series(_vpin(made["volume"].to_numpy(), made["bought"].to_numpy())))

    def kyle() -> pl.DataFrame:
        made = bars()
        signed, change = 2 * made["bought"] - made["volume"], made["close"] - made["open"]
        return made.with_columns(kyle=pl.Series(_kyle(signed.to_numpy(), change.to_numpy())))

    def minutes() -> pl.DataFrame:
        ids, rows = _minutes(ts, price, quantity, buy)
        names = ("open", "high", "low", "close", "volume", "flow")
        made = {"minute": ids, **{name: rows[:, i] for i, name in enumerate(names)}, "cvd": np.cumsum(rows[:, 5])}
        return pl.DataFrame(made)

    def footprint() -> pl.DataFrame:
        ids, rows = _footprint(ts, tick, quantity, buy)
        return pl.DataFrame(
            {"minute": ids[:, 0], "tick": ids[:, 1], "bought": rows[:, 0], "volume": rows[:, 1], "trades": rows[:, 2]}
        )

    return bars, vpin, kyle, minutes, footprint
