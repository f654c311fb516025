"""What one row is: a single trade, a whole bucket, a level of one book; and which moment a row that comes out bears."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import inf
from typing import Final

from sqlglot import exp

from marketprism.leaklint.columns import clocks_in, is_instant
from marketprism.leaklint.moments import moment
from marketprism.leaklint.sources import inner, name_of, origins, sources

_TRADES: Final = re.compile(r"^([a-z]+_)?trades(_settled|_local)?(_between)?$")
_BUCKETS: Final = re.compile(r"^(?!.*config)(.*_)?buckets?(_|$)")
_CLOCK_OF_ROW: Final = re.compile(
    r"^(timestamp|ts|ts_\d+s|ts_1m|time|trade_(ts|time|id)|received_at|sequence|\w*_timestamp)$"
)


def within_one_instant(window: exp.Expression) -> bool:
    """Partitioned by the rows' own instant and not ordered by a clock: levels of one book, bins of one bucket."""
    order, select = window.args.get("order"), window.find_ancestor(exp.Select)
    keys = [key for key in window.args.get("partition_by") or [] if is_instant(key)]
    return bool(keys) and not (order and clocks_in(order)) and not all(spans_moments(key, select) for key in keys)


def spans_moments(key: exp.Expression, select: exp.Select | None) -> bool:
    """Whether a key is one of many moments: a bucket or a minute of rows that come out with times of their own."""
    found = moment(key, select) if select is not None else None
    if select is None or found is None:
        return False
    if found.grain > found.rows:
        return bears_moments(select, found.grain)
    is_of_trades = is_single(next(iter(sources(select)), exp.null()))
    return is_of_trades and any(map(_BUCKETS.search, origins(key, select))) and bears_moments(select)


def is_single(source: exp.Expression) -> bool:
    """Whether a row of a source is one trade."""
    select = inner(source)
    if select is None:
        return bool(_TRADES.match(name_of(source)))
    read = sources(select)
    return bool(read) and not _is_grouped(select) and is_single(read[0])


def is_of_bucket(source: exp.Expression) -> bool:
    """Whether a row of a source is one bucket."""
    select = inner(source)
    if select is None:
        return bool(_BUCKETS.search(name_of(source)))
    group, read = select.args.get("group"), sources(select)
    if group is not None:
        names = {name for key in group.find_all(exp.Column) for name in origins(key, select)}
        return any(_BUCKETS.search(name) for name in names) and not any(map(_CLOCK_OF_ROW.match, names))
    return bool(read) and is_of_bucket(read[0])


def bears_moments(select: exp.Select, period: float = inf) -> bool:
    """Whether rows come out with times that lie within a period of so many seconds, or within a bucket: not grouped to
    it, here or by whoever reads them.
    """
    group = select.args.get("group")
    shown = group.expressions if group is not None else select.expressions
    if not any(item.is_star or _lies_within(item, select, period) for item in shown):
        return False
    readers = list(_readers(select))
    return not readers or any(bears_moments(reader, period) for reader in readers)


def _lies_within(item: exp.Expression, select: exp.Select, period: float) -> bool:
    found = moment(item.unalias(), select)
    return any(map(_CLOCK_OF_ROW.match, _plain(item))) and (found is None or found.grain < period)


def _readers(select: exp.Select) -> Iterator[exp.Select]:
    """Selects that take their rows from this one: around a subquery, or by the name of a WITH."""
    above: exp.Expression | None = select.parent
    while isinstance(above, exp.Union):
        above = above.parent
    if isinstance(above, exp.Subquery) and isinstance(above.parent, exp.From | exp.Join):
        outer = above.find_ancestor(exp.Select)
        yield from [outer] if outer is not None else []
    elif isinstance(above, exp.CTE):
        for table in select.root().find_all(exp.Table):
            reader = table.find_ancestor(exp.Select)
            if (
                table.name == above.alias
                and not table.db
                and reader is not None
                and table.find_ancestor(exp.CTE) is not above
            ):
                yield reader


def _plain(item: exp.Expression) -> set[str]:
    """Names of columns in an item, and its own, unless an aggregate makes one of many."""
    return {item.alias_or_name} | {
        column.name for column in item.find_all(exp.Column) if column.find_ancestor(exp.AggFunc) is None
    }


def _is_grouped(select: exp.Select) -> bool:
    return select.args.get("group") is not None or select.args.get("distinct") is not None
