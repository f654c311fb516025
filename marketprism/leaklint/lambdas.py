"""Rules on what a lambda takes out of an array for one of its elements, or for the row that it stands in."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from sqlglot import exp

from marketprism.leaklint.amounts import amount
from marketprism.leaklint.columns import clocks_in, conjuncts
from marketprism.leaklint.comparisons import MIRROR
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.functions import function_name
from marketprism.leaklint.moments import moment
from marketprism.leaklint.sources import defined


def ahead(tree: exp.Expression) -> Iterator[Hit]:
    """Elements by a place after the lambda's own, and slices that reach past it."""
    for node in tree.find_all(exp.Bracket, exp.Anonymous, exp.ArraySlice):
        if isinstance(node, exp.ArraySlice):
            start, count = node.args["start"], _count(node.args.get("end"))
        elif isinstance(node, exp.Bracket) or function_name(node) == "arrayelement":
            start, count = node.expressions[-1], 1.0
        else:
            continue
        if _is_of_lambda(start) and _ahead_by(start) + count > 1:
            yield Hit("array-forward", node, f"{node.sql('clickhouse')} for an element before it")


def later(tree: exp.Expression) -> Iterator[Hit]:
    """Elements whose time is compared with the row's own and need only be later; a window's array ends with its row."""
    for scope in tree.find_all(exp.Lambda):
        select = scope.find_ancestor(exp.Select)
        names = {parameter.name for parameter in scope.expressions}
        found = [one for part in conjuncts(scope.this) for one in _with_row(part, names)]
        if select is None or not found or any(_is_of_window(array, select) for array in _arrays(scope)):
            continue
        bounds = [moment(bound, select) for operator, bound in found if operator in (exp.LT, exp.LTE, exp.EQ)]
        if not any(bound is not None and bound.moved <= 0 for bound in bounds):
            yield Hit("array-forward", scope, f"{scope.sql('clickhouse')} lets elements after the row in")


def _is_of_lambda(index: exp.Expression) -> bool:
    names = {part.name for part in index.find_all(exp.Identifier)}
    scope = index.find_ancestor(exp.Lambda)
    while scope is not None:
        if names & {parameter.name for parameter in scope.expressions}:
            return True
        scope = scope.find_ancestor(exp.Lambda)
    return False


def _ahead_by(index: exp.Expression) -> float:
    """By how many places an index lies after the lambda's own; many when a sum cannot be read."""
    if isinstance(index, exp.Paren):
        return _ahead_by(index.this)
    if isinstance(index, exp.Sub):
        return -amount([index.expression], 1.0)
    if isinstance(index, exp.Add) or function_name(index) == "plus":
        return inf
    return -inf if function_name(index) else 0.0


def _count(length: exp.Expression | None) -> float:
    """Elements of a slice: all that are left, or at least two where the number is computed."""
    if length is None:
        return inf
    return amount([length], 1.0) if isinstance(length, exp.Literal) else 2.0


def _with_row(part: exp.Expression, names: set[str]) -> Iterator[tuple[type[exp.Expression], exp.Expression]]:
    """(operator, bound) of a comparison of a lambda's parameter with a clock of the row."""
    if type(part) not in MIRROR:
        return
    for operator, element, bound in (
        (type(part), part.this, part.expression),
        (MIRROR[type(part)], part.expression, part.this),
    ):
        is_element = isinstance(element, exp.Identifier) and element.name in names
        if is_element and clocks_in(bound):
            yield operator, bound


def _arrays(scope: exp.Lambda) -> list[exp.Expression]:
    return [part for part in scope.parent.iter_expressions() if part is not scope] if scope.parent is not None else []


def _is_of_window(array: exp.Expression, select: exp.Expression) -> bool:
    if array.find(exp.Window) is not None:
        return True
    inside = defined(array, select) if isinstance(array, exp.Column) else None
    return inside is not None and _is_of_window(*inside)
