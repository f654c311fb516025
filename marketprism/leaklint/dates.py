"""Rules on when rows say that they are: of an earlier time than their values, or of no time at all."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from marketprism.leaklint.columns import clocks_in, is_instant
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.moments import KNOWN, moment
from marketprism.leaklint.windows import function_name, shape_of, within_one_instant


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


def ranked(tree: exp.Expression) -> Iterator[Hit]:
    """Windows ordered by no clock over more than one instant: a value's rank among those that are still to come."""
    for window in tree.find_all(exp.Window):
        select = window.find_ancestor(exp.Select)
        order = shape_of(window).args.get("order")
        if order is None or select is None or within_one_instant(shape_of(window)):
            continue
        if not clocks_in(order) and not any(moment(item.this, select) for item in order.expressions):
            yield Hit("window-by-value", window, f"{function_name(window.this)} over {order.sql('clickhouse')}")
