"""Rules on arrays used as windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from marketprism.leaklint.findings import Hit
from marketprism.leaklint.functions import function_name
from marketprism.leaklint.sources import defined

_ARRAY_FORWARD: Final = frozenset({"arrayshiftleft", "arrayrotateleft"})
_RUNS: Final = frozenset({"arraycumsum", "arraycumsumnonnegative", "arraycumsumwithreset", "arraydifference"})


def shifted(tree: exp.Expression) -> Iterator[Hit]:
    """Arrays shifted towards their start, what runs from their end, and lambdas that index past their own position."""
    for node in tree.find_all(exp.Func):
        name = function_name(node)
        if name in _ARRAY_FORWARD:
            yield Hit("array-forward", node, f"{name} moves later elements onto earlier ones")
        elif name in _RUNS and any(function_name(part) in {"arrayreverse", "array_reverse"} for part in node.walk()):
            yield Hit("array-forward", node, f"{name} over a reversed array takes in what comes later")
    for bracket in tree.find_all(exp.Bracket):
        parameters = {parameter.name for scope in _lambdas_around(bracket) for parameter in scope.expressions}
        for index in bracket.expressions:
            if isinstance(index, exp.Add) and any(
                part.name in parameters for part in index.walk() if isinstance(part, exp.Identifier)
            ):
                yield Hit(
                    "array-forward",
                    bracket,
                    f"element {index.sql('clickhouse')} beside element {index.this.sql('clickhouse')}",
                )


def exploded(tree: exp.Expression) -> Iterator[Hit]:
    """ARRAY JOIN and arrayZip of an array without its first elements beside a whole one: each gets the next one's."""
    for node in tree.find_all(exp.Join, exp.Func):
        if isinstance(node, exp.Join) and node.args.get("kind") == "ARRAY":
            beside = [node.this, *node.expressions]
        elif function_name(node) == "arrayzip":
            beside = list(node.expressions)
        else:
            continue
        select = node.find_ancestor(exp.Select)
        late = [array for array in beside if select is not None and _starts_late(array, select)]
        if late and len(late) < len(beside):
            yield Hit("array-forward", node, f"{late[0].sql('clickhouse')} beside elements before its own")


def _starts_late(node: exp.Expression, select: exp.Expression, seen: frozenset[tuple[int, str]] = frozenset()) -> bool:
    """Whether an array lacks its first elements, here or where its columns are computed."""
    for part in node.walk():
        if function_name(part) == "arraypopfront":
            return True
        if isinstance(part, exp.ArraySlice) and part.args["start"].name != "1":
            return True
        key = (id(select), part.name)
        inside = defined(part, select) if isinstance(part, exp.Column) and key not in seen else None
        if inside is not None and _starts_late(*inside, seen | {key}):
            return True
    return False


def _lambdas_around(node: exp.Expression) -> Iterator[exp.Lambda]:
    parent = node.parent
    while parent is not None:
        if isinstance(parent, exp.Lambda):
            yield parent
        parent = parent.parent
