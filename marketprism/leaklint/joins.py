"""Rules on joins, and on what stands for one: which way in time they look, and whether what they find is complete."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from marketprism.leaklint.columns import clocks_in, conjuncts
from marketprism.leaklint.comparisons import Comparison, comparisons, is_asof, of_join
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.moments import KNOWN, moment
from marketprism.leaklint.sources import item_of, sources


def asof(tree: exp.Expression) -> Iterator[Hit]:
    """As-of joins take the last complete row; the other direction is refused, and so are unfinished periods."""
    for join, select in _joins(tree):
        if not is_asof(join):
            continue
        name = join.this.alias_or_name
        for found in of_join(join, select):
            if found.is_lower:
                yield Hit("asof-forward", found.part, f"{_text(found)} takes the next row of {name}")
            elif found.is_shifted_ahead:
                yield Hit("asof-forward", found.part, f"{_text(found)} looks past the row's own time")
            elif found.is_early and not _is_dated(select, found, join):
                yield _unfinished(found, name)


def future(tree: exp.Expression) -> Iterator[Hit]:
    """Plain joins whose condition matches later rows of the joined table."""
    for join, select in _joins(tree):
        if is_asof(join) or join.args.get("kind") == "ARRAY":
            continue
        found = list(of_join(join, select))
        if not any(_is_honest(one) for one in found):
            yield from _unreadable(join)
        for hit in _matched(found, join.this.alias_or_name):
            if hit.rule != "unfinished-period" or not any(_is_dated(select, one, join) for one in found):
                yield hit


def _is_honest(one: Comparison) -> bool:
    """Whether it lets in no row that was not known yet."""
    return not one.is_lower and not one.is_shifted_ahead and not one.is_early


def _unreadable(join: exp.Join) -> Iterator[Hit]:
    """Conditions on the clocks of both sides that say nothing certain: OR, NOT, <>, and comparisons by a function."""
    name = join.this.alias_or_name
    for part in conjuncts(join.args.get("on")):
        of = {column.table for column in clocks_in(part)}
        if name in of and len(of) > 1 and isinstance(part, exp.Or | exp.Not | exp.NEQ | exp.Anonymous):
            yield Hit("join-future", part, f"{part.sql('clickhouse')} may let later rows of {name} in")


def correlated(tree: exp.Expression) -> Iterator[Hit]:
    """Subqueries whose WHERE ties their rows to the outer row, as a join would."""
    for select in tree.find_all(exp.Select):
        where = select.args.get("where")
        if where is not None and select.find_ancestor(exp.Select) is not None:
            own = {source.alias_or_name for source in sources(select)} | {""}
            yield from _matched(list(comparisons(conjuncts(where.this), own, select)), "the subquery")


def members(tree: exp.Expression) -> Iterator[Hit]:
    """(…, clock) IN (SELECT …, clock): a join by equality, of which only a shift can look ahead."""
    for node in tree.find_all(exp.In):
        query = node.args.get("query")
        outer, inner = node.find_ancestor(exp.Select), query.find(exp.Select) if query is not None else None
        if outer is None or inner is None:
            continue
        sides = node.this.expressions if isinstance(node.this, exp.Tuple) else [node.this]
        for side, item in zip(sides, inner.expressions, strict=False):
            if item.find(exp.Explode, exp.Lambda) is not None:  # a list of its own making, not the clock of a row
                continue
            of_row, of_member = moment(side, outer), moment(item.unalias(), inner)
            if of_row and of_member and of_row.moved > of_member.moved:
                yield Hit("join-future", side, f"{side.sql('clickhouse')} IN looks for later rows")


def _joins(tree: exp.Expression) -> Iterator[tuple[exp.Join, exp.Select]]:
    for join in tree.find_all(exp.Join):
        select = join.find_ancestor(exp.Select)
        if select is not None:
            yield join, select


def _matched(found: list[Comparison], name: str) -> Iterator[Hit]:
    """What one set of conditions lets in too early: any one honest bound from above is enough."""
    found = [one for one in found if one.operator not in (exp.LT, exp.LTE) or not one.is_of_all_time]
    for one in found:
        if one.operator is exp.EQ and one.is_shifted_ahead:
            yield Hit("join-future", one.part, f"{_text(one)} pairs a row with a later one of {name}")
            return
    if any(_is_honest(one) for one in found if _binds(one, found)):
        return
    later = [one for one in found if one.is_lower or one.is_shifted_ahead]
    early = [one for one in found if not one.is_lower and one.is_early and not one.is_shifted_ahead]
    if early:
        yield _unfinished(early[0], name)
    elif later:
        yield Hit("join-future", later[0].part, f"{_text(later[0])} lets later rows of {name} in")


def _binds(one: Comparison, found: list[Comparison]) -> bool:
    """A day in common does not bound what is later within that day."""
    return one.operator is not exp.EQ or all(one.joined.grain <= other.joined.grain for other in found)


def _unfinished(found: Comparison, name: str) -> Hit:
    return Hit("unfinished-period", found.part, f"{_text(found)} sets a row of {name} beside moments before its end")


def _is_dated(select: exp.Select, found: Comparison, join: exp.Join) -> bool:
    """Whether the row that comes out is not one of the shorter period: grouped back to the longer one, or told."""
    grain = max(found.joined.grain, found.other.grain)
    group = select.args.get("group")
    keys = [key for part in group.expressions if (key := moment(part, select))] if group is not None else []
    if keys and all(key.grain >= grain for key in keys):
        return True
    return is_told(select, join.this.alias_or_name)


def is_told(select: exp.Select, name: str) -> bool:
    """Whether available_at takes in that of the source of that name, or only ``quality`` is computed from it."""
    for item in select.expressions:
        if item.alias == "available_at" and any(
            column.table == name and KNOWN.match(column.name) for column in item.find_all(exp.Column)
        ):
            return True
    return _only_marks_quality(select, name)


def _only_marks_quality(select: exp.Select, name: str) -> bool:
    """Whether columns of the source of that name stand in the item ``quality`` and nowhere else but in joins."""
    aliases = {item.alias for item in [*select.expressions, *select.ctes]}
    columns = [column for column in select.find_all(exp.Column) if column.find_ancestor(exp.Join, exp.Select) is select]
    read = [column for column in columns if column.table == name or (not column.table and column.name not in aliases)]
    starred = any(item.is_star for item in select.expressions)
    return bool(read) and not starred and all(item_of(column, select).alias_or_name == "quality" for column in read)


def _text(found: Comparison) -> str:
    return str(found.part.sql("clickhouse"))
