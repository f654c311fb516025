"""The job ``footprint_clusters``: price bins of the last 24 hours' footprint, joined into clusters by DBSCAN."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from marketprism.jobs.clustering import dbscan
from marketprism.jobs.runs import JobResult, Run, statement

EPS_BPS: Final = 5.0
MIN_BINS: Final = 3
WINDOW_H: Final = 24
KEY: Final = ["exchange", "market_type", "symbol"]

BINS: Final = statement("footprint_clusters")


def footprint_clusters(client: Any, run: Run) -> JobResult:
    """Cluster the minutes that were over and received by ``run.at``: one row a cluster into ``footprint_clusters``."""
    parameters = {"at": run.at, "hours": WINDOW_H}
    bins = pl.DataFrame(pl.from_arrow(client.query_arrow(BINS, parameters=parameters, use_strings=True)))
    found = [_clusters(part) for _, part in bins.group_by(KEY, maintain_order=True)]
    if not found:
        return JobResult(0, 0)
    return JobResult(len(bins), run.insert_dated(client, "footprint_clusters", pl.concat(found)))


def _clusters(bins: pl.DataFrame) -> pl.DataFrame:
    """One symbol's clusters; a bin that is no cluster's is left out. Distance is in basis points of the price."""
    points = np.log(bins["px"].to_numpy())[:, None] * 10_000
    marked = bins.with_columns(cluster=pl.Series(dbscan(points, EPS_BPS, MIN_BINS))).filter(pl.col("cluster") >= 0)
    gap = bool(bins["has_gap"].any())
    return (
        marked.group_by([*KEY, "cluster"], maintain_order=True)
        .agg(
            cluster_price=(pl.col("px") * pl.col("volume")).sum() / pl.col("volume").sum(),
            total_vol=pl.col("volume").sum(),
            delta=pl.col("delta").sum(),
            bins=pl.len().cast(pl.UInt32),
            last_ts=pl.col("last_ts").max(),
        )
        .with_columns(quality=pl.lit("gap" if gap else "ok"))
        .drop("cluster")
    )
