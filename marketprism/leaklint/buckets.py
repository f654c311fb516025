"""Rules on trades that are set beside the bucket which they fill: its close and its volume come after them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from marketprism.leaklint.columns import conditions
from marketprism.leaklint.comparisons import comparisons, of_join
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.instants import bears_moments, is_of_bucket, is_single
from marketprism.leaklint.joins import is_told
from marketprism.leaklint.sources import sources

# What is known of a bucket when it opens, and the columns that a trade has of its own.
_OPENING: Final = re.compile(
    r"^(exchange|market_type|symbol|bucket_id|bucket_ts_start|first_\w+|open|session_tag|mode|t_max|v_max)$"
)
_OF_TRADES: Final = frozenset({"timestamp", "received_at", "sequence", "trade_id", "price", "quantity", "side", "kind"})


def own(tree: exp.Expression) -> Iterator[Hit]:
    """Single trades joined by their own bucket's id to more of it than its opening, and dated by themselves."""
    for join in tree.find_all(exp.Join):
        select = join.find_ancestor(exp.Select)
        if select is None or not _takes_own(join, select):
            continue
        others = [source for source in sources(select) if source is not join.this]
        if is_of_bucket(join.this) and any(map(is_single, others)):
            bucket = join.this.alias_or_name
        elif is_single(join.this) and others and is_of_bucket(others[0]):
            bucket = others[0].alias_or_name
        else:
            continue
        found = _closing(select, bucket)
        if found and bears_moments(select) and not is_told(select, bucket):
            yield Hit("unfinished-period", join, f"{found} of {bucket} beside trades that fill it")


def chosen(tree: exp.Expression) -> Iterator[Hit]:
    """Single trades that are kept or dropped by how their own bucket ended: its id IN a choice of buckets."""
    for member in tree.find_all(exp.In):
        select, query = member.find_ancestor(exp.Select), member.args.get("query")
        inside = query.find(exp.Select) if query is not None else None
        sides = member.this.expressions if isinstance(member.this, exp.Tuple) else [member.this]
        keys = {side.name for side in sides if isinstance(side, exp.Column)}  # bucket_id - 1 is the one before
        if select is None or inside is None or "bucket_id" not in keys or not is_of_bucket(inside):
            continue
        read = [part for clause in ("where", "having") if (part := inside.args.get(clause)) is not None]
        ends = [column.name for part in read for column in part.find_all(exp.Column) if not _OPENING.match(column.name)]
        if ends and is_single(next(iter(sources(select)), exp.null())) and bears_moments(select):
            yield Hit("unfinished-period", member, f"{ends[0]} of the bucket chooses trades that fill it")


def looked_up(tree: exp.Expression) -> Iterator[Hit]:
    """Single trades beside a subquery that takes their own bucket by its id, and of it more than its opening."""
    for inside in tree.find_all(exp.Select):
        select, read = inside.find_ancestor(exp.Select), sources(inside)
        if select is None or not read or not is_of_bucket(read[0]):
            continue
        own_names = {source.alias_or_name for source in read} | {""}
        ties = list(comparisons(conditions(inside), own_names, inside))
        is_own = any(
            one.ahead == 0 and "bucket_id" in {part.name for part in one.part.find_all(exp.Column)} for one in ties
        )
        ends = [
            part.name
            for item in inside.expressions
            for part in item.find_all(exp.Column)
            if not _OPENING.match(part.name)
        ]
        if is_own and ends and is_single(next(iter(sources(select)), exp.null())) and bears_moments(select):
            yield Hit("unfinished-period", inside, f"{ends[0]} of the bucket beside trades that fill it")


def _takes_own(join: exp.Join, select: exp.Select) -> bool:
    """Whether the bucket of the same id is let in: by equality, or as of the trade."""
    for found in of_join(join, select):
        names = {part.name for part in found.part.find_all(exp.Column)} | {
            part.name for part in join.args.get("using") or [] if found.part is join
        }
        if "bucket_id" in names and found.ahead == 0 and found.operator in (exp.EQ, exp.LTE):
            return True
    return False


def _closing(select: exp.Select, bucket: str) -> str:
    """The first column of the bucket, by its name, that nobody knows before its end; '' where none is read."""
    aliases = {item.alias for item in select.expressions}
    for column in select.find_all(exp.Column):
        if column.find_ancestor(exp.Join, exp.Select) is not select or _OPENING.match(column.name):
            continue
        if column.table == bucket or (not column.table and column.name not in _OF_TRADES | aliases):
            return str(column.name)
    return "*" if any(item.is_star for item in select.expressions) else ""
