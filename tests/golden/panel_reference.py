"""Day files made from real recordings, and the manifest and panel of them by polars alone.

Shares no code with MarketPrism. Day files: the recording's books laid end to end from 21:40 on until they meet the
real ones, which cross midnight; an hour is taken out of one symbol, another has a crossed stretch.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.golden.independent_features import Recorded, lob_top5, read_recording

LEVELS = 5
EVERY = 4
TILE_MS = 650_000
TILES = 12
DAY = dt.date(2024, 8, 8)
MIDNIGHT_MS = int(dt.datetime(2024, 8, 9, tzinfo=dt.UTC).timestamp()) * 1000
HOUR = (MIDNIGHT_MS - 7_000_000, MIDNIGHT_MS - 3_400_000)
"""Taken out of the first symbol's books; its trades go on."""
CROSSED = (MIDNIGHT_MS - 900_000, MIDNIGHT_MS - 880_000)
GRID, STALE, GAP, CARRY, WINDOW = 1_000, 3_000, 5_000, 60_000, 30
PENALTY = 2.0
FACTORS = (
    *("momentum", "realised_volatility", "mid_zscore", "flow_imbalance", "vwap_distance_bps", "spread_bps_mean"),
)
BOOK_COLUMNS = [f"{side}{n}" for side in ("ap", "av", "bp", "bv") for n in range(1, LEVELS + 1)]
DAY_MS = 86_400_000


@dataclass
class Made:
    """By symbol: books (ms, levels, NULL where one is absent) and trades (id, price, quantity, ms, is buyer maker)."""

    books: dict[str, pl.DataFrame] = field(default_factory=dict)
    trades: dict[str, pl.DataFrame] = field(default_factory=dict)


def make(recording: Path) -> Made:
    """Both symbols of the spot recording as they would stand in day files."""
    made = Made()
    for name, recorded in read_recording(recording).items():
        if not recorded.snapshot:
            continue
        books = tiled(books_of(recorded), "T")
        if name == "BTCUSDT":
            books = books.filter(~pl.col("T").is_between(*HOUR))
        else:
            flipped = pl.col("T").is_between(*CROSSED)
            swapped = [
                pl.when(flipped).then(f"{other}{n}").otherwise(f"{side}{n}").alias(f"{side}{n}")
                for side, other in (("ap", "bp"), ("bp", "ap"), ("av", "bv"), ("bv", "av"))
                for n in range(1, LEVELS + 1)
            ]
            books = books.with_columns(swapped)
        made.books[name] = books
        prints = pl.DataFrame(
            {
                "price": [float(each.price) for each in recorded.prints],
                "quantity": [float(each.quantity) for each in recorded.prints],
                "transact_time": [each.time for each in recorded.prints],
                "is_buyer_maker": [not each.buy for each in recorded.prints],
            }
        ).gather_every(12)
        trades = tiled(prints, "transact_time")
        made.trades[name] = trades.select(pl.int_range(1, pl.len() + 1).alias("agg_trade_id"), pl.all())
    return made


def books_of(recorded: Recorded) -> pl.DataFrame:
    rows = []
    for book in lob_top5(recorded, spot=True)[::EVERY]:
        levels = {
            f"{side}{n}": book[column][n - 1] if len(book[column]) >= n else None
            for side, column in (
                ("ap", "ask_prices_5"), ("av", "ask_quantities_5"), ("bp", "bid_prices_5"), ("bv", "bid_quantities_5"),
            )
            for n in range(1, LEVELS + 1)
        }  # fmt: skip
        rows.append({"T": book["timestamp"], **levels})
    return pl.DataFrame(rows).unique("T", keep="last", maintain_order=True)


def tiled(frame: pl.DataFrame, time: str) -> pl.DataFrame:
    """The frame's rows again and again before itself, in order of time."""
    parts = [frame.with_columns(pl.col(time) - TILE_MS * back) for back in range(TILES, -1, -1)]
    return pl.concat([part.filter(pl.col(time) < parts[-1][time][0]) for part in parts[:-1]] + parts[-1:]).sort(
        time, maintain_order=True
    )


def best(books: pl.DataFrame) -> pl.DataFrame:
    """With mid and spread; NULL where a side is empty."""
    return books.with_columns(
        mid=(pl.col("ap1") + pl.col("bp1")) / 2, spread=pl.col("ap1") - pl.col("bp1"), book_time=pl.col("T")
    )


