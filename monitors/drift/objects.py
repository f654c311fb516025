"""Which columns of which views are features whose distribution can be compared between days."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from marketprism.catalogue import Feature, features

CLOCKS: Final = {"bucket_id": "bucket_ts_end", "ts_1m": "ts_1m"}
"""Grain column → clock of the views that are read by default; finer ones are read when they are named."""
_FINER: Final = ("ts_1s", "timestamp")
_NUMBER: Final = re.compile(r"^(Nullable\()?(Float64|Decimal\(\d+, \d+\)|U?Int(8|16|32|64))\)?$")
_KEYS: Final = frozenset({"exchange", "market_type", "symbol", "bucket_id", "sequence", "window_buckets", "px_bin"})
_LEVEL: Final = re.compile(
    r"^(open|high|low|close|vwap|mid|mid_avg|mid_price|microprice|weighted_mid|px|poc_px|value_area_(low|high)"
    r"|(first|last|best_bid|best_ask)_price|price_(first|last|open|close|high|low)|cvd\w*|tw_cvd\w*|mark_price)$"
)
"""Prices and running sums wander by nature: their health is looked at, their distribution is not."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A view, the column that tells its time, and its feature columns; ``levels`` are those that wander."""

    name: str
    clock: str
    columns: tuple[str, ...]
    levels: frozenset[str]


def measured(only: tuple[str, ...] = (), found: list[Feature] | None = None) -> list[Measured]:
    """Views by bucket and minute, or the named ones. Objects with parameters, states and labels are none."""
    chosen = []
    for each in features() if found is None else found:
        short = each.name.partition(".")[2]
        names = {column.name for column in each.columns}
        if not {"exchange", "market_type", "symbol"} <= names or each.header.lookahead != "none":
            continue
        if only:
            clock = next((c for c in (*CLOCKS.values(), *_FINER) if c in names), None) if short in only else None
        else:
            clock = next((c for grain, c in CLOCKS.items() if grain in names and c in names), None)
            if short.endswith(("_state", "_last")) or short.startswith(("latest_", "footprint_", "all_", "serving_")):
                clock = None
        if clock is None or any("AggregateFunction" in column.type for column in each.columns):
            continue
        columns = tuple(c.name for c in each.columns if _NUMBER.match(c.type) and c.name not in _KEYS)
        if columns:
            levels = frozenset(name for name in columns if _LEVEL.match(name))
            chosen.append(Measured(each.name, clock, columns, levels))
    return chosen
