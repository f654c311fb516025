"""The SQL view: one reading statement of a person, behind the analysts' guard, within row, time and memory limits."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import aiohttp
import msgspec
from aiohttp import web

from marketprism.embedded.engine_tree import check_tree
from marketprism.embedded.guard import READABLE, ReaderRefused, check_statement, query_of
from marketprism.embedded.vocabulary import allowed_functions
from marketprism.settings import WebSettings
from monitors.web.endpoints import Problem, Refused
from monitors.web.reading import Reader, ReadError

_MAX_BYTES: Final = 16 << 20
"""Of a result that is shown; what is longer is cut and said to be."""
_SLOT_WAIT_S: Final = 5.0
_DATABASE: Final = "marketprism_features"
_FUNCTIONS: Final = (
    "SELECT name, alias_to, toString(categories) AS categories, toString(origin) AS origin FROM system.functions"
)
_TYPES: Final = "SELECT name FROM system.data_type_families"
_MEDIA: Final = {
    "csv": ("CSVWithNames", "text/csv; charset=utf-8"),
    "parquet": ("Parquet", "application/vnd.apache.parquet"),
}
_PLACE: Final = re.compile(r"\(line (\d+), col (\d+)\)|Line (\d+), Col: (\d+)")
_NAMED: Final = (
    re.compile(r"identifiers? `?'?([\w.]+)"),
    re.compile(r"[Ff]unction(?: with name)? [`']?([\w.]+)"),
    re.compile(r"Missing columns: '([\w.]+)'"),
    re.compile(r"[Tt]able (?:function )?[`']?([\w.`]+)[`']? (?:does not exist|is not for)"),
    re.compile(r"[Dd]atabase [`']?(\w+)"),
    re.compile(r"^(\w+) is not for this user"),
)


class SqlAsked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One SELECT, SHOW, DESCRIBE or EXPLAIN."""

    sql: str


class ExportAsked(SqlAsked, kw_only=True):
    """A result as a file."""

    format: Literal["csv", "parquet"]


class Result(msgspec.Struct, kw_only=True):
    """Exact decimals and 64-bit integers are text. ``truncated``: there were more rows than are shown, and why."""

    names: list[str]
    types: list[str]
    rows: list[list[Any]]
    elapsed_ms: float
    truncated: str = ""


