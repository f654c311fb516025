"""Rules on keys that keep markets apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp

from marketprism.leaklint.columns import conditions, conjuncts, equated
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.sources import inner, origins, sources


def market_type(tree: exp.Expression) -> Iterator[Hit]:
    """symbol as a key of a join, a group, a window, LIMIT BY or IN needs market_type, and of a join exchange."""
    for join in tree.find_all(exp.Join):
        equal = equated(join)
        lacking = [key for key in ("exchange", "market_type") if key not in equal | _told(join)]
        if "symbol" in equal and lacking:
            yield Hit("market-type", join, f"join with {join.this.alias_or_name} without {' and '.join(lacking)}")
    for select in tree.find_all(exp.Select):
        for key, title in (("group", "GROUP BY"), ("limit", "LIMIT BY")):
            part = select.args.get(key)
            if part is not None and _lacks_market(_names(_written_out(part, select), select)):
                yield Hit("market-type", part, title)
        distinct = select.args.get("distinct")
        on = distinct.args.get("on") if distinct is not None else None
        if on is not None and _lacks_market(_names(on.expressions, select)):
            yield Hit("market-type", distinct, "DISTINCT ON")
    for window in tree.find_all(exp.Window):
        keys = window.args.get("partition_by") or []
        names = _names(keys, window.find_ancestor(exp.Select))
        # no place of the select's list, as it would be in GROUP BY, but a constant that all rows share
        is_constant = any(isinstance(key, exp.Literal) for key in keys) and not names >= {"symbol", "market_type"}
        if is_constant or _lacks_market(names):
            yield Hit("market-type", window, "PARTITION BY")
    for member in tree.find_all(exp.In):
        if isinstance(member.this, exp.Tuple) and _lacks_market(
            _names(member.this.expressions, member.find_ancestor(exp.Select))
        ):
            yield Hit("market-type", member, "IN")


def _told(join: exp.Join) -> set[str]:
    """Names of columns that the conditions of both sides, or subqueries on both, choose: two exchanges side by side."""
    select = join.find_ancestor(exp.Select)
    if select is None:
        return set()
    tables: dict[str, set[str]] = {}
    for part in [*conjuncts(join.args.get("on")), *conditions(select)]:
        for column in part.find_all(exp.Column) if isinstance(part, exp.EQ | exp.NEQ | exp.LT | exp.GT) else []:
            tables.setdefault(column.name, set()).add(column.table)
    for source in sources(select):
        for part in conditions(below) if (below := inner(source)) is not None else []:
            if isinstance(part, exp.EQ) and isinstance(part.expression, exp.Literal | exp.Placeholder):
                tables.setdefault(part.this.name, set()).add(source.alias_or_name)
    return {name for name, of in tables.items() if join.this.alias_or_name in of and len(of) > 1}


def _lacks_market(names: set[str]) -> bool:
    return "symbol" in names and "market_type" not in names


def _names(keys: Iterable[exp.Expression], select: exp.Expression | None) -> set[str]:
    """Names of the columns behind keys, also behind aliases."""
    columns = [column for key in keys for column in key.find_all(exp.Column)]
    return {name for column in columns for name in (origins(column, select) if select else {column.name})}


def _written_out(part: exp.Expression, select: exp.Select) -> Iterator[exp.Expression]:
    """The keys of GROUP BY and LIMIT BY, with ALL and places in the select's list as what they stand for."""
    items = select.expressions
    if part.args.get("all"):
        yield from (item for item in items if item.find(exp.AggFunc) is None)
    for key in part.expressions:
        place = int(key.name) if isinstance(key, exp.Literal) and key.name.isdigit() else 0
        yield items[place - 1] if 0 < place <= len(items) else key
