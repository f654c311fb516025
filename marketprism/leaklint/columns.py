"""Which columns are clocks, and which side of a comparison is later."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from sqlglot import exp

_CLOCK: Final = re.compile(
    r"(^|_)(ts|time|timestamp|date|day|hour|minute|second|at|sequence|bucket_id|seq|grid"
    r"|ts_1m|ts_1s|ts_start|ts_end|valid_from|valid_to)(_\w+)?$"
)
_NOW: Final = frozenset({"now", "now64", "today", "yesterday", "currenttimestamp", "currentdate"})


def is_clock(column: exp.Expression) -> bool:
    """Whether a column's name says that it orders rows in time (or by the exchange's own sequence)."""
    return isinstance(column, exp.Column | exp.Identifier) and bool(_CLOCK.search(column.name.lower()))


_INSTANT: Final = re.compile(r"^(bucket_id|ts|ts_1m|ts_1s|timestamp|bucket_ts_(start|end)|sequence|last_update_id)$")


def is_instant(column: exp.Expression) -> bool:
    """Whether a column is a row's own grain: rows that share it are known at one moment (a day or an hour is not)."""
    return isinstance(column, exp.Column) and bool(_INSTANT.match(column.name.lower()))


def clocks_in(node: exp.Expression) -> list[exp.Column]:
    """Every clock column below ``node``."""
    return [column for column in node.find_all(exp.Column) if is_clock(column)]


def is_now(node: exp.Expression) -> bool:
    """Whether the expression reads the wall clock or a query parameter: a bound that moves with the reader."""
    for part in node.walk():
        if isinstance(part, exp.Placeholder | exp.CurrentTimestamp | exp.CurrentDate | exp.Parameter):
            return True
        if isinstance(part, exp.Anonymous) and part.name.lower() in _NOW:
            return True
    return False


def is_reversed(item: exp.Expression) -> bool:
    """Whether a key of ORDER BY has later clocks first: DESC, or the clock's negative, but not both."""
    turns = bool(item.args.get("desc"))
    clocks = clocks_in(item)
    node: exp.Expression | None = clocks[0] if clocks else None
    while node is not None and node is not item:
        above = node.parent
        if _negates(above, node):
            turns = not turns
        node = above
    return turns and bool(clocks)


def _negates(above: exp.Expression | None, operand: exp.Expression) -> bool:
    if isinstance(above, exp.Sub):
        return bool(above.expression is operand)
    if isinstance(above, exp.Mul | exp.Div):
        return isinstance(above.expression if above.this is operand else above.this, exp.Neg)
    return isinstance(above, exp.Neg) or (isinstance(above, exp.Anonymous) and above.name.lower() == "negate")


def conjuncts(condition: exp.Expression | None) -> Iterator[exp.Expression]:
    """The parts of a condition that must all hold."""
    if condition is None:
        return
    if isinstance(condition, exp.And):
        yield from conjuncts(condition.this)
        yield from conjuncts(condition.expression)
    elif isinstance(condition, exp.Paren):
        yield from conjuncts(condition.this)
    elif isinstance(condition, exp.Between):
        yield exp.GTE(this=condition.this.copy(), expression=condition.args["low"].copy())
        yield exp.LTE(this=condition.this.copy(), expression=condition.args["high"].copy())
    elif isinstance(condition, exp.EQ) and _is_of_tuples(condition):
        for left, right in zip(condition.this.expressions, condition.expression.expressions, strict=True):
            yield exp.EQ(this=left.copy(), expression=right.copy())
    else:
        yield condition


def conditions(select: exp.Expression) -> Iterator[exp.Expression]:
    """The parts of a select's WHERE and PREWHERE."""
    for key in ("prewhere", "where"):
        clause = select.args.get(key)
        yield from conjuncts(clause.this if clause is not None else None)


def _is_of_tuples(condition: exp.Expression) -> bool:
    sides = (condition.this, condition.expression)
    return all(isinstance(side, exp.Tuple) for side in sides) and len({len(side.expressions) for side in sides}) == 1


def equated(join: exp.Expression) -> set[str]:
    """Names of the columns that a join takes as equal: by USING, by ON, or by WHERE as after a comma."""
    name, select = join.this.alias_or_name, join.find_ancestor(exp.Select)
    found = {part.name for part in join.args.get("using") or []}
    for left, right in _pairs(conjuncts(join.args.get("on"))):
        found |= {column.name for column in (*left, *right)}
    for left, right in _pairs(conditions(select) if select is not None else []):
        if (left[0].table == name) != (right[0].table == name):
            found |= {column.name for column in (*left, *right)}
    return found


def _pairs(parts: Iterable[exp.Expression]) -> Iterator[tuple[list[exp.Column], list[exp.Column]]]:
    """Columns of the two sides that conditions take as equal, each side of one source; also those within functions."""
    for part in parts:
        if isinstance(part, exp.EQ):
            left, right = list(part.this.find_all(exp.Column)), list(part.expression.find_all(exp.Column))
            if left and right and len(table_names(part.this)) == len(table_names(part.expression)) == 1:
                yield left, right


def table_names(node: exp.Expression) -> set[str]:
    """Qualifiers used below ``node``; '' for an unqualified column."""
    return {column.table for column in node.find_all(exp.Column)}
