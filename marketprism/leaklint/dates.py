"""Rules on when rows say that they are: of an earlier time than their values, or of no time at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from marketprism.leaklint.columns import clocks_in, is_instant, is_reversed
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.functions import function_name
from marketprism.leaklint.instants import within_one_instant
from marketprism.leaklint.moments import KNOWN, moment
from marketprism.leaklint.sources import defined
from marketprism.leaklint.windows import shape_of

# ts_1m and bucket_ts_start say that they are starts; these names say that the row is of that very moment
_NAMES_AN_INSTANT: Final = re.compile(r"^(ts|timestamp|time|bucket_ts_end)$")


def backdated(tree: exp.Expression) -> Iterator[Hit]:
    """A clock put back that is published under the name of a row's own instant, or of when it was known."""
    for select in tree.find_all(exp.Select):
        for item in select.expressions:
            if not is_instant(exp.column(item.alias)) and not KNOWN.match(item.alias):
                continue
            arrays = [part for array in item.find_all(exp.Array) for part in array.expressions]
            found = [moment(part, select) for part in arrays or [item.unalias()]]
            if any(one is not None and one.moved < 0 for one in found):
                yield Hit("backdated", item, item.sql("clickhouse"))


def early(tree: exp.Expression) -> Iterator[Hit]:
    """Times at which a row is said to be known when only a part of it is: the first of many, the start of all."""
    for select in tree.find_all(exp.Select):
        aliases = {item.alias for item in select.expressions}
        for item in select.expressions:
            node = item.unalias()
            if item.alias == "available_at" and isinstance(_unwrapped(node), exp.Min | exp.Least) and clocks_in(node):
                yield Hit("backdated", item, f"{item.sql('clickhouse')} is when the first of them was known")
            named = KNOWN.match(item.alias) or (
                _NAMES_AN_INSTANT.match(item.alias) and not any(map(KNOWN.match, aliases))
            )
            if named and _is_start(node, select):
                yield Hit("backdated", item, f"{item.sql('clickhouse')} is the start of what the row sums up")


def _unwrapped(node: exp.Expression) -> exp.Expression:
    """The expression within casts and conversions."""
    while isinstance(node, exp.Cast) or function_name(node).startswith(("todatetime", "assumenotnull")):
        node = next(node.iter_expressions())
    return node


def _is_start(node: exp.Expression, select: exp.Select) -> bool:
    """Whether a select sums rows up by a period, and an expression is its start and not its end."""
    found = moment(node, select)
    if found is None or select.args.get("group") is None:
        return False
    return found.rows < found.grain and found.moved < found.grain


def coarse(tree: exp.Expression) -> Iterator[Hit]:
    """Windows ordered by a clock that is coarser than the rows, or by the negative of one under another name."""
    for window, order, select in _ordered(tree):
        spec = shape_of(window).args.get("spec")
        has_peers = spec is None or str(spec.args.get("kind")).upper() != "ROWS"
        times = [found for item in order.expressions if (found := moment(item.this, select)) is not None]
        if has_peers and times and all(found.grain > found.rows for found in times):
            yield Hit("window-following", window, f"{order.sql('clickhouse')} has later rows at the same place")
        for item in order.expressions:
            inside = defined(item.this, select) if isinstance(item.this, exp.Column) else None
            if inside is not None and is_reversed(exp.Ordered(this=inside[0].copy(), desc=item.args.get("desc"))):
                yield Hit("window-descending", window, f"{item.this.sql('clickhouse')} is a clock put backward")


def ranked(tree: exp.Expression) -> Iterator[Hit]:
    """Windows ordered by no clock over more than one instant: a value's rank among those that are still to come."""
    for window, order, select in _ordered(tree):
        if not clocks_in(order) and not any(moment(item.this, select) for item in order.expressions):
            yield Hit("window-by-value", window, f"{function_name(window.this)} over {order.sql('clickhouse')}")


def _ordered(tree: exp.Expression) -> Iterator[tuple[exp.Window, exp.Order, exp.Select]]:
    """Windows with an order over more than one instant, that order, and the select that they stand in."""
    for window in tree.find_all(exp.Window):
        shape, select = shape_of(window), window.find_ancestor(exp.Select)
        order = shape.args.get("order")
        if order is not None and select is not None and not within_one_instant(shape):
            yield window, order, select
