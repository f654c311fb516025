"""The second wall: what the engine's own parser sees in an analyst's SELECT (EXPLAIN AST).

The guard reads a statement with sqlglot; where the two parsers read it differently, this one is right, because it is
the one that runs. The tree names every function and table, also those that came in as parameters.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Set
from fnmatch import fnmatchcase
from typing import Final

from marketprism.embedded.engine import Handle
from marketprism.embedded.guard import (
    READABLE,
    TABLE_FUNCTIONS,
    ReaderRefused,
    check_statement,
    is_known_function,
    query_of,
)

_LINE: Final = re.compile(r"^(?P<indent> *)(?P<kind>\w+)(?: (?P<name>.*?))?(?: \(alias .*\))?(?: \(children \d+\))?$")
_REFUSED: Final = frozenset({"InsertQuery", "CreateQuery", "AlterQuery", "DropQuery", "SystemQuery", "KillQueryQuery"})


def check_tree(tree: str, *, tables: Collection[str], functions: Set[str]) -> None:
    """Raise ReaderRefused when the engine's tree names a function or a qualified table that is not allowed."""
    for line in tree.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        kind, name = match["kind"], match["name"] or ""
        if kind in _REFUSED:
            raise ReaderRefused("only reading is for this user")
        if kind == "Function" and not _allowed(name, tables, functions):
            raise ReaderRefused(f"function {name[:60]} is not for this user, or not known")
        if kind == "TableIdentifier" and "." in name and not any(fnmatchcase(name, pattern) for pattern in tables):
            raise ReaderRefused(f"table {name[:120]} is not for this user; marketprism_* databases are")


def _allowed(name: str, tables: Collection[str], functions: Set[str]) -> bool:
    """A function that is known, or a view that takes parameters: to the engine that is a function of a dotted name."""
    if "." in name:
        return any(fnmatchcase(name, pattern) for pattern in tables)
    return name.lower() in TABLE_FUNCTIONS or is_known_function(name, functions)


def checked(handle: Handle, sql: str, *, functions: Set[str], database: str, params: Mapping[str, str]) -> str:
    """Both walls: the statement to run. Raises ReaderRefused, and EngineError for what is not SQL to the engine."""
    allowed = check_statement(sql, tables=READABLE, functions=functions, database=database)
    query = query_of(allowed)
    if query:
        tree = handle.query(f"EXPLAIN AST {query}", "TabSeparatedRaw", params).decode("utf-8", "replace")
        check_tree(tree, tables=READABLE, functions=functions)
    return allowed
