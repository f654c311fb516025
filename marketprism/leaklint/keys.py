"""Rules on keys that keep markets apart."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from marketprism.leaklint.columns import equated
from marketprism.leaklint.findings import Hit


def market_type(tree: exp.Expression) -> Iterator[Hit]:
    """symbol as a key of a join, a group, a window, LIMIT BY or IN needs market_type beside it."""
    for join in tree.find_all(exp.Join):
        keys = equated(join)
        if "symbol" in keys and "market_type" not in keys:
            yield Hit("market-type", join, f"join with {join.this.alias_or_name}")
    for select in tree.find_all(exp.Select):
        for key, title in (("group", "GROUP BY"), ("limit", "LIMIT BY")):
            part = select.args.get(key)
            if part is not None and _keys_lack_market(part.expressions):
                yield Hit("market-type", part, title)
    for window in tree.find_all(exp.Window):
        if _keys_lack_market(window.args.get("partition_by") or []):
            yield Hit("market-type", window, "PARTITION BY")
    for member in tree.find_all(exp.In):
        if isinstance(member.this, exp.Tuple) and _keys_lack_market(member.this.expressions):
            yield Hit("market-type", member, "IN")


def _keys_lack_market(keys: list[exp.Expression]) -> bool:
    names = {column.name for key in keys for column in key.find_all(exp.Column)}
    return "symbol" in names and "market_type" not in names