class SqlBox:
    """Runs the statements; what the guard needs to know of the engine is asked once."""

    def __init__(self, reader: Reader, settings: WebSettings) -> None:
        self._reader = reader
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.sql_at_once)
        self._functions: frozenset[str] | None = None

    async def run(self, asked: SqlAsked) -> Result:
        """Rows as they are shown. Raises Refused with the place of the error."""
        began = time.perf_counter()
        settings = self._limits(self._settings.sql_max_rows + 1)
        settings |= {"output_format_json_quote_64bit_integers": "1", "output_format_json_quote_decimals": "1"}
        async with self._opened(asked.sql, "JSONCompactEachRowWithNamesAndTypes", settings) as content:
            lines, cut = await self._lines(content)
        names, types = (msgspec.json.decode(line, type=list[str]) for line in (lines[:2] or [b"[]", b"[]"]))
        try:
            rows = [msgspec.json.decode(line, type=list[Any]) for line in lines[2:]]
        except msgspec.DecodeError as error:  # an exception in the middle of the rows
            raise _refusal(asked.sql, ReadError.of(b"\n".join(lines[-20:]).decode(errors="replace"))) from error
        return Result(
            names=names, types=types, rows=rows, truncated=cut, elapsed_ms=1000 * (time.perf_counter() - began)
        )

    async def _lines(self, content: aiohttp.StreamReader) -> tuple[list[bytes], str]:
        most = self._settings.sql_max_rows + 2
        lines: list[bytes] = []
        rest, size = b"", 0
        async for chunk in content.iter_any():
            size += len(chunk)
            *whole, rest = (rest + chunk).split(b"\n")
            lines += [line for line in whole if line]
            if len(lines) > most:
                return lines[:most], f"the first {self._settings.sql_max_rows:,} rows are shown; export for more"
            if size > _MAX_BYTES:
                return lines, f"the first {_MAX_BYTES >> 20} MB are shown; select fewer columns, or export"
        return lines + ([rest] if rest else []), ""

    async def export(self, asked: ExportAsked, request: web.Request) -> web.StreamResponse:
        """The result as a file, streamed at the pace of who takes it."""
        output, media = _MEDIA[asked.format]
        settings = self._limits(self._settings.sql_max_export_rows)
        async with self._opened(asked.sql, output, settings) as content:
            response = web.StreamResponse(
                headers={
                    "Content-Type": media,
                    "Content-Disposition": f'attachment; filename="marketprism.{asked.format}"',
                    "Cache-Control": "no-store",
                }
            )
            await response.prepare(request)
            async for chunk in content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    def _limits(self, rows: int) -> dict[str, str]:
        return {
            "max_execution_time": str(self._settings.sql_max_time_s),
            "max_memory_usage": str(self._settings.sql_max_memory_mb << 20),
            "max_result_rows": str(rows),
            "result_overflow_mode": "break",
        }

    @asynccontextmanager
    async def _opened(self, sql: str, output: str, settings: dict[str, str]) -> AsyncIterator[aiohttp.StreamReader]:
        try:
            async with asyncio.timeout(_SLOT_WAIT_S):
                await self._slots.acquire()
        except TimeoutError as error:
            raise Refused(429, "other statements are running; try again when they have ended") from error
        try:
            allowed = await self._allowed(sql)
            async with self._reader.open(allowed, output, {"database": _DATABASE, **settings}, {}) as content:
                yield content
        except ReaderRefused as error:
            raise _refusal(sql, error) from error
        except ReadError as error:
            raise _refusal(sql, error) from error
        finally:
            self._slots.release()

    async def _allowed(self, sql: str) -> str:
        """Both walls: our reading of the statement, then the engine's own. The embedded server asks once more."""
        if self._functions is None:
            rows, types = await asyncio.gather(self._reader.rows(_FUNCTIONS), self._reader.rows(_TYPES))
            listed = [(row["name"], row["alias_to"], row["categories"], row["origin"]) for row in rows]
            self._functions = allowed_functions(listed) | {row["name"].lower() for row in types}
        functions = self._functions
        # in a thread: a long statement is parsed without holding up the pages
        allowed = await asyncio.to_thread(
            check_statement, sql, tables=READABLE, functions=functions, database=_DATABASE
        )
        query = query_of(allowed)
        if query:
            columns = await self._reader.columns(f"EXPLAIN AST {query}")
            check_tree(
                "\n".join(str(line) for line in next(iter(columns.values()))), tables=READABLE, functions=functions
            )
        return allowed


def _refusal(sql: str, error: ReadError | ReaderRefused) -> Refused:
    code = error.code if isinstance(error, ReadError) else 497
    status = 502 if code == 0 else 403 if code == 497 else 400
    line, column, length = place_of(sql, str(error))
    return Refused(status, Problem(error=str(error), code=code, line=line, column=column, length=length))


def place_of(sql: str, text: str) -> tuple[int | None, int | None, int | None]:
    """Line, column (from 1) and length of what an error text names in ``sql``; None where it names nothing."""
    found = _PLACE.search(text)
    if found:
        line, column = int(found[1] or found[3]), int(found[2] or found[4])
        return line, column, None
    for pattern in _NAMED:
        named = pattern.search(text)
        if named is None:
            continue
        for name in (named[1], named[1].rsplit(".", 1)[-1]):
            at = re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", sql, re.IGNORECASE)
            if at:
                before = sql[: at.start()]
                return before.count("\n") + 1, at.start() - before.rfind("\n"), len(name)
    return None, None, None
