"""Rules on fills: values that are carried on from an earlier row, and whether anything tells how old they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from marketprism.leaklint.columns import is_clock
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.functions import function_name
from marketprism.leaklint.instants import within_one_instant
from marketprism.leaklint.moments import moment
from marketprism.leaklint.sources import defined, item_of
from marketprism.leaklint.windows import shape_of

_COMBINATORS: Final = r"(_?respect_?nulls|_?ignore_?nulls|_?or_?null|_?or_?default|distinct|_?if)*"
_FILLS: Final = re.compile(rf"(any|any_?last|any_?value|last_?value|arg_?max){_COMBINATORS}")
# max over a clock says as well when the row that was carried on is from
_CLOCKS: Final = re.compile(rf"(any|any_?last|any_?value|last_?value|arg_?max|max){_COMBINATORS}")


def windows(tree: exp.Expression) -> Iterator[Hit]:
    """Fills over a frame without a beginning, of values that bring no time of their own and whose age nothing tells."""
    for window in tree.find_all(exp.Window):
        select, shape = window.find_ancestor(exp.Select), shape_of(window)
        is_fill = _FILLS.fullmatch(function_name(window.this)) or _is_last_of_array(window)
        if select is None or not is_fill or within_one_instant(shape):
            continue
        spec = shape.args.get("spec")
        if spec is not None and str(spec.args.get("start")).upper() != "UNBOUNDED":
            continue
        value = _value(window)
        # a clock is its own age; its name says so where one part of a UNION puts a constant in its place
        is_dated = moment(value, select) is not None or is_clock(exp.column(item_of(window, select).alias))
        if not is_dated and not _is_state(value, select) and not _has_age(window, select):
            yield Hit("forward-fill", window, f"{function_name(window.this)} from the beginning of time")


def unbounded(tree: exp.Expression) -> Iterator[Hit]:
    """ORDER BY … WITH FILL … INTERPOLATE and arrayFill carry values for ever."""
    for fill in tree.find_all(exp.WithFill):
        if fill.args.get("interpolate") is not None:
            yield Hit("forward-fill", fill, "INTERPOLATE has no age limit")
    for node in tree.find_all(exp.Func):
        if function_name(node) == "arrayfill":
            yield Hit("forward-fill", node, "arrayFill has no age limit")


def _is_last_of_array(window: exp.Window) -> bool:
    """groupArray(…) OVER … of which one element from the end is taken."""
    user = window.find_ancestor(exp.Bracket, exp.Func)
    if user is None or not function_name(window.this).startswith("grouparray"):
        return False
    takes = isinstance(user, exp.Bracket) or function_name(user) == "arrayelement"
    return function_name(user) == "arraylast" or (takes and isinstance(user.expressions[-1], exp.Neg))


def _function(window: exp.Expression) -> exp.Expression:
    return window.this.this if isinstance(window.this, exp.IgnoreNulls | exp.RespectNulls) else window.this


def _value(window: exp.Expression) -> exp.Expression:
    function = _function(window)
    value = function.expressions[0] if function.expressions else function.this
    return value if isinstance(value, exp.Expression) else exp.null()


def _condition(window: exp.Expression) -> str:
    """The condition of a function that ends in If; '' for one that only passes NULL over."""
    function = _function(window)
    return (
        str(function.expressions[-1].sql()) if function_name(function).endswith("if") and function.expressions else ""
    )


def _has_age(fill: exp.Window, select: exp.Select) -> bool:
    """Whether the clock of the same row is carried on beside it, over the same window, and somebody reads it."""
    shape, condition = _shape(fill), _condition(fill)
    names = {column.name for column in _value(fill).find_all(exp.Column)}
    for other in select.find_all(exp.Window):
        if not _CLOCKS.fullmatch(function_name(other.this)) or _shape(other) != shape:
            continue
        if condition:
            is_of_the_row = _condition(other) == condition
        else:  # the clock must pass over the same NULLs
            is_of_the_row = names <= {column.name for column in other.this.find_all(exp.Column)}
        if is_of_the_row and moment(_value(other), select) is not None and _is_read(other, select):
            return True
    return False


def _shape(window: exp.Window) -> str:
    shape = shape_of(window)
    parts = [*(shape.args.get("partition_by") or []), shape.args.get("order"), shape.args.get("spec")]
    return " ".join(part.sql() for part in parts if part is not None)


def _is_read(window: exp.Window, select: exp.Select) -> bool:
    """Whether what a window gives is published, or named by whoever reads it; a clock that is dropped tells no age."""
    inside, tree = {id(part) for part in select.walk()}, select.root()
    readers = [reader for reader in tree.find_all(exp.Select) if id(reader) not in inside]
    if not readers or any(item.is_star for reader in readers for item in reader.expressions):
        return True
    return item_of(window, select).alias_or_name in {column.name for column in tree.find_all(exp.Column)}


def _is_state(value: exp.Expression, select: exp.Expression) -> bool:
    """One of a few words, not a measurement: a state holds until another comes, however long that takes."""
    while isinstance(value, exp.Column):
        inside = defined(value, select)
        if inside is None:
            return False
        value, select = inside
    if isinstance(value, exp.Case):
        results = [*(branch.args["true"] for branch in value.args["ifs"]), value.args.get("default")]
    elif isinstance(value, exp.If):
        results = [value.args["true"], value.args.get("false")]
    elif function_name(value) == "multiif":
        results = [*value.expressions[1::2], value.expressions[-1]]
    else:
        return False
    return all(isinstance(result, exp.Literal) and result.is_string for result in results)
