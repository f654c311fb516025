"""Rules on aggregates and newest rows that are set beside older rows."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from marketprism.leaklint.columns import clocks_in, conjuncts, is_now, is_reversed
from marketprism.leaklint.comparisons import MIRROR
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.functions import function_name
from marketprism.leaklint.moments import moment
from marketprism.leaklint.sources import sources

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
    """A WHERE that ties a clock from above to the reader's own moment, to a parameter, or to the outer row."""
    where = select.args.get("where")
    own = {source.alias_or_name for source in sources(select)} | {""}
    for part in conjuncts(where.this if where else None):
        kind = type(part)
        if kind not in MIRROR or not clocks_in(part):
            continue
        is_turned = is_now(part.this) or not {column.table for column in clocks_in(part.this)} <= own
        if (MIRROR[kind] if is_turned else kind) not in (exp.LT, exp.LTE, exp.EQ):
            continue
        bound = part.this if is_turned else part.expression
        if (is_now(part) and not _is_the_present(bound)) or {column.table for column in clocks_in(part)} - own:
            return True
    return False


def _is_the_present(bound: exp.Expression) -> bool:
    """now() itself: everything is before it, so that it bounds nothing."""
    return isinstance(bound, exp.CurrentTimestamp) or (
        isinstance(bound, exp.Anonymous) and bound.name.lower() in {"now", "now64"}
    )


def _is_nested(select: exp.Expression) -> bool:
    return select.find_ancestor(exp.Subquery, exp.CTE) is not None or isinstance(select.parent, exp.In | exp.Exists)


def _grouped_by_clock(select: exp.Expression) -> bool:
    """Whether each row sums up a time of its own: a day does, the ninth hour of every day does not."""
    group = select.args.get("group")
    return group is not None and any(moment(key, select) is not None for key in group.expressions)


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
    return any(is_reversed(item) for item in order.expressions)
