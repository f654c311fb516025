"""The same migrations for a ClickHouse cluster: replicated tables on every shard, and twins that read all shards.

Names stay what they are: services insert into the tables of their own shard, and views and materialized views work on
these, because all rows of a symbol are on one shard. Beside each database ``marketprism_x`` there is
``marketprism_x_cluster`` with a Distributed table for every table and view, for reading: same name, every shard.

Statements are edited by the positions of sqlglot's tokens, so that whatever is not about the cluster stays as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import sqlglot
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

from marketprism.dialect import ClickHouseSQL
from marketprism.errors import MigrationError, SettingsError

TWIN: Final = "_cluster"
"""What a database of twins has at the end of its name."""
PATH: Final = "/clickhouse/tables/{uuid}/{shard}"
REPLICA: Final = "{replica}"
WINDOW_S: Final = 604_800
"""A retry may come a week later: the engine's own 3,600 s would forget the token before that."""
_LOCAL: Final = ("marketprism_staging",)
"""Databases of which each server has its own: jobs on days prepare them on one replica and replace from there."""
_KEY: Final = ("exchange", "market_type", "symbol")

_FNV_OFFSET, _FNV_PRIME, _32_BITS = 2_166_136_261, 16_777_619, 4_294_967_295
_TEXT: Final = f"concat({', '.join(_KEY)})"
SHARD_KEY: Final = (
    f"arrayFold((hash, byte) -> bitAnd(bitXor(hash, byte) * {_FNV_PRIME}, {_32_BITS}), "
    f"arrayMap(n -> toUInt64(reinterpretAsUInt8(substring({_TEXT}, n, 1))), range(1, length({_TEXT}) + 1)), "
    f"toUInt64({_FNV_OFFSET}))"
)
"""FNV-1a of the key, as ``subjects.partition_of`` computes it: with partitions a multiple of the shards, partition p is
on shard p % shards, and a Distributed table may skip the other shards (``optimize_skip_unused_shards``)."""

_CLUSTER_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")
_OBJECTS: Final = ("DATABASE", "TABLE", "VIEW")
_BEFORE_NAME: Final = frozenset({"IF", "NOT", "EXISTS"})


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: its tokens, what it does to what. ``name``: as written, without quotes; ``end``: of the name."""

    tokens: list[Token]
    verb: str
    kind: str
    name: str
    end: int

    def has(self, *words: str) -> bool:
        """Whether these words follow each other in it."""
        return any(self._words(at, len(words)) == words for at in range(len(self.tokens)))

    @property
    def filled(self) -> str:
        """The table that a materialized view writes TO (database.object); empty when it has its own."""
        at = next((at for at, token in enumerate(self.tokens) if token.text.upper() == "TO"), len(self.tokens))
        return "".join(token.text for token in self.tokens[at + 1 : at + 4])

    def _words(self, at: int, count: int) -> tuple[str, ...]:
        return tuple(token.text.upper() for token in self.tokens[at : at + count])


class ClusterSchema:
    """Rewrites migrations in their order; knows the tables that came before."""

    def __init__(self, cluster: str) -> None:
        if not _CLUSTER_NAME.fullmatch(cluster):
            raise SettingsError(f"--cluster {cluster!r} is no cluster's name; see SELECT cluster FROM system.clusters")
        self.cluster = cluster
        self._on = f" ON CLUSTER '{cluster}'"
        self._twins: dict[str, str] = {}

    def rewrite_all(self, scripts: Mapping[str, str]) -> dict[str, str]:
        """Scripts by file name, in their order. Raises MigrationError that names the file."""
        found = {}
        for name, script in scripts.items():
            try:
                found[name] = self.rewrite(script)
            except MigrationError as error:
                raise MigrationError(f"migration {name}: {error}") from error
        return found

    def rewrite(self, script: str) -> str:
        """The script for the cluster. Raises MigrationError for a statement that it does not know."""
        edits: list[tuple[int, int, str]] = []
        found = list(statements(script))
        refreshed = {each.filled for each in found if each.has("REFRESH")}
        # every server makes its own anew, as it does the inner tables of views
        own = {each.name for each in found if each.has("ENGINE", "=", "MEMORY")} & refreshed
        for statement in found:
            edits += self._edits(statement, own)
            after = self._twin(statement)
            if after:
                last = statement.tokens[-1].end + 1
                edits.append((last, last, "".join(f";\n\n{text}" for text in after)))
        return _edited(script, edits)

    def _edits(self, statement: Statement, own: set[str]) -> list[tuple[int, int, str]]:
        edits = [(statement.end, statement.end, self._on)]
        if statement.kind == "TABLE" and statement.verb == "CREATE" and statement.name not in own:
            edits += _replicated(statement)
        fills = statement.has("REFRESH") and statement.has("TO") and not statement.has("APPEND")
        if fills and statement.filled not in own:
            raise MigrationError(f"{statement.name}: what a refresh replaces is not replicated; leave TO out")
        return edits

    def _twin(self, statement: Statement) -> list[str]:
        """What is done to the twin after the statement."""
        name, verb = statement.name, statement.verb
        if name.partition(".")[0] in _LOCAL:
            return []
        if statement.kind == "DATABASE":
            comment = f"every shard of {name}, for reading"
            return [f"CREATE DATABASE IF NOT EXISTS {name}{TWIN}{self._on} COMMENT '{comment}'"]
        if verb == "DROP":
            return [f"DROP TABLE IF EXISTS {twin_of(name)}{self._on}"] if self._twins.pop(name, None) else []
        if verb == "ALTER":
            return [self._twins[name]] if statement.has("COLUMN") and name in self._twins else []
        if not _readable(statement):
            return []
        database, _, table = name.partition(".")
        key = f", {SHARD_KEY}" if statement.kind == "TABLE" and set(_KEY) <= _columns(statement) else ""
        self._twins[name] = (
            f"CREATE OR REPLACE TABLE {twin_of(name)}{self._on} AS {name}\n"
            f"ENGINE = Distributed('{self.cluster}', '{database}', '{table}'{key})"
        )
        return [self._twins[name]]


def twin_of(name: str) -> str:
    """The table that reads ``name`` (database.object) on every shard."""
    database, _, table = name.partition(".")
    return f"{database}{TWIN}.{table}"


def local_copy(create: str, name: str) -> str:
    """A table's SHOW CREATE as an empty table ``name`` of this server alone: what is prepared is not replicated."""
    plain = re.sub(r"\bReplicated(\w*MergeTree)\('[^']*', '[^']*'(?:, )?", r"\1(", create, count=1)
    return re.sub(r"\ACREATE TABLE \S+", f"CREATE TABLE {name}", plain, count=1)