def statistics(file: pl.DataFrame, day_ms: int) -> dict[str, float]:
    """The manifest's figures of one file, rows in the file's order."""
    kept = best(file.unique("T", keep="last").sort("T"))
    steps = kept["T"].diff().drop_nulls()
    two_sided = kept.filter(pl.col("mid").is_not_null())
    fine = two_sided.filter(pl.col("spread") > 0)
    points: set[int] = set()
    for time in kept["T"]:
        points.update(range(-(-time // GRID), min(time + STALE, day_ms + DAY_MS - 1) // GRID + 1))
    early = (file["T"].diff() < 0).sum()
    twice = file.height - kept.height
    coverage = len(points) * GRID / DAY_MS
    crossed = (two_sided["spread"] <= 0).mean()
    assert isinstance(crossed, float)
    return {
        "rows": file.height,
        "levels": LEVELS,
        "outside_rows": 0,
        "non_monotonic_rows": early,
        "duplicate_rows": twice,
        "median_dt_ms": steps.median(),
        "p99_dt_ms": steps.quantile(0.99, "linear"),
        "crossed_ratio": crossed,
        "mean_spread_bps": (fine["spread"] / fine["mid"] * 10_000).mean(),
        "coverage": coverage,
        "quality_score": coverage * (1 - crossed) * (1 - (early + twice) / file.height),
    }


def trade_statistics(trades: pl.DataFrame, day_ms: int) -> dict[str, float]:
    """The manifest's figures of a day's trades."""
    of_day = trades.filter(pl.col("transact_time").is_between(day_ms, day_ms + DAY_MS, closed="left"))
    cells = (-(-of_day["transact_time"] // GRID)).unique()
    return {
        "trade_coverage": (cells > day_ms // GRID).sum() / 86_400,
        "median_trade_dt_ms": of_day["transact_time"].diff().drop_nulls().median(),
    }


def panel(made: Made, start_ms: int, end_ms: int) -> pl.DataFrame:
    """Every column of grid_panel, panel_factors, panel_ranks and execution_prices, by symbol and ts (ms)."""
    parts = [_of_symbol(made.books[name], made.trades[name], name, start_ms, end_ms) for name in sorted(made.books)]
    rows = pl.concat(parts)
    for factor in (
        "momentum",
        "realised_volatility",
        "mid_zscore",
        "flow_imbalance",
        "vwap_distance_bps",
        "spread_bps_mean",
    ):
        live = pl.col("mask_live") & pl.col(factor).is_not_null()
        ranked = pl.when(live).then(pl.col(factor)).rank("average").over("ts")
        among = live.sum().over("ts")
        rank = pl.when(among == 1).then(0.5).otherwise((ranked - 1) / (among - 1))
        rows = rows.with_columns(pl.when(live).then(rank).alias(f"{factor}_rank"))
    return rows


def _of_symbol(books: pl.DataFrame, trades: pl.DataFrame, name: str, start_ms: int, end_ms: int) -> pl.DataFrame:
    grid = pl.DataFrame({"ts": range(start_ms, end_ms, GRID)}).with_columns(pl.col("ts").set_sorted())
    begins = pl.col("T").diff().fill_null(GAP + 1) > GAP
    held = best(books).sort("T").with_columns(segment=begins.cum_sum().cast(pl.Int64))
    held = held.with_columns(segment_from=pl.col("T").first().over("segment"))
    shown = grid.join_asof(held, left_on="ts", right_on="T", strategy="backward").with_columns(
        staleness_ms=pl.col("ts") - pl.col("book_time")
    )
    carried = pl.col("staleness_ms") <= CARRY
    shown = shown.with_columns(
        pl.when(carried).then(pl.col(column)).alias(column) for column in (*BOOK_COLUMNS, "mid", "spread")
    ).with_columns(
        symbol=pl.lit(name),
        staleness_ms=pl.when(carried).then("staleness_ms"),
        segment_id=pl.col("segment").fill_null(0),
        mask_live=(carried & pl.col("mid").is_not_null() & (pl.col("staleness_ms") <= STALE)).fill_null(value=False),
    )
    return _prices(_factors(_with_trades(shown, trades)))


def _with_trades(shown: pl.DataFrame, trades: pl.DataFrame) -> pl.DataFrame:
    buy = ~pl.col("is_buyer_maker")
    value = pl.col("price") * pl.col("quantity")
    binned = (
        trades.sort("agg_trade_id")
        .with_columns(ts=-(-pl.col("transact_time") // GRID) * GRID)
        .group_by("ts", maintain_order=True)
        .agg(
            n_trades=pl.len(),
            vol=pl.col("quantity").sum(),
            vol_buy=pl.col("quantity").filter(buy).sum(),
            dollar_vol=value.sum(),
            bought=value.filter(buy).sum(),
            last_price=pl.col("price").last(),
        )
        .sort("ts")
        .with_columns(before=pl.col("last_price").shift(1), before_ts=pl.col("ts").shift(1))
    )
    joined = shown.join(binned, on="ts", how="left", maintain_order="left")
    flows = ("n_trades", "vol", "vol_buy", "dollar_vol", "bought")
    joined = joined.with_columns(pl.col(flow).fill_null(0) for flow in flows)
    near = (pl.col("ts") - pl.col("before_ts") <= 60_000) & (pl.col("before_ts") >= pl.col("segment_from").fill_null(0))
    return joined.with_columns(
        vol_sell=pl.col("vol") - pl.col("vol_buy"),
        vol_net=2 * pl.col("vol_buy") - pl.col("vol"),
        signed_dv=2 * pl.col("bought") - pl.col("dollar_vol"),
        of_buy_ratio=pl.when(pl.col("vol") > 0).then(pl.col("vol_buy") / pl.col("vol")).otherwise(0.5),
        vwap=pl.when(pl.col("vol") > 0).then(pl.col("dollar_vol") / pl.col("vol")),
        mask_trade=pl.col("n_trades") > 0,
        ret_last=pl.when(pl.col("n_trades") == 0)
        .then(0.0)
        .when(near)
        .then((pl.col("last_price") / pl.col("before")).log()),
    )


def _factors(rows: pl.DataFrame) -> pl.DataFrame:
    rows = rows.with_columns(
        step=(pl.col("mid") / pl.col("mid").shift(1)).log().over("segment_id"),
        bps=pl.col("spread") / pl.col("mid") * 10_000,
    )
    warm = pl.col("mid").shift(WINDOW).is_not_null() & pl.col("mask_live") & (pl.col("spread") > 0)
    parts = []
    for part in rows.partition_by("segment_id", maintain_order=True):
        mid, offset = part["mid"], part["mid"].to_numpy() - (part["mid"].drop_nulls().first() or 0.0)
        volume, flow = _rolled(part["vol"], np.sum), _rolled(part["dollar_vol"], np.sum)
        deviation = _rolled(pl.Series(offset), _deviation)
        factors = {
            "momentum": (mid / mid.shift(WINDOW)).log(),
            "realised_volatility": _rolled(part["step"] ** 2, np.sum).sqrt(),
            "mid_zscore": (mid - _rolled(mid, np.mean)) / _or_none(deviation),
            "flow_imbalance": _rolled(part["signed_dv"], np.sum) / _or_none(flow),
            "vwap_distance_bps": (mid / (_or_none(flow) / _or_none(volume)) - 1) * 10_000,
            "spread_bps_mean": _rolled(part["bps"], np.mean),
        }
        part = part.with_columns(pl.lit(values).alias(name) for name, values in factors.items())
        parts.append(part.with_columns(pl.when(warm).then(pl.col(name)).alias(name) for name in factors))
    return pl.concat(parts)


def _rolled(values: pl.Series, how: Callable[..., Any]) -> pl.Series:
    """Over each row and the rows before it, WINDOW in all; NULL where one of them is."""
    if len(values) < WINDOW:
        return pl.Series([None] * len(values), dtype=pl.Float64)
    windows = np.lib.stride_tricks.sliding_window_view(values.to_numpy().astype(float), WINDOW)
    rolled = np.concatenate([np.full(WINDOW - 1, np.nan), how(windows, axis=1)])
    return pl.Series(rolled).fill_nan(None)


def _deviation(windows: Any, axis: int) -> Any:
    """Of the values less the first of them: exactly 0 where they are equal."""
    return np.std(windows - windows[:, :1], axis=axis)


def _or_none(values: pl.Series) -> pl.Series:
    return values.replace(0.0, None)


def _prices(rows: pl.DataFrame) -> pl.DataFrame:
    penalty = pl.col("mid") * PENALTY / 10_000 * pl.col("staleness_ms") / 1_000
    tradable = (pl.col("mask_live") & (pl.col("spread") > 0)).fill_null(value=False)
    rows = rows.with_columns(can_trade=tradable)
    first = pl.col("can_trade").cum_sum().over("segment_id") == 1
    return rows.with_columns(
        buy_price=pl.when("can_trade").then(pl.col("mid") + pl.col("spread") / 2 + penalty),
        sell_price=pl.when("can_trade").then(pl.col("mid") - pl.col("spread") / 2 - penalty),
        gap_exit=pl.col("can_trade") & first,
    )
