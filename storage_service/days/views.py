"""The materialized views that hang on a raw table, and their own SELECT with the source swapped.

Live and history are computed by the same text: nothing here knows what a view computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from marketprism.clickhouse import FEATURES, HOT
from marketprism.dialect import ClickHouseSQL, parse
from marketprism.errors import DayError
from storage_service.days.engine import Engine


@dataclass(frozen=True, slots=True)
class View:
    """``sources``: tables that its SELECT reads; ``columns``: what it writes into ``target``, in the SELECT's order."""

    name: str
    sources: frozenset[str]
    target: str
    select: str
    columns: tuple[str, ...]


def views_on(engine: Engine, raw: str) -> list[View]:
    """Views fed by ``raw`` (database.table), directly or through the target of another, sources before readers.

    Raises DayError when a target is fed from elsewhere as well: its day could not be computed from ``raw`` alone.
    """
    found = _all_views(engine)
    reached, order = {raw}, []
    while ready := [view for view in found if view not in order and view.sources & reached]:
        order += ready
        reached |= {view.target for view in ready}
    for view in order:
        others = [other.name for other in found if other.target == view.target and other not in order]
        if others or view.sources - reached:
            raise DayError(
                f"{view.target} is fed by {view.name} and also from {', '.join(others) or sorted(view.sources)}; "
                "give each source a target of its own"
            )
    return order


def _all_views(engine: Engine) -> list[View]:
    rows = engine.rows(
        "SELECT database || '.' || name, create_table_query, as_select FROM system.tables "
        "WHERE engine = 'MaterializedView' AND database IN ({hot:String}, {features:String}) "
        "AND position(create_table_query, 'REFRESH ') = 0 ORDER BY 1",
        {"hot": HOT, "features": FEATURES},
    )
    views = []
    for name, create, select in rows:
        (tree,) = parse(create)
        target = tree.find(exp.ToTableProperty)
        if target is None:
            raise DayError(f"{name} has no TO table; write it as CREATE MATERIALIZED VIEW … TO …")
        columns = engine.rows(
            "SELECT name FROM system.columns WHERE database || '.' || table = {n:String} ORDER BY position",
            {"n": name},
        )
        views.append(
            View(name, frozenset(_tables(parse(select)[0])), _name(target.this), select, tuple(c for (c,) in columns))
        )
    return views


def _tables(tree: exp.Expression) -> set[str]:
    ctes = {cte.alias for cte in tree.find_all(exp.CTE)}
    return {_name(table) for table in tree.find_all(exp.Table) if table.db or table.name not in ctes}


def _name(table: exp.Expression) -> str:
    node = table.find(exp.Table) if not isinstance(table, exp.Table) else table
    if node is None:
        raise DayError(f"no table in {table.sql(dialect=ClickHouseSQL)}")
    return f"{node.db}.{node.name}"


def swapped(select: str, tables: Mapping[str, str], where: str = "") -> str:
    """``select`` reading other tables, of them the rows that satisfy ``where``.

    A source without an alias keeps its name as one, for qualified columns.
    """
    (tree,) = parse(select)
    for table in list(tree.find_all(exp.Table)):
        other = tables.get(_name(table))
        if other is None:
            continue
        database, _, name = other.partition(".")
        alias = table.alias or table.name
        source: exp.Expression = exp.table_(name, db=database)
        if where:
            (chosen,) = parse(f"SELECT * FROM {other} WHERE {where}")
            source = exp.Subquery(this=chosen)
        table.replace(exp.alias_(source, alias, table=True))
    return str(tree.sql(dialect=ClickHouseSQL))
