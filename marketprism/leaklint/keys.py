"""Rules on keys that keep markets apart, and on the one database that looks ahead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from marketprism.leaklint.columns import equated
from marketprism.leaklint.findings import Hit
from marketprism.leaklint.sources import is_table_function
from marketprism.leaklint.windows import function_name

LABELS_DATABASE: Final = "marketprism_labels"


def market_type(tree: exp.Expression) -> Iterator[Hit]:
    """symbol as a key of a join, a group, a window, LIMIT BY or IN needs market_type beside it."""
    for join in tree.find_all(exp.Join):
        keys = equated(join)
        if "symbol" in keys and "market_type" not in keys:
            yield Hit("market-type", join, f"join with {join.this.alias_or_name}")
    for select in tree.find_all(exp.Select):
        for key, title in (("group", "GROUP BY"), ("limit", "LIMIT BY")):
            part = select.args.get(key)
            if part is not None and _keys_lack_market(part.expressions):
                yield Hit("market-type", part, title)
    for window in tree.find_all(exp.Window):
        if _keys_lack_market(window.args.get("partition_by") or []):
            yield Hit("market-type", window, "PARTITION BY")
    for member in tree.find_all(exp.In):
        if isinstance(member.this, exp.Tuple) and _keys_lack_market(member.this.expressions):
            yield Hit("market-type", member, "IN")


def _keys_lack_market(keys: list[exp.Expression]) -> bool:
    names = {column.name for key in keys for column in key.find_all(exp.Column)}
    return "symbol" in names and "market_type" not in names


def labels(tree: exp.Expression) -> Iterator[Hit]:
    """Reading marketprism_labels from anywhere else: by name, through a table function, or through a dictionary."""
    for table in tree.find_all(exp.Table):
        if _is_of_labels(table.db) or (is_table_function(table) and _function_reads_labels(table.this)):
            yield Hit("labels-read", table, table.sql("clickhouse"))
    for member in tree.find_all(exp.In):  # IN database.table, without brackets
        field = member.args.get("field")
        if field is not None and _names_labels(field):
            yield Hit("labels-read", member, member.sql("clickhouse"))
    for node in tree.find_all(exp.Func):
        if function_name(node).startswith(("dictget", "dicthas", "joinget")) and _names_labels(node):
            yield Hit("labels-read", node, node.sql("clickhouse"))


def _function_reads_labels(function: exp.Expression) -> bool:
    """merge() takes its databases by a pattern; a pattern that cannot be read is taken to match."""
    if function_name(function) != "merge" or len(function.expressions) < 2:
        return _names_labels(function)
    database = function.expressions[0]
    if isinstance(database, exp.Literal):
        return bool(database.name == LABELS_DATABASE)
    pattern = database.find(exp.Literal)
    try:
        return pattern is None or re.search(pattern.name, LABELS_DATABASE) is not None
    except re.error:
        return True


def _names_labels(node: exp.Expression) -> bool:
    texts = [part.name for part in node.find_all(exp.Literal)]
    texts += [part.table or part.name for part in node.find_all(exp.Column)]  # cluster('c', database, table)
    return any(_is_of_labels(text.split(".")[0]) for text in texts)


def _is_of_labels(database: str) -> bool:
    """The database itself, and what a cluster calls its Distributed twin."""
    return database in (LABELS_DATABASE, f"{LABELS_DATABASE}_cluster")
