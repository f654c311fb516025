"""Rules on window functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from marketprism.leaklint.columns import is_reversed
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.functions import function_name
from marketprism.leaklint.instants import within_one_instant

_LEADS: Final = frozenset({"lead", "leadinframe"})
_LAGS: Final = frozenset({"lag", "laginframe"})
_BLOCK_ORDER: Final = frozenset(
    {"runningdifference", "runningdifferencestartingwithfirstvalue", "runningaccumulate", "runningconcurrency"}
)
# Ranks and row numbers without ORDER BY are arbitrary, not a look into the future.
_NO_ORDER_NEEDED: Final = frozenset({"rownumber", "row_number"})


def _arguments(node: exp.Expression) -> list[exp.Expression]:
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        return list(node.expressions)
    return [part for key in ("this", "offset", "default") if isinstance(part := node.args.get(key), exp.Expression)]


def _sign(node: exp.Expression) -> int | None:
    """Sign of a literal offset; None when it is no literal."""
    if isinstance(node, exp.Neg):
        inner = _sign(node.this)
        return None if inner is None else -inner
    if isinstance(node, exp.Literal) and not node.is_string:
        value = float(node.this)
        return (value > 0) - (value < 0)
    return None


def offsets(tree: exp.Expression) -> Iterator[Hit]:
    """lead with a positive offset, lag with a negative one, neighbor forward."""
    for node in tree.find_all(exp.Func):
        name = function_name(node)
        arguments = _arguments(node)
        sign = _sign(arguments[1]) if len(arguments) > 1 else 1
        if name in _LEADS and sign != 0 and sign != -1:
            yield Hit("window-lead", node, f"{name} reads a later row")
        elif name in _LAGS and len(arguments) > 1 and sign in (-1, None):
            yield Hit("window-lead", node, f"{name} by {arguments[1].sql('clickhouse')} may read a later row")
        elif name == "neighbor":
            rule = "window-lead" if sign in (1, None) else "block-order"
            yield Hit(rule, node, "neighbor reads another row of its block, in whatever order the rows come")
        elif name == "sequencenextnode":
            yield Hit("window-lead", node, f"{name} is the event after")
        elif name in _BLOCK_ORDER:
            yield Hit("block-order", node, f"{name} restarts at every block")


def shape_of(window: exp.Window) -> exp.Window:
    """The named window behind ``OVER w``, where the select defines it."""
    alias = window.args.get("alias")
    if window.args.get("order") or window.args.get("partition_by") or window.args.get("spec") or alias is None:
        return window
    select = window.find_ancestor(exp.Select)
    for named in (select.args.get("windows") or []) if select else []:
        if named.name == alias.name:
            return named
    return window


def frames(tree: exp.Expression) -> Iterator[Hit]:
    """Frames that reach forward, and windows without or with reversed order."""
    for window in tree.find_all(exp.Window):
        select = window.find_ancestor(exp.Select)
        definition = isinstance(window.this, exp.Identifier)  # WINDOW w AS (…): judged where it is used
        if definition and select is not None:
            continue
        shape = shape_of(window)
        name = function_name(window.this)
        spec = shape.args.get("spec")
        order = shape.args.get("order")
        if within_one_instant(shape):
            continue
        if spec is not None and _reaches_forward(spec):
            yield Hit("window-following", window, f"{name} over a frame that ends after the current row")
        elif order is None and name not in _NO_ORDER_NEEDED:
            yield Hit("window-unordered", window, f"{name} over a whole partition")
        if order is not None and any(is_reversed(item) for item in order.expressions):
            yield Hit("window-descending", window, f"{name} over {order.sql('clickhouse')}")


def _reaches_forward(spec: exp.Expression) -> bool:
    sides = [str(spec.args.get(key) or "").upper() for key in ("start_side", "end_side")]
    return "FOLLOWING" in sides
