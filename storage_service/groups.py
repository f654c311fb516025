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
    """(key, row indices in order) of each group, groups in order of their first row.

    Frames hold one symbol, so equal keys lie together: only where a run of them begins is the key looked at.
    """
    if not rows.height:
        return []
    changed = rows.select(pl.any_horizontal(pl.col(name) != pl.col(name).shift() for name in by)).to_series()
    begins = np.flatnonzero(np.append(True, changed.to_numpy()[1:]))
    ends = np.append(begins[1:], rows.height)
    keys = rows.select(*by)[pl.Series(begins)].rows()
    runs: dict[Key, list[Indices]] = {}
    every = np.arange(rows.height, dtype=np.int64)
    for key, begin, end in zip(keys, begins.tolist(), ends.tolist(), strict=True):
        runs.setdefault(key, []).append(every[begin:end])
    return [(key, parts[0] if len(parts) == 1 else np.concatenate(parts)) for key, parts in runs.items()]
