"""Rows of a batch by symbol, each group in arrival order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Key = tuple[str, ...]
"""(exchange, market_type, symbol), and for trades the trade kind."""
Indices = npt.NDArray[np.int64]
Groups = list[tuple[Key, Indices]]
"""Keys in the order of their first row, each with the indices of its rows, ascending."""

SYMBOL: tuple[str, ...] = ("exchange", "market_type", "symbol")


def key_columns(data_type: str) -> tuple[str, ...]:
    """What tells the id spaces of a data type apart."""
    return (*SYMBOL, "trade_kind") if data_type == "trades" else SYMBOL


def grouped(rows: pl.DataFrame, by: Sequence[str]) -> Groups:
    """The groups of equal keys.

    Frames hold one symbol, so equal keys lie together: only where a run of them begins is the key looked at.
    """
    runs: dict[Key, list[Indices]] = {}
    every = np.arange(rows.height, dtype=np.int64)
    begin = 0
    for length, *key in rows.select(pl.struct(*by).rle().struct.unnest()).unnest("value").iter_rows():
        runs.setdefault(tuple(key), []).append(every[begin : begin + length])
        begin += length
    return [(key, parts[0] if len(parts) == 1 else np.concatenate(parts)) for key, parts in runs.items()]


def spans(groups: Groups, values: npt.NDArray[np.int64]) -> list[tuple[Key, int, int]]:
    """Each group's key with the least and the greatest of its values."""
    if not groups:
        return []
    lengths = np.array([len(indices) for _, indices in groups])
    starts = np.cumsum(lengths) - lengths
    ordered = values[np.concatenate([indices for _, indices in groups])]
    least, greatest = np.minimum.reduceat(ordered, starts).tolist(), np.maximum.reduceat(ordered, starts).tolist()
    return [(key, low, high) for (key, _), low, high in zip(groups, least, greatest, strict=True)]
