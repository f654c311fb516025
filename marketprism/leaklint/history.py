"""Rules on aggregates and newest rows that are set beside older rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from marketprism.leaklint.bounds import bounded, bounded_below
from marketprism.leaklint.columns import clocks_in, is_instant, is_reversed
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.functions import function_name
from marketprism.leaklint.instants import spans_moments
from marketprism.leaklint.moments import moment

_SERIES: Final = ("exchange", "market_type", "symbol")
_PREFIXES: Final = (
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
    for item in [*select.expressions, select.args.get("having"), select.args.get("order")]:
        if item is None:
            continue
        for node in item.find_all(exp.Func):
            if node.find_ancestor(exp.Select) is not select or isinstance(node.parent, exp.Window):
                continue
            if isinstance(node, exp.AggFunc) or function_name(node).startswith(_PREFIXES):
                found.append(node)
    return found


def _is_nested(select: exp.Expression) -> bool:
    return select.find_ancestor(exp.Subquery, exp.CTE, exp.In, exp.Exists) is not None


def _grouped_by_clock(select: exp.Expression) -> bool:
    """Whether each row sums up a time of its own: a day does, the ninth hour of every day does not."""
    group = select.args.get("group")
    return group is not None and any(moment(key, select) is not None for key in group.expressions)


def whole(tree: exp.Expression) -> Iterator[Hit]:
    """Nested aggregates over all rows of a table, and nested newest rows, without a bound in time."""
    for select in tree.find_all(exp.Select):
        if not _is_nested(select) or _reads_no_table(select) or bounded(select):
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


def kept(tree: exp.Expression) -> Iterator[Hit]:
    """The best rows of history by a value: which of them exist is decided by rows that are still to come."""
    for select in tree.find_all(exp.Select):
        order, keys = select.args.get("order"), _kept_by(select)
        if order is None or keys is None or _aggregates(select) or bounded_below(select):
            continue
        if isinstance(tree, exp.Query) and not keys and not _is_nested(select):
            continue  # the ten best are an answer to who asks; of a view or of each market they are rows to learn from
        of = [*keys, *map(exp.column, _SERIES)]
        first = next((item for item in order.expressions if item.this not in of), None)
        is_by_value = first is not None and not clocks_in(first) and moment(first.this, select) is None
        if is_by_value and not any(is_instant(key) and not spans_moments(key, select) for key in of):
            yield Hit("window-by-value", order, f"{order.sql('clickhouse')} keeps what was the best in the end")


def _kept_by(select: exp.Select) -> list[exp.Expression] | None:
    """The keys of LIMIT BY or DISTINCT ON, none of a plain LIMIT; None where all rows are kept."""
    distinct, limit = select.args.get("distinct"), select.args.get("limit")
    if distinct is not None and distinct.args.get("on") is not None:
        return list(distinct.args["on"].expressions)
    return list(limit.expressions) if limit is not None else None
