"""Rows of a batch by symbol, each group in arrival order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Key = tuple[str, ...]
"""(exchange, market_type, symbol), and for trades the trade kind."""
Indices = npt.NDArray[np.int64]

SYMBOL: tuple[str, ...] = ("exchange", "market_type", "symbol")


def key_columns(data_type: str) -> tuple[str, ...]:
    """What tells the id spaces of a data type apart."""
    return (*SYMBOL, "trade_kind") if data_type == "trades" else SYMBOL


def grouped(rows: pl.DataFrame, by: Sequence[str]) -> list[tuple[Key, Indices]]:
    """(key, row indices in order) of each group, groups in order of their first row."""
    if not rows.height:
        return []
    numbered = rows.select(*by).with_row_index("_i")
    parts = numbered.group_by(list(by), maintain_order=True).agg(pl.col("_i").cast(pl.Int64))
    indices = parts["_i"].explode().to_numpy()
    ends = np.cumsum(parts["_i"].list.len().to_numpy()).tolist()
    keys = parts.select(*by).rows()
    return [(key, indices[start:end]) for key, start, end in zip(keys, [0, *ends[:-1]], ends, strict=True)]
