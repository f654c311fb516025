"""Where a column comes from: through aliases, subqueries and WITH to the expression that computes it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from marketprism.leaklint.functions import function_name


def sources(select: exp.Expression) -> list[exp.Expression]:
    """What a select reads: its FROM, then its joins, in order."""
    first = [select.args["from_"].this] if select.args.get("from_") else []
    return first + [join.this for join in select.args.get("joins") or [] if join.args.get("kind") != "ARRAY"]


def is_table_function(table: exp.Expression) -> bool:
    """merge(…), remote(…) and views with parameters."""
    return isinstance(table, exp.Table) and isinstance(table.this, exp.Func)


def name_of(table: exp.Expression) -> str:
    """The name of a table, or of a view with parameters."""
    return function_name(table.this) if isinstance(table.this, exp.Func) else str(table.name).lower()


def inner(source: exp.Expression) -> exp.Select | None:
    """The select behind a subquery or the name of a WITH; None for a table."""
    if isinstance(source, exp.Subquery | exp.Union):
        return inner(source.this)
    if isinstance(source, exp.Select):
        return source
    if isinstance(source, exp.Table) and not source.db:
        for scope in _around(source):
            for named in scope.args["with_"].expressions if scope.args.get("with_") else []:
                if named.alias == source.name and source.find_ancestor(exp.CTE) is not named:
                    return inner(named.this)
    return None


def _around(node: exp.Expression) -> Iterator[exp.Expression]:
    parent = node.parent
    while parent is not None:
        if isinstance(parent, exp.Query):
            yield parent
        parent = parent.parent


def within(name: str, source: exp.Expression) -> tuple[exp.Expression, exp.Select] | None:
    """The item of that name in what a source selects, and the select that computes it; None for a table."""
    select = inner(source)
    if select is None:
        return None
    for item in select.expressions:
        if item.alias_or_name == name:
            return item.unalias(), select
    starred = [item for item in select.expressions if item.is_star]
    return (exp.column(name), select) if starred else None


def defined(column: exp.Column, select: exp.Expression) -> tuple[exp.Expression, exp.Select] | None:
    """What a column of ``select`` stands for and where; None when a table holds it or its source is not known."""
    if column.table:
        for scope in (select, *_around(select)):
            for source in sources(scope) if isinstance(scope, exp.Select) else []:
                if source.alias_or_name == column.table:
                    return within(column.name, source)
        return None
    for item in select.expressions:
        if isinstance(item, exp.Alias) and item.alias == column.name and not _names(item.this, column.name):
            return item.this, select
    for named in select.args["with_"].expressions if select.args.get("with_") else []:
        if named.alias == column.name and named.args.get("scalar") and not _names(named.this, column.name):
            return named.this, select
    read = sources(select)
    return within(column.name, read[0]) if len(read) == 1 else None


def item_of(node: exp.Expression, select: exp.Select) -> exp.Expression:
    """The item, or other part, of a select that a node stands in."""
    while node.parent is not None and node.parent is not select:
        node = node.parent
    return node


def origins(column: exp.Column, select: exp.Expression) -> set[str]:
    """A column's name and the names of what it stands for, down to the columns of tables."""
    found: dict[tuple[int, str], str] = {}
    waiting = [(column, select)]
    while waiting:
        column, select = waiting.pop()
        key = (id(select), column.sql())
        inside = defined(column, select) if key not in found else None
        found[key] = column.name
        if inside is not None:
            waiting += [(part, inside[1]) for part in inside[0].find_all(exp.Column)]
    return set(found.values())


def _names(node: exp.Expression, name: str) -> bool:
    return any(column.name == name for column in node.find_all(exp.Column))
