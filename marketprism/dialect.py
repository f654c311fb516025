"""ClickHouse SQL as syntax trees: the one way by which the linter, the analysts' guard and the jobs parse.

sqlglot 30 refuses lambdas over several arrays in ``arraySum``, ``arrayMin`` and ``arrayMax``; here they parse. It takes
``CREATE VIEW name (column Type COMMENT '…', …) AS SELECT … COMMENT '…'`` for an opaque command; the list and the
comment compute nothing, so they are blanked by token positions and line numbers stay those of the file.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.clickhouse import ClickHouse
from sqlglot.tokens import Token, TokenType

_NARROWED = frozenset({"ARRAY_SUM", "ARRAYSUM", "ARRAY_MIN", "ARRAYMIN", "ARRAY_MAX", "ARRAYMAX"})


class ClickHouseSQL(ClickHouse):
    """sqlglot's ClickHouse, less the functions whose arity it fixes too tightly."""

    class Parser(ClickHouse.Parser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {
            name: build for name, build in ClickHouse.Parser.FUNCTIONS.items() if name not in _NARROWED
        }


def parse(sql: str) -> list[exp.Expression]:
    """Trees of all statements. Raises sqlglot's SqlglotError for text that is no SQL."""
    blanked = _only_what_computes(sql, sqlglot.tokenize(sql, read=ClickHouseSQL))
    return [tree for tree in sqlglot.parse(blanked, dialect=ClickHouseSQL) if tree is not None]


def _only_what_computes(sql: str, tokens: list[Token]) -> str:
    """The text with column lists and closing comments of views replaced by blanks of the same shape."""
    text = list(sql)
    for position, token in enumerate(tokens):
        if token.token_type is not TokenType.VIEW or not _after_create(tokens, position):
            continue
        opening = _column_list(tokens, position + 1)
        if opening is not None:
            _blank(text, tokens[opening].start, tokens[_closing(tokens, opening)].end)
        end = next(
            (at for at in range(position, len(tokens)) if tokens[at].token_type is TokenType.SEMICOLON), len(tokens)
        )
        if tokens[end - 1].token_type is TokenType.STRING and tokens[end - 2].token_type is TokenType.COMMENT:
            _blank(text, tokens[end - 2].start, tokens[end - 1].end)
    return "".join(text)


def _blank(text: list[str], start: int, end: int) -> None:
    text[start : end + 1] = ["\n" if letter == "\n" else " " for letter in text[start : end + 1]]


def _after_create(tokens: list[Token], position: int) -> bool:
    return any(token.token_type is TokenType.CREATE for token in tokens[max(0, position - 4) : position])


def _column_list(tokens: list[Token], start: int) -> int | None:
    """Index of the parenthesis that opens the column list: the first one before the view's AS."""
    for position in range(start, len(tokens)):
        kind = tokens[position].token_type
        if kind is TokenType.L_PAREN:
            return position
        if kind in (TokenType.ALIAS, TokenType.SEMICOLON):
            return None
    return None


def _closing(tokens: list[Token], opening: int) -> int:
    depth = 0
    for position in range(opening, len(tokens)):
        kind = tokens[position].token_type
        depth += (kind is TokenType.L_PAREN) - (kind is TokenType.R_PAREN)
        if depth == 0:
            return position
    return len(tokens) - 1
