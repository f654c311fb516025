"""Rules on arrays used as windows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from marketprism.leaklint.columns import is_reversed
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.functions import function_name
from marketprism.leaklint.moments import moment
from marketprism.leaklint.sources import defined, inner, sources

_ARRAY_FORWARD: Final = frozenset({"arrayshiftleft", "arrayrotateleft"})
_RUNS: Final = frozenset(
    {
        "arraycumsum",
        "arraycumsumnonnegative",
        "arraycumsumwithreset",
        "arraydifference",
        "arrayfold",
        "grouparraymovingsum",
        "grouparraymovingavg",
    }
)
_REDUCERS: Final = re.compile(r"array_?(avg|sum|max|min|reduce|product|count)")


def shifted(tree: exp.Expression) -> Iterator[Hit]:
    """Arrays shifted towards their start, filled from their end, or run over from there."""
    for node in tree.find_all(exp.Func):
        name = function_name(node)
        if name in _ARRAY_FORWARD:
            yield Hit("array-forward", node, f"{name} moves later elements onto earlier ones")
        elif name == "arrayreversefill":
            yield Hit("array-forward", node, f"{name} fills with the next element that there is")
        elif name in _RUNS and _is_backward(node):
            yield Hit("array-forward", node, f"{name} over a reversed array takes in what comes later")


def _is_backward(node: exp.Expression) -> bool:
    """Whether the elements that a function runs over are in the reverse order of time."""
    select = node.find_ancestor(exp.Select)
    for part in node.walk():
        name = function_name(part)
        if name in {"arrayreverse", "array_reverse"}:
            return True
        by = part.expressions[0] if name in {"arraysort", "arrayreversesort"} else None
        if isinstance(by, exp.Lambda) and isinstance(by.this, exp.Neg) == (name == "arraysort"):
            return select is not None and any(moment(array, select) is not None for array in part.expressions[1:])
    read = [inner(source) for source in sources(select)] if select is not None else []
    orders = [one.args["order"] for one in read if one is not None and one.args.get("order")]
    gathers = any(function_name(part).startswith(("grouparray", "group_array", "array_agg")) for part in node.walk())
    return gathers and any(is_reversed(item) for order in orders for item in order.expressions)


def summed_up(tree: exp.Expression) -> Iterator[Hit]:
    """ARRAY JOIN of an array and its clock beside what the whole array comes to: each element knows the later ones."""
    for join in tree.find_all(exp.Join):
        select = join.find_ancestor(exp.Select)
        if join.args.get("kind") != "ARRAY" or select is None:
            continue
        joined = [part.unalias() for part in (join.this, *join.expressions) if isinstance(part, exp.Alias)]
        names = {part.name for part in joined if isinstance(part, exp.Column)}
        if not any(moment(part, select) is not None for part in joined):
            continue
        for node in select.find_all(exp.Func):
            whole = [part for part in node.iter_expressions() if isinstance(part, exp.Column) and part.name in names]
            if whole and _REDUCERS.fullmatch(function_name(node)):
                yield Hit("array-forward", node, f"{node.sql('clickhouse')} takes in what comes after an element")


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
