"""Which columns are clocks, and which side of a comparison is later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlglot import exp

_CLOCK: Final = re.compile(
    r"(^|_)(ts|time|timestamp|date|day|hour|minute|second|at|sequence|bucket_id|seq|grid|ts_1m|ts_1s|ts_start|ts_end)(_\w+)?$"
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


def _is_positive(node: exp.Expression) -> bool:
    """An offset that moves forward: a positive number or interval; what cannot be read counts as forward."""
    if isinstance(node, exp.Neg):
        return not _is_positive(node.this)
    if isinstance(node, exp.Literal):
        return not str(node.this).startswith("-") and str(node.this) not in {"0", "0.0"}
    if isinstance(node, exp.Interval):
        return node.this is None or _is_positive(node.this)
    return True


def forward_offset(node: exp.Expression) -> int:
    """+1 when the expression is a clock moved forward, −1 when moved back, 0 when as it is."""
    for part in node.walk():
        if isinstance(part, exp.Add | exp.DateAdd | exp.TimestampAdd):
            operand = part.expression
            return 1 if operand is None or _is_positive(operand) else -1
        if isinstance(part, exp.Sub | exp.DateSub | exp.TimestampSub):
            operand = part.expression
            return -1 if operand is None or _is_positive(operand) else 1
        if isinstance(part, exp.Anonymous):
            name = part.name.lower()
            if re.fullmatch(r"add(seconds|minutes|hours|days|milliseconds|microseconds|weeks|months|years)", name):
                return 1 if _is_positive(part.expressions[-1]) else -1
            if re.fullmatch(r"subtract(seconds|minutes|hours|days|milliseconds|microseconds|weeks|months|years)", name):
                return -1 if _is_positive(part.expressions[-1]) else 1
    return 0


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
    else:
        yield condition


def table_names(node: exp.Expression) -> set[str]:
    """Qualifiers used below ``node``; '' for an unqualified column."""
    return {column.table for column in node.find_all(exp.Column)}
