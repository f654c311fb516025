"""Rules on joins: direction in time, and keys that keep markets apart."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from marketprism.leaklint.columns import clocks_in, conjuncts, forward_offset, is_clock, table_names
from marketprism.leaklint.findings import Hit

_MIRROR = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE, exp.EQ: exp.EQ}


def _comparison(
    part: exp.Expression, joined: str
) -> tuple[type[exp.Expression], exp.Expression, exp.Expression] | None:
    """(operator, joined side, other side) of a comparison of clocks, written as joined <op> other."""
    kind = type(part)
    if kind not in _MIRROR or not clocks_in(part.this) or not clocks_in(part.expression):
        return None
    left, right = part.this, part.expression
    left_tables, right_tables = table_names(left), table_names(right)
    if joined in left_tables and joined not in right_tables:
        return kind, left, right
    if joined in right_tables and joined not in left_tables:
        return _MIRROR[kind], right, left
    return None


def asof(tree: exp.Expression) -> Iterator[Hit]:
    """As-of joins take the last row at or before; the other direction is refused."""
    for join in tree.find_all(exp.Join):
        if "ASOF" not in {str(join.args.get(key) or "").upper() for key in ("kind", "method", "side")}:
            continue
        name = join.this.alias_or_name
        for part in conjuncts(join.args.get("on")):
            found = _comparison(part, name)
            if found is None:
                continue
            operator, joined, other = found
            if operator in (exp.GT, exp.GTE):
                yield Hit("asof-forward", part, f"{part.sql('clickhouse')} takes the next row of {name}")
            elif forward_offset(other) > 0 or forward_offset(joined) < 0:
                yield Hit("asof-forward", part, f"{part.sql('clickhouse')} looks past the row's own time")


def future(tree: exp.Expression) -> Iterator[Hit]:
    """Plain joins whose condition matches later rows of the joined table."""
    for join in tree.find_all(exp.Join):
        if "ASOF" in {str(join.args.get(key) or "").upper() for key in ("kind", "method", "side")}:
            continue
        name = join.this.alias_or_name
        select = join.find_ancestor(exp.Select)
        where = select.args.get("where") if select else None
        parts = [*conjuncts(join.args.get("on")), *conjuncts(where.this if where else None)]
        later: list[exp.Expression] = []
        bounded = False
        for part in parts:
            found = _comparison(part, name)
            if found is None:
                continue
            operator, joined, other = found
            moved = forward_offset(other) - forward_offset(joined)
            if operator in (exp.GT, exp.GTE) or (operator is exp.EQ and moved > 0):
                later.append(part)
            elif operator is exp.EQ or moved <= 0:
                bounded = True
            if operator is exp.EQ and moved > 0:
                yield Hit("join-future", part, f"{part.sql('clickhouse')} pairs a row with a later one of {name}")
        if later and not bounded and not any(isinstance(part, exp.EQ) for part in later):
            yield Hit("join-future", later[0], f"{later[0].sql('clickhouse')} lets later rows of {name} in")


def market_type(tree: exp.Expression) -> Iterator[Hit]:
    """symbol as a key of a join, a group or a window needs market_type beside it."""
    for join in tree.find_all(exp.Join):
        using = {part.name for part in join.args.get("using") or []}
        equal = {
            part.this.name
            for part in conjuncts(join.args.get("on"))
            if isinstance(part, exp.EQ)
            and isinstance(part.this, exp.Column)
            and isinstance(part.expression, exp.Column)
        }
        if "symbol" in using | equal and "market_type" not in using | equal:
            yield Hit("market-type", join, f"join with {join.this.alias_or_name}")
    for select in tree.find_all(exp.Select):
        group = select.args.get("group")
        if group is not None and _keys_lack_market(group.expressions):
            yield Hit("market-type", group, "GROUP BY")
    for window in tree.find_all(exp.Window):
        if _keys_lack_market(window.args.get("partition_by") or []):
            yield Hit("market-type", window, "PARTITION BY")


def _keys_lack_market(keys: list[exp.Expression]) -> bool:
    names = {column.name for key in keys for column in key.find_all(exp.Column)}
    return "symbol" in names and "market_type" not in names


def labels(tree: exp.Expression) -> Iterator[Hit]:
    """Reading marketprism_labels from anywhere else."""
    for table in tree.find_all(exp.Table):
        if table.db == "marketprism_labels":
            yield Hit("labels-read", table, table.sql("clickhouse"))


__all__ = ["asof", "future", "is_clock", "labels", "market_type"]