def statements(script: str) -> Iterator[Statement]:
    """Statements of a migration. Raises MigrationError for text that is no SQL or a statement that is not known."""
    try:
        tokens = sqlglot.tokenize(script, read=ClickHouseSQL)
    except SqlglotError as error:
        raise MigrationError(f"no SQL: {error}") from error
    current: list[Token] = []
    for token in tokens:
        if token.token_type is not TokenType.SEMICOLON:
            current.append(token)
        elif current:
            yield _statement(current)
            current = []
    if current:
        yield _statement(current)


def _statement(tokens: list[Token]) -> Statement:
    words = [token.text.upper() for token in tokens]
    verb = words[0]
    at = next((at for at, word in enumerate(words[:5]) if word in _OBJECTS), None)
    if verb not in ("CREATE", "ALTER", "DROP") or at is None:
        raise MigrationError(f"{' '.join(words[:4])} …: how to run it on a cluster is not known; write it otherwise")
    kind = words[at]
    at += 1
    while words[at] in _BEFORE_NAME:
        at += 1
    parts = [tokens[at]]
    while at + 2 < len(tokens) and tokens[at + 1].token_type is TokenType.DOT:
        parts.append(tokens[at + 2])
        at += 2
    return Statement(tokens, verb, kind, ".".join(part.text for part in parts), parts[-1].end + 1)


def _readable(statement: Statement) -> bool:
    """Whether it can be read as it is: no view with parameters, and none that only fills another table."""
    if statement.kind == "TABLE":
        return True
    parameters = any(
        token.token_type is TokenType.L_BRACE or token.token_type is TokenType.PARAMETER for token in statement.tokens
    )
    fills = statement.has("MATERIALIZED", "VIEW") and statement.has("TO")
    return not parameters and not fills


def _columns(statement: Statement) -> set[str]:
    """First word of each definition in the column list."""
    depth, found, fresh = 0, set(), False
    for token in statement.tokens:
        if fresh:
            found.add(token.text)
            fresh = False
        if token.token_type is TokenType.L_PAREN:
            depth += 1
            fresh = depth == 1
        elif token.token_type is TokenType.R_PAREN:
            depth -= 1
            if depth == 0:
                break
        elif token.token_type is TokenType.COMMA and depth == 1:
            fresh = True
    return found


def _replicated(statement: Statement) -> list[tuple[int, int, str]]:
    """Edits of the engine and of the deduplication window."""
    edits = []
    tokens = statement.tokens
    for at, token in enumerate(tokens):
        before = [other.text.upper() for other in tokens[max(0, at - 2) : at]]
        if before == ["ENGINE", "="] and token.text.endswith("MergeTree"):
            arguments = f"'{PATH}', '{REPLICA}'"
            if at + 1 < len(tokens) and tokens[at + 1].token_type is TokenType.L_PAREN:
                empty = tokens[at + 2].token_type is TokenType.R_PAREN
                edits.append((tokens[at + 1].end + 1, tokens[at + 1].end + 1, arguments + ("" if empty else ", ")))
                edits.append((token.start, token.end + 1, f"Replicated{token.text}"))
            else:
                edits.append((token.start, token.end + 1, f"Replicated{token.text}({arguments})"))
        elif token.text == "non_replicated_deduplication_window":
            edits.append((token.start, token.end + 1, "replicated_deduplication_window"))
            value = tokens[at + 2]
            if value.text != "0":
                seconds = f", replicated_deduplication_window_seconds = {WINDOW_S}"
                edits.append((value.end + 1, value.end + 1, seconds))
    if not any("Replicated" in text for _, _, text in edits):
        raise MigrationError(f"{statement.name} has no MergeTree engine; a cluster has no way to keep copies of it")
    return edits


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text
