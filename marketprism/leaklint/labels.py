"""The one database that looks ahead: who may read it, write it, or give its tables another name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from marketprism.leaklint.findings import Hit
from marketprism.leaklint.functions import function_name
from marketprism.leaklint.sources import is_table_function

LABELS_DATABASE: Final = "marketprism_labels"

# The database itself, and what a cluster calls its Distributed twin.
_DATABASES: Final = frozenset({LABELS_DATABASE, f"{LABELS_DATABASE}_cluster"})
_WITHIN: Final = re.compile(rf"\b({'|'.join(sorted(_DATABASES))})\b")
_NAME: Final = r"([`\"]?\w+[`\"]?(?:\s*\.\s*[`\"]?\w+[`\"]?)?)"
_MOVED: Final = re.compile(rf"{_NAME}\s+(?:TO|AND)\s+{_NAME}", re.IGNORECASE)
_PARTITION: Final = re.compile(rf"\bTABLE\s+{_NAME}\s.*?\bPARTITION\b.*?\b(?:FROM|TO\s+TABLE)\s+{_NAME}", re.I | re.S)


def of_labels(statement: exp.Expression) -> bool:
    """Whether a statement belongs to the labels: the view or table that it makes or fills, and what the view writes."""
    targets = [named for named in (_made(statement), _written(statement)) if named is not None]
    return bool(targets) and all(named.db in _DATABASES for named in targets)


def read(tree: exp.Expression) -> Iterator[Hit]:
    """Reading the labels from anywhere else: by name, through a table function, or through a dictionary."""
    own = {id(named) for named in (_made(tree), _written(tree)) if named is not None}
    computes = isinstance(tree, exp.Create) or tree.find(exp.Select) is not None
    for table in tree.find_all(exp.Table) if computes else []:
        named = table.db in _DATABASES or isinstance(table.args.get("db"), exp.Placeholder)  # {database:Identifier}.x
        named = named or any(map(_is_of_labels, table.alias_column_names))  # what dictionary('…') is parsed into
        if (named and id(table) not in own) or (is_table_function(table) and _function_reads_labels(table.this)):
            yield Hit("labels-read", table, table.sql("clickhouse"))
    for member in tree.find_all(exp.In):  # IN database.table, without brackets
        field = member.args.get("field")
        if field is not None and _names_labels(field):
            yield Hit("labels-read", member, member.sql("clickhouse"))
    for node in tree.find_all(exp.Func):
        if function_name(node).startswith(("dictget", "dicthas", "joinget")) and _names_labels(node):
            yield Hit("labels-read", node, node.sql("clickhouse"))


def behind(tree: exp.Expression) -> Iterator[Hit]:
    """Tables whose engine, and dictionaries whose source, is a table of the labels under a name from elsewhere."""
    for engine in tree.find_all(exp.EngineProperty):
        if isinstance(engine.this, exp.Func) and _function_reads_labels(engine.this):
            yield Hit("labels-read", tree, f"ENGINE = {engine.this.sql('clickhouse')}")
    for source in tree.find_all(exp.DictProperty):
        if _WITHIN.search(source.sql("clickhouse")):
            yield Hit("labels-read", tree, "a dictionary whose source is there")


def moved(tree: exp.Expression) -> Iterator[Hit]:
    """Tables and partitions that leave the labels, and USE, after which a name does not say where it comes from."""
    if isinstance(tree, exp.Use) and tree.this.name in _DATABASES:
        yield Hit("labels-read", tree, tree.sql("clickhouse"))
    text = re.sub(r"'(\\.|[^'])*'", "''", tree.sql("clickhouse")) if isinstance(tree, exp.Command | exp.Alter) else ""
    verb, _, what = text.upper().partition(" ")
    found = _MOVED.findall(text) if verb in ("RENAME", "EXCHANGE") else _PARTITION.findall(text)
    for pair in found:
        first, second = (_is_of_labels(name, is_database=what.startswith("DATABASE")) for name in pair)
        if first != second:
            yield Hit("labels-read", tree, f"{pair[0]} and {pair[1]} change places or parts")


def written(tree: exp.Expression) -> Iterator[Hit]:
    """Views from elsewhere that write into the labels, where nobody would look for a feature."""
    made, target = _made(tree), _written(tree)
    if made is not None and target is not None and target.db in _DATABASES and made.db not in _DATABASES:
        yield Hit("labels-written", target, f"TO {target.sql('clickhouse')}")


def _made(statement: exp.Expression) -> exp.Table | None:
    """The table or view that a statement makes or fills."""
    if not isinstance(statement, exp.Create | exp.Insert):
        return None
    named = statement.this
    return named if isinstance(named, exp.Table) else named.find(exp.Table)


def _written(statement: exp.Expression) -> exp.Table | None:
    """The table behind a materialized view's TO."""
    properties = statement.args.get("properties") if isinstance(statement, exp.Create) else None
    to = properties.find(exp.ToTableProperty) if properties else None
    return to.this if to is not None else None


def _function_reads_labels(function: exp.Expression) -> bool:
    """merge() takes its databases by a pattern; a pattern that cannot be read is taken to match."""
    merges = [
        node for node in function.find_all(exp.Func) if function_name(node) == "merge" and len(node.expressions) > 1
    ]
    return any(_matches_labels(node.expressions[0]) for node in merges) or _names_labels(function)


def _matches_labels(database: exp.Expression) -> bool:
    if isinstance(database, exp.Literal | exp.Column):
        return database.name in _DATABASES
    pattern = database.find(exp.Literal)
    try:
        return pattern is None or any(re.search(pattern.name, name) for name in _DATABASES)
    except re.error:
        return True


def _names_labels(node: exp.Expression) -> bool:
    texts = [part.name for part in node.find_all(exp.Literal)]
    texts += [part.table or part.name for part in node.find_all(exp.Column)]  # cluster('c', database, table)
    return any(text.split(".")[0] in _DATABASES for text in texts)


def _is_of_labels(name: str, *, is_database: bool = False) -> bool:
    parts = re.findall(r"\w+", name)
    return (is_database or len(parts) > 1) and parts[0] in _DATABASES
