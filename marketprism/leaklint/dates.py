"""Rules on when rows say that they are: of an earlier time than their values, or of no time at all."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from marketprism.leaklint.columns import clocks_in, is_instant, is_reversed
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.functions import function_name
from marketprism.leaklint.instants import within_one_instant
from marketprism.leaklint.moments import KNOWN, moment
from marketprism.leaklint.sources import defined
from marketprism.leaklint.windows import shape_of


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
