"""The job ``trade_clusters``: trades of the last ten minutes that stand together in time, price and size."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from marketprism.jobs.clustering import dbscan
from marketprism.jobs.runs import JobResult, Run, statement

TIME_S: Final = 5.0
PRICE_BPS: Final = 10.0
LOG_SIZE: Final = 0.2
MIN_TRADES: Final = 3
WINDOW_S: Final = 600
KEY: Final = ["exchange", "market_type", "symbol"]
SHARES: Final = ("largest_volume", "mean_density", "buy_share", "sell_share")

TRADES: Final = statement("trade_clusters")


def trade_clusters(client: Any, run: Run) -> JobResult:
    """Cluster the trades received by ``run.at``, one row a symbol into ``trade_clusters``."""
    parameters = {"at": run.at, "seconds": WINDOW_S}
    trades = pl.DataFrame(pl.from_arrow(client.query_arrow(TRADES, parameters=parameters, use_strings=True)))
    rows = [
        {**dict(zip(KEY, key, strict=True)), **summary(part)} for key, part in trades.group_by(KEY, maintain_order=True)
    ]
    if not rows:
        return JobResult(0, 0)
    table = pl.DataFrame(rows, schema_overrides={"clusters": pl.UInt32, **dict.fromkeys(SHARES, pl.Float64)})
    return JobResult(len(trades), run.insert_dated(client, "trade_clusters", table))


def summary(trades: pl.DataFrame) -> dict[str, Any]:
    """The five outputs of one symbol's trades (columns at_ms, price, quantity, is_buy, has_gap)."""
    points = np.column_stack(
        [
            trades["at_ms"].to_numpy() / 1000 / TIME_S,
            np.log(trades["price"].to_numpy()) * 10_000 / PRICE_BPS,
            np.log(trades["quantity"].to_numpy()) / LOG_SIZE,
        ]
    )
    marked = trades.with_columns(cluster=pl.Series(dbscan(points, 1.0, MIN_TRADES))).filter(pl.col("cluster") >= 0)
    found = marked.group_by("cluster", maintain_order=True).agg(  # in another order the mean has other last bits
        volume=pl.col("quantity").sum(),
        bought=pl.col("quantity").filter(pl.col("is_buy")).sum(),
        density=pl.len() / pl.max_horizontal((pl.col("at_ms").max() - pl.col("at_ms").min()) / 1000, pl.lit(1.0)),
    )
    share = found.select(
        buy=(2 * pl.col("bought") > pl.col("volume")).mean(), sell=(2 * pl.col("bought") < pl.col("volume")).mean()
    ).row(0)
    return {
        "clusters": len(found),
        "largest_volume": found["volume"].max() or 0.0,
        "mean_density": found["density"].mean() or 0.0,
        "buy_share": share[0],
        "sell_share": share[1],
        "quality": "gap" if trades["has_gap"].any() else "ok",
    }
