"""Rules on aggregates and newest rows that are set beside older rows."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from marketprism.leaklint.columns import clocks_in, conjuncts, is_clock, is_now
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.windows import function_name

_PREFIXES = (
    "quantile",
    "median",
    "stddev",
    "var",
    "avg",
    "sum",
    "min",
    "max",
    "count",
    "covar",
    "corr",
    "uniq",
    "entropy",
    "arg_max",
    "arg_min",
    "argmax",
    "argmin",
    "skew",
    "kurt",
    "topk",
    "histogram",
    "grouparray",
    "simplelinear",
)


def _aggregates(select: exp.Expression) -> list[exp.Expression]:
    """Aggregates of this select itself: not of its subqueries, and not window functions."""
    found = []
    for item in [*select.expressions, select.args.get("having")]:
        if item is None:
            continue
        for node in item.find_all(exp.Func):
            if node.find_ancestor(exp.Select) is not select or isinstance(node.parent, exp.Window):
                continue
            if isinstance(node, exp.AggFunc) or function_name(node).startswith(_PREFIXES):
                found.append(node)
    return found


def _bounded(select: exp.Expression) -> bool:
    """A WHERE that ties a clock to the reader's own moment, to a parameter, or to the outer row."""
    where = select.args.get("where")
    if where is None:
        return False
    own = {source.alias_or_name for source in _sources(select)} | {""}
    for part in conjuncts(where.this):
        if not isinstance(part, exp.GT | exp.GTE | exp.LT | exp.LTE | exp.EQ) or not clocks_in(part):
            continue
        if is_now(part):
            return True
        if isinstance(part, exp.LT | exp.LTE | exp.GT | exp.GTE | exp.EQ):
            outer = {column.table for column in clocks_in(part)} - own
            if outer:
                return True
    return False


def _sources(select: exp.Expression) -> list[exp.Expression]:
    sources = [select.args["from_"].this] if select.args.get("from_") else []
    return sources + [join.this for join in select.args.get("joins") or []]


def _is_nested(select: exp.Expression) -> bool:
    return select.find_ancestor(exp.Subquery, exp.CTE) is not None or isinstance(select.parent, exp.In | exp.Exists)


def _grouped_by_clock(select: exp.Expression) -> bool:
    group = select.args.get("group")
    if group is None:
        return False
    aliases = {item.alias: item for item in select.expressions if item.alias}
    for key in group.expressions:
        if clocks_in(key) or any(is_clock(part) for part in key.find_all(exp.Identifier)):
            return True
        if isinstance(key, exp.Column) and key.name in aliases and clocks_in(aliases[key.name]):
            return True
    return False


def whole(tree: exp.Expression) -> Iterator[Hit]:
    """Nested aggregates over all rows of a table, and nested newest rows, without a bound in time."""
    for select in tree.find_all(exp.Select):
        if not _is_nested(select) or _reads_no_table(select) or _bounded(select):
            continue
        aggregates = _aggregates(select)
        if aggregates and not _grouped_by_clock(select):
            yield Hit("whole-history", select, f"{aggregates[0].sql('clickhouse')} over all rows")
        elif not aggregates and _takes_newest(select):
            yield Hit("latest-row", select, "ORDER BY a clock DESC with a LIMIT")


def _reads_no_table(select: exp.Expression) -> bool:
    return not any(True for _ in select.find_all(exp.Table))


def _takes_newest(select: exp.Expression) -> bool:
    order = select.args.get("order")
    if order is None or select.args.get("limit") is None:
        return False
    return any(item.args.get("desc") and clocks_in(item) for item in order.expressions)
