"""The rule on joins that say nothing about time: every row of one series meets every row of the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from marketprism.leaklint.columns import equated, is_clock
from marketprism.leaklint.comparisons import of_join
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.sources import inner, name_of, sources

_SERIES: Final = re.compile(
    r"^(?!.*config)(.*_)?(trades|buckets?|orderbooks|best_quotes|book_features|flow|klines|\d+[smhd])(_|$)"
)


def joined(tree: exp.Expression) -> Iterator[Hit]:
    """Joins of two series by their instrument alone, without a clock in any condition, and joins by the rows' place."""
    for join in tree.find_all(exp.Join):
        select = join.find_ancestor(exp.Select)
        if join.args.get("kind") == "PASTE":
            yield Hit(
                "join-future", join, f"PASTE JOIN sets rows of {join.this.alias_or_name} beside others by their place"
            )
        if select is None or join.args.get("kind") == "ARRAY" or "symbol" not in equated(join):
            continue
        others = [source for source in sources(select) if source is not join.this]
        if not _is_series(join.this) or not any(map(_is_series, others)) or any(True for _ in of_join(join, select)):
            continue
        if not any(is_clock(exp.column(name)) for name in equated(join)):
            yield Hit("join-future", join, f"every row of {join.this.alias_or_name}, however late, meets each row")


def _is_series(source: exp.Expression) -> bool:
    """Whether a source has many rows of one instrument, each with its time."""
    select = inner(source)
    if select is None:
        return bool(_SERIES.search(name_of(source)))
    if any(select.args.get(key) is not None for key in ("group", "distinct", "limit")):
        return False
    read = sources(select)
    return bool(read) and _is_series(read[0])
