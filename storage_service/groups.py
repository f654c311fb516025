"""Rows of a batch by symbol, each group in arrival order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from storage_service.schema import take

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
    if not rows.height:
        return []
    columns = [rows.get_column(name) for name in by]
    differs = np.zeros(rows.height - 1, dtype=np.bool_)
    for column in columns:
        differs |= (column[1:] != column[:-1]).to_numpy()
    begins = np.concatenate([[0], np.flatnonzero(differs) + 1])
    keys = zip(*(take(column, begins) for column in columns), strict=True)
    runs: dict[Key, list[Indices]] = {}
    for key, indices in zip(keys, np.split(np.arange(rows.height, dtype=np.int64), begins[1:]), strict=True):
        runs.setdefault(key, []).append(indices)
    return [(key, parts[0] if len(parts) == 1 else np.concatenate(parts)) for key, parts in runs.items()]


def in_turn(groups: Groups) -> Groups:
    """The same rows, in runs: of a symbol that came as both trade kinds neither passes the other.

    For what belongs to the symbol, not to the id space. Runs of a symbol lie in arrival order; a key may come again.
    """
    if len({key[:3] for key, _ in groups}) == len(groups):
        return groups
    of_symbol: dict[Key, Groups] = {}
    for key, indices in groups:
        of_symbol.setdefault(key[:3], []).append((key, indices))
    found: Groups = []
    for parts in of_symbol.values():
        rows = np.concatenate([indices for _, indices in parts])
        owner = np.repeat(np.arange(len(parts)), [len(indices) for _, indices in parts])
        arrival = np.argsort(rows)
        rows, owner = rows[arrival], owner[arrival]
        begins = np.concatenate([[0], np.flatnonzero(np.diff(owner)) + 1])
        found += [(parts[owner[begin]][0], run) for begin, run in zip(begins, np.split(rows, begins[1:]), strict=True)]
    return found


def spans(groups: Groups, values: npt.NDArray[np.int64]) -> list[tuple[Key, int, int]]:
    """Each group's key with the least and the greatest of its values."""
    if not groups:
        return []
    lengths = np.array([len(indices) for _, indices in groups])
    starts = np.cumsum(lengths) - lengths
    ordered = values[np.concatenate([indices for _, indices in groups])]
    least, greatest = np.minimum.reduceat(ordered, starts).tolist(), np.maximum.reduceat(ordered, starts).tolist()
    return [(key, low, high) for (key, _), low, high in zip(groups, least, greatest, strict=True)]
