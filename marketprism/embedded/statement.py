"""Enough of ClickHouse's grammar to route a statement: its kind, its FORMAT, and where an INSERT's data begin.

Works on bytes, because the data of an INSERT follow its text in the same body and need not be text. What a statement
*may do* is not decided here: for analysts that is ``guard``, on sqlglot's syntax tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NamedTuple

from marketprism.embedded.exceptions import EngineError

_TOKEN: Final = re.compile(
    rb"""
    (?P<space>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
  | (?P<string>'(?:[^'\\]|\\.|'')*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
  | (?P<name>"(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*`)
  | (?P<word>[A-Za-z_\x80-\xff][\w\x80-\xff]*)
  | (?P<number>\d[\w.]*)
  | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_SELECTS: Final = frozenset({"SELECT", "WITH", "FROM"})
_SHOWS: Final = frozenset({"SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK"})
_SESSION: Final = frozenset({"SET", "USE"})
# A FORMAT clause cannot follow these; there the word is a column.
_NOT_BEFORE_FORMAT: Final = frozenset(
    {"BY", "SELECT", "AS", "WHERE", "AND", "OR", "NOT", "ON", "HAVING", "IN", "LIKE", "DISTINCT"}
)
_NOT_A_FORMAT: Final = frozenset({"ASC", "DESC", "NULLS", "FROM", "AS", "SETTINGS"})


class Kind(Enum):
    """Which of the engine's doors a statement goes through."""

    SELECT = "select"
    SHOW = "show"
    INSERT = "insert"
    INSERT_SELECT = "insert_select"
    SESSION = "session"
    KILL = "kill"
    ADMIN = "admin"

    @property
    def reads(self) -> bool:
        """Whether nothing can change by it."""
        return self in (Kind.SELECT, Kind.SHOW)


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. ``sql[:tail]`` is it without its FORMAT clause; ``rest`` is what followed that (SETTINGS …).

    For an INSERT with data, ``sql`` ends before SETTINGS, FORMAT or VALUES, ``rest`` is its SETTINGS clause, and
    ``data`` is the offset of the data in the raw bytes (the raw bytes may hold only their beginning).
    """

    kind: Kind
    sql: str
    format: str = ""
    tail: int = 0
    rest: str = ""
    data: int = 0

    def into_file(self, path: str, format: str) -> str:
        """The same read, its answer written to ``path`` by the engine's own output format."""
        return f"{self.sql[: self.tail]}\nINTO OUTFILE '{path}' APPEND FORMAT {format} {self.rest}"

    def from_file(self, path: str) -> str:
        """The same INSERT, its data read from ``path`` by the engine's own input format."""
        return f"{self.sql}\nFROM INFILE '{path}' {self.rest}\nFORMAT {self.format}"


def tokens(raw: bytes) -> Iterator[Token]:
    """All tokens but space and comments, lazily: an INSERT's data are never looked at."""
    for match in _TOKEN.finditer(raw):
        kind = match.lastgroup or "mark"
        if match["space"] is None:
            kind = "string" if kind == "tag" else kind
            yield Token(kind, match[0].decode("utf-8", "replace"), match.start(), match.end())


def parse(raw: bytes) -> Statement:
    """Route the statement at the beginning of ``raw``. Raises EngineError for what HTTP does not take."""
    for token in tokens(raw):
        if token.text == "(":
            continue
        word = token.text.upper()
        if word == "INSERT" and token.kind == "word":
            return _insert(raw)
        return _whole(raw, word if token.kind == "word" else "")
    raise EngineError(62, "Syntax error: the query is empty", "SYNTAX_ERROR")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise EngineError(62, f"Syntax error: the query is not UTF-8 ({error.reason})", "SYNTAX_ERROR") from error


def _whole(raw: bytes, first: str) -> Statement:
    everything = list(tokens(raw))
    while everything and everything[-1].text == ";":
        everything.pop()
    if not everything:
        raise EngineError(62, "Syntax error: the query is empty", "SYNTAX_ERROR")
    end = everything[-1].end
    outer: list[Token] = []
    depth = 0
    for token, following in zip(everything, [*everything[1:], None], strict=True):
        if token.text == ";":
            raise EngineError(62, "Syntax error (Multi-statements are not allowed)", "SYNTAX_ERROR")
        if token.text.upper() == "INTO" and following is not None and following.text.upper() == "OUTFILE":
            raise EngineError(48, "INTO OUTFILE is not allowed over HTTP", "NOT_IMPLEMENTED")
        depth += _step(token)
        if depth == 0:
            outer.append(token)
    kind = _kind(first, outer)
    sql = _text(raw[:end])
    found = _format_clause(outer)
    if found is None:
        return Statement(kind, sql, tail=len(sql))
    clause, name = found
    tail = len(_text(raw[: clause.start]))
    return Statement(kind, sql, format=name.text, tail=tail, rest=_text(raw[name.end : end]))


def _kind(first: str, outer: list[Token]) -> Kind:
    if first == "WITH" and any(token.kind == "word" and token.text.upper() == "INSERT" for token in outer):
        return Kind.INSERT_SELECT
    if first in _SELECTS:
        return Kind.SELECT
    if first in _SHOWS:
        return Kind.SHOW
    if first in _SESSION:
        return Kind.SESSION
    return Kind.KILL if first == "KILL" else Kind.ADMIN


def _format_clause(outer: list[Token]) -> tuple[Token, Token] | None:
    """The last ``FORMAT name`` outside brackets that ends the statement or is followed by SETTINGS."""
    for index in range(len(outer) - 2, 0, -1):
        before, clause, name = outer[index - 1], outer[index], outer[index + 1]
        if clause.kind != "word" or clause.text.upper() != "FORMAT" or name.kind != "word":
            continue
        after = outer[index + 2].text.upper() if index + 2 < len(outer) else "SETTINGS"
        column = before.text.upper() in _NOT_BEFORE_FORMAT or (before.kind == "mark" and before.text not in ")]}*")
        if after == "SETTINGS" and not column and name.text.upper() not in _NOT_A_FORMAT:
            return clause, name
    return None


def _insert(raw: bytes) -> Statement:
    depth = 0
    before, settings = "", 0
    stream = tokens(raw)
    for token in stream:
        depth += _step(token)
        word = token.text.upper() if token.kind == "word" and depth <= 1 else ""
        if word in ("SELECT", "WITH"):
            return replace(_whole(raw, "INSERT"), kind=Kind.INSERT_SELECT)
        if depth:
            continue
        if word == "INFILE":
            raise EngineError(48, "FROM INFILE is not allowed over HTTP", "NOT_IMPLEMENTED")
        if word == "VALUES":
            return _with_data(raw, settings, token.start, "Values", token.end)
        if word == "FORMAT":
            name = next(stream, None)
            if name is None or name.kind != "word":
                raise EngineError(62, "Syntax error: a format name must follow FORMAT", "SYNTAX_ERROR")
            return _with_data(raw, settings, token.start, name.text, _after(raw, name.end))
        if token.text == ";":
            raise EngineError(62, "Syntax error: FORMAT or VALUES expected before ';'", "SYNTAX_ERROR")
        if word == "SETTINGS" and before not in ("INTO", "TABLE", "."):
            settings = token.start
        before = token.text.upper()
    return _with_data(raw, settings, len(raw), "Values", len(raw))


def _with_data(raw: bytes, settings: int, end: int, format: str, data: int) -> Statement:
    """``settings`` is where that clause begins; 0 when there is none."""
    sql, clause = raw[: settings or end], raw[settings or end : end]
    return Statement(Kind.INSERT, _text(sql), format=format, rest=_text(clause), data=data)


def _step(token: Token) -> int:
    """How a token changes the depth of brackets."""
    return 0 if token.kind != "mark" else (token.text in "([{") - (token.text in ")]}")


def _after(raw: bytes, end: int) -> int:
    """Where data begin after ``FORMAT name``: ClickHouse skips blanks, one line end, or one semicolon."""
    while raw[end : end + 1] in (b" ", b"\t", b"\f"):
        end += 1
    if raw[end : end + 1] == b";":
        return end + 1
    if raw[end : end + 1] == b"\r":
        end += 1
    return end + 1 if raw[end : end + 1] == b"\n" else end
