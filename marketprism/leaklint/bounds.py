"""Whether the rows of a select end before the rows that they are set beside begin."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from marketprism.leaklint.amounts import SECONDS, amount
from marketprism.leaklint.columns import clocks_in, conditions, is_now
from marketprism.leaklint.comparisons import MIRROR
from marketprism.leaklint.functions import function_name
from marketprism.leaklint.sources import inner, sources


def bounded(select: exp.Expression) -> bool:
    """A condition that ties a clock from above to a parameter, the outer row, or a moment before all outer rows.

    Its own condition: migrations, which nobody may edit, waive aggregates around subqueries that are bounded.
    """
    own = _names(select)
    return any(
        operator in (exp.LT, exp.LTE, exp.EQ)
        and ({column.table for column in clocks_in(part)} - own or (is_now(part) and _is_past(bound, select)))
        for operator, bound, part in _of_clocks(select)
    )


def bounded_below(select: exp.Expression) -> bool:
    """Whether a select, or every subquery that it reads, is bounded."""
    below = [inner(source) for source in sources(select)]
    return bounded(select) or (bool(below) and all(one is not None and bounded_below(one) for one in below))


def _names(select: exp.Expression) -> set[str]:
    return {source.alias_or_name for source in sources(select)} | {""}


def _of_clocks(select: exp.Expression) -> Iterator[tuple[type[exp.Expression], exp.Expression, exp.Expression]]:
    """(operator, bound, condition) of every comparison of the select's clocks."""
    for part in conditions(select):
        if type(part) in MIRROR and clocks_in(part):
            if is_now(part.this) or not {column.table for column in clocks_in(part.this)} <= _names(select):
                yield MIRROR[type(part)], part.this, part
            else:
                yield type(part), part.expression, part


def _is_past(bound: exp.Expression, select: exp.Expression) -> bool:
    """Whether rows beside the select begin no earlier than its bound. Who gives a parameter sees to it; of rows as old
    as their table, most are before any moment that the wall clock tells.
    """
    start, moved = _of_wall_clock(bound)
    if bound.find(exp.Placeholder, exp.Parameter) is not None or ((start, moved) != ("now", 0.0) and _is_alone(select)):
        return True
    outer = select.find_ancestor(exp.Select)
    since = [
        _of_wall_clock(lower)
        for operator, lower, part in (_of_clocks(outer) if outer is not None else [])
        if operator in (exp.GT, exp.GTE) and is_now(part)
    ]
    return any(one == start and by >= moved for one, by in since)


def _is_alone(select: exp.Expression) -> bool:
    """Whether nothing is set beside the rows of a select: whoever reads it reads nothing else."""
    outer, holder = select.find_ancestor(exp.Select), select.find_ancestor(exp.Subquery, exp.CTE)
    if outer is None:
        return True
    read = sources(outer)
    by_name = isinstance(holder, exp.CTE) and read[:1] and read[0].name == holder.alias
    return len(read) == 1 and bool(holder is read[0] or by_name) and _is_alone(outer)


def _of_wall_clock(node: exp.Expression) -> tuple[str, float]:
    """What a moment starts from, and the seconds added to it."""
    if isinstance(node, exp.Paren):
        return _of_wall_clock(node.this)
    if isinstance(node, exp.Sub | exp.Add):
        start, moved = _of_wall_clock(node.this)
        seconds = amount([node.expression], SECONDS["day"] if start == "today" else 1.0)
        return start, moved + (seconds if isinstance(node, exp.Add) else -seconds)
    name = function_name(node)
    if isinstance(node, exp.CurrentTimestamp) or name in ("now", "now64"):
        return "now", 0.0
    return (name if name == "today" else node.sql()), 0.0
