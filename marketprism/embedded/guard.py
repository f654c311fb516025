"""What an analyst may ask: one reading statement over MarketPrism's own tables, known functions, nothing opaque.

``readonly=1`` does not do it in chDB: it lets through ``file()``, INTO OUTFILE and KILL QUERY, and there are no users.
So a statement passes an allow-list before it runs, and what is not understood is refused. Pure: the names of tables
and functions are passed in (``vocabulary`` makes them from the engine's own lists). The embedded front puts a second
wall behind this one, the engine's own parser (``engine_tree``); the web page's SQL box uses the same two.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Set
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from marketprism.dialect import ClickHouseSQL
from marketprism.embedded.exceptions import EngineError
from marketprism.embedded.statement import Token, parse, tokens
from marketprism.errors import MarketPrismError

READABLE: Final = (
    "marketprism_*.*",
    *("system.tables", "system.columns", "system.databases", "system.functions", "system.parts", "system.settings"),
    *("system.one", "system.numbers", "system.view_refreshes", "system.data_type_families"),
)
"""Patterns of tables that an analyst may read."""

TABLE_FUNCTIONS: Final = frozenset({"numbers", "numbers_mt", "zeros", "generateseries", "generate_series", "values"})

_FORMATS: Final = re.compile(
    r"(?:TabSeparated|TSV|CSV)(?:Raw)?(?:WithNames(?:AndTypes)?)?|JSON\w*|NDJSON|Pretty\w*|RowBinary\w*"
    r"|Native|ArrowStream|Arrow|Parquet|ORC|Markdown|Vertical|Values|XML|TSKV|Null",
    re.IGNORECASE,
)

# Words that may stand before a bracket without being a call.
_KEYWORDS: Final = frozenset(
    [
        "all",
        "and",
        "any",
        "array",
        "as",
        "asof",
        "between",
        "by",
        "case",
        "columns",
        "cross",
        "cube",
        "date",
        "distinct",
        "else",
        "except",
        "exists",
        "explain",
        "extract",
        "fetch",
        "filter",
        "final",
        "from",
        "full",
        "global",
        "group",
        "grouping",
        "having",
        "if",
        "ilike",
        "in",
        "inner",
        "interpolate",
        "intersect",
        "interval",
        "into",
        "is",
        "join",
        "left",
        "like",
        "limit",
        "not",
        "nulls",
        "offset",
        "on",
        "or",
        "order",
        "outer",
        "over",
        "partition",
        "preceding",
        "prewhere",
        "qualify",
        "range",
        "replace",
        "right",
        "rollup",
        "rows",
        "sample",
        "select",
        "semi",
        "sets",
        "step",
        "strict",
        "timestamp",
        "then",
        "ties",
        "to",
        "totals",
        "union",
        "using",
        "values",
        "when",
        "where",
        "window",
        "with",
        "within",
        "desc",
        "describe",
        "plan",
        "pipeline",
        "syntax",
        "ast",
        "tree",
        "query",
        "estimate",
    ]
)
_EXPLAIN_KINDS: Final = frozenset({"AST", "SYNTAX", "PLAN", "PIPELINE", "ESTIMATE"})
_OPAQUE: Final = (exp.Command, exp.DDL, exp.DML, exp.Set, exp.Use, exp.Kill, exp.Pragma, exp.Into, exp.Pivot)


class ReaderRefused(MarketPrismError):
    """A statement that an analyst may not run; the text says which part, and what is allowed."""

    exit_code = 2

    def __init__(self, text: str) -> None:
        super().__init__(" ".join(text.split()))


def check_statement(sql: str, *, tables: Collection[str], functions: Set[str], database: str = "default") -> str:
    """The statement to run, when every part of it is allowed. Raises ReaderRefused with one line.

    ``tables`` are patterns such as ``marketprism_*.*``, ``functions`` lower-case names (aggregate combinators are
    understood), ``database`` is where a table without a database is looked up.
    """
    try:
        parsed = parse(sql.encode())
    except EngineError as error:
        raise ReaderRefused(f"not a single readable statement: {error.message}") from error
    if parsed.format and not _FORMATS.fullmatch(parsed.format):
        raise ReaderRefused(
            f"format {parsed.format} is not available here; use JSON, CSV, TSV, Arrow, Parquet or Native"
        )
    if parsed.rest.strip():
        raise ReaderRefused("nothing may follow FORMAT; send settings with the request")
    query = parsed.sql[: parsed.tail]
    everything = list(tokens(query.encode()))
    words = [token.text.upper() for token in everything]
    first = words[0]
    check = _Check(tables, functions, database)
    if first == "SHOW":
        check.show(everything, words)
    elif first in ("DESCRIBE", "DESC") and words[1:2] != ["("] and words[1:3] != ["TABLE", "("]:
        check.describe(everything, words)
    elif first in ("DESCRIBE", "DESC", "EXPLAIN"):
        check.select(_after_prefix(query, everything, words))
    elif first in ("SELECT", "WITH", "FROM", "("):
        check.select(query)
    else:
        raise ReaderRefused(f"{first} is not for this user; one SELECT, SHOW, DESCRIBE or EXPLAIN is")
    return parsed.sql


def check_format(name: str) -> None:
    """Raise ReaderRefused for an output format that is not for readers."""
    if not _FORMATS.fullmatch(name):
        raise ReaderRefused(f"format {name[:40]} is not available here; use JSON, CSV, TSV, Arrow, Parquet or Native")


def query_of(sql: str) -> str:
    """The SELECT inside a checked EXPLAIN or DESCRIBE, or the statement itself; '' when there is none to run."""
    everything = list(tokens(sql.encode()))
    words = [token.text.upper() for token in everything]
    if words[0] in ("SELECT", "WITH", "FROM", "("):
        return sql
    if words[0] == "EXPLAIN" or words[1:2] == ["("] or words[1:3] == ["TABLE", "("]:
        return _after_prefix(sql, everything, words)
    return ""


def _after_prefix(sql: str, everything: list[Token], words: list[str]) -> str:
    """The query behind EXPLAIN [kind] [name = value, …] or DESCRIBE [TABLE]."""
    at = 1
    if words[0] != "EXPLAIN":
        at = 2 if words[1] == "TABLE" else 1
    elif words[1:3] == ["QUERY", "TREE"]:
        at = 3
    elif len(words) > 1 and words[1] in _EXPLAIN_KINDS:
        at = 2
    while words[0] == "EXPLAIN" and words[at + 1 : at + 2] == ["="] and everything[at + 2].kind in ("number", "word"):
        at += 4 if words[at + 3 : at + 4] == [","] else 3
    if words[at : at + 1] not in (["SELECT"], ["WITH"], ["FROM"], ["("]):
        raise ReaderRefused(f"only a SELECT can follow {words[0]} here")
    return sql.encode()[everything[at].start :].decode()


class _Check:
    def __init__(self, tables: Collection[str], functions: Set[str], database: str) -> None:
        self._tables = tables
        self._functions = functions
        self._database = database

    def table(self, database: str, name: str) -> None:
        where = f"{database or self._database}.{name}"
        if not any(fnmatchcase(where, pattern) for pattern in self._tables):
            raise ReaderRefused(f"table {where} is not for this user; marketprism_* databases are (database.table)")

    def function(self, name: str) -> None:
        if not is_known_function(name, self._functions):
            raise ReaderRefused(f"function {name[:60]} is not for this user, or not known")

    # -- SHOW and DESCRIBE: a few fixed forms --------------------------------------------------------------------------

    def show(self, everything: list[Token], words: list[str]) -> None:
        """SHOW DATABASES; SHOW TABLES|COLUMNS|INDEX … FROM …; SHOW CREATE [TABLE|VIEW] …; each with LIKE 'x'."""
        if words[1:2] == ["CREATE"]:
            at = 3 if words[2:3] in (["TABLE"], ["VIEW"]) else 2
            if self._name(everything, at) == len(words):
                return
        if words[1:2] == ["FULL"]:
            words, everything = words[:1] + words[2:], everything[:1] + everything[2:]
        at = 2
        if words[1:2] in (["TABLES"], ["COLUMNS"]) and words[2:3] in (["FROM"], ["IN"]):
            at = self._name(everything, 3, whole_database=words[1] == "TABLES")
        elif words[1:2] == ["TABLES"]:
            self.table(self._database, "*")
        elif words[1:2] != ["DATABASES"]:
            raise ReaderRefused("only SHOW DATABASES, TABLES, COLUMNS and CREATE TABLE are for this user")
        rest = words[at:]
        if rest[:1] == ["NOT"]:
            rest = rest[1:]
        like = len(rest) == 2 and rest[0] in ("LIKE", "ILIKE") and everything[-1].kind == "string"
        if rest and not like:
            raise ReaderRefused(f"SHOW {words[1]} may only be followed by FROM a database and LIKE '…'")

    def describe(self, everything: list[Token], words: list[str]) -> None:
        """DESCRIBE [TABLE] name."""
        at = 2 if words[1:2] == ["TABLE"] else 1
        if self._name(everything, at) != len(words):
            raise ReaderRefused("DESCRIBE takes one table, or a SELECT in brackets")

    def _name(self, everything: list[Token], at: int, whole_database: bool = False) -> int:
        """Check ``[database.]table`` at ``at``; gives what follows it."""
        parts = [token for token in everything[at : at + 3] if token.kind in ("word", "name")]
        dotted = [token.text for token in everything[at + 1 : at + 2]] == ["."]
        if not parts or everything[at] is not parts[0] or (dotted and len(parts) != 2):
            raise ReaderRefused("a name of a table is missing")
        first = _unquoted(parts[0])
        if whole_database:
            self.table(first, "*")
            return at + 1
        self.table(first if dotted else "", _unquoted(parts[1]) if dotted else first)
        return at + 3 if dotted else at + 1

    # -- SELECT --------------------------------------------------------------------------------------------------------

    def select(self, sql: str) -> None:
        self._calls(list(tokens(sql.encode())))
        tree = _tree(sql)
        for node in tree.walk():
            if isinstance(node, _OPAQUE):
                raise ReaderRefused(f"{type(node).__name__.upper()} is not for this user; only reading is")
            if node.args.get("settings"):
                raise ReaderRefused("SETTINGS is not for this user; send settings with the request")
        names = {alias.alias for alias in tree.find_all(exp.CTE, exp.Alias) if alias.alias}
        for table in tree.find_all(exp.Table):
            self._source(table, names)
        for membership in tree.find_all(exp.In):
            field = membership.args.get("field")
            if isinstance(field, exp.Column) and not (field.name in names and not field.table):
                self.table(field.table, field.name)
            elif isinstance(field, exp.Table):
                self._source(field, names)
        for call in tree.find_all(exp.Anonymous, exp.AnonymousAggFunc):
            if not isinstance(call.parent, exp.Table):
                self.function(str(call.name))

    def _source(self, table: exp.Table, names: set[str]) -> None:
        source = table.this
        if isinstance(source, exp.Anonymous) and table.db and not table.catalog:
            self._parameterised_view(table.db, str(source.name), source.expressions)
            return
        if isinstance(source, exp.Func):
            name = str(source.name) if isinstance(source, exp.Anonymous) else source.sql_name()
            if name.lower().replace("_", "") not in {known.replace("_", "") for known in TABLE_FUNCTIONS}:
                raise ReaderRefused(
                    f"table function {name[:60]} is not for this user; {', '.join(sorted(TABLE_FUNCTIONS))} are"
                )
            return
        if table.catalog or not isinstance(source, exp.Identifier):
            raise ReaderRefused("a table must be written as database.table here, not as a parameter or an expression")
        if table.name in names and not table.db:
            return
        self.table(table.db, table.name)

    def _parameterised_view(self, database: str, name: str, arguments: list[exp.Expression]) -> None:
        """``marketprism_features.view(name = value, …)``: a table of ours, and values that are written out."""
        self.table(database, name)
        for argument in arguments:
            if not (isinstance(argument, exp.EQ) and isinstance(argument.this, exp.Column)):
                raise ReaderRefused(f"{database}.{name} takes parameters as name = value")

    def _calls(self, everything: list[Token]) -> None:
        """Every word before a bracket is a function or a type that is known, as ClickHouse would read it."""
        for at, (token, following) in enumerate(pairwise(everything)):
            if token.kind == "word" and token.text.upper() == "APPLY":
                raise ReaderRefused("APPLY is not for this user")
            if following.text != "(" or token.kind not in ("word", "name"):
                continue
            name = _unquoted(token)
            if token.kind == "word" and name.lower() in _KEYWORDS:
                continue
            if at >= 2 and everything[at - 1].text == "." and everything[at - 2].kind in ("word", "name"):
                self.table(_unquoted(everything[at - 2]), name)  # a view with parameters; _source looks closer
                continue
            if name.lower() not in TABLE_FUNCTIONS:
                self.function(name)


def _tree(sql: str) -> exp.Expression:
    logger = logging.getLogger("sqlglot")
    level = logger.level
    logger.setLevel(logging.ERROR)  # what falls back to an opaque command is refused anyway: no warning
    try:
        statements = sqlglot.parse(sql, read=ClickHouseSQL)
    except (SqlglotError, RecursionError) as error:
        why = " ".join(re.sub(r"\x1b\[\d*m", "", str(error)).split())[:200]
        raise ReaderRefused(f"this statement is not understood, so it cannot be allowed: {why}") from error
    finally:
        logger.setLevel(level)
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise ReaderRefused("one SELECT statement at a time is allowed")
    return statements[0]


def _unquoted(token: Token) -> str:
    if token.kind != "name":
        return token.text
    return re.sub(r"\\(.)", r"\1", token.text[1:-1])


_COMBINATORS: Final = (
    *("SimpleState", "OrDefault", "OrNull", "Distinct", "Resample", "ForEach", "ArgMax", "ArgMin", "Tuple"),
    *("MergeState", "Merge", "State", "Array", "Map", "If"),
)


def is_known_function(name: str, functions: Set[str]) -> bool:
    """Whether a name is in the list, itself or below its aggregate combinators (``sumIfState`` is ``sum``)."""
    while True:
        if name.lower() in functions:
            return True
        for suffix in _COMBINATORS:
            if name.endswith(suffix) and len(name) > len(suffix):
                name = name[: -len(suffix)]
                break
        else:
            return False
