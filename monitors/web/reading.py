"""Reads from ClickHouse over HTTP as the read-only user: parameters bound by the server, limits on every statement."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from marketprism.clickhouse import connection_arguments
from marketprism.errors import MarketPrismError
from marketprism.settings import ClickHouseSettings, WebSettings

Value = str | int | float
Columns = dict[str, list[Any]]

VIEW_TIME_S: Final = 15
VIEW_ROWS: Final = 200_000
_VIEW_MEMORY: Final = 1 << 30
_AT_ONCE: Final = 3
"""Of the four readers that the embedded engine gives analysts: the SQL view gets what is left."""
_CODE: Final = re.compile(r"Code: (\d+)\. DB::Exception: ")
_TAIL: Final = re.compile(r"\s*\(version [^)]*(?:\([^)]*\))?[^)]*\)\s*$")
_NO_ANSWER: Final = (aiohttp.ClientError, TimeoutError, OSError)


class ReadError(MarketPrismError):
    """ClickHouse refused or could not finish; ``code`` is its own error code, 0 when it did not answer."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code

    @classmethod
    def of(cls, said: str) -> ReadError:
        """From the text of ClickHouse's answer."""
        found = _CODE.search(said)
        text = _TAIL.sub("", said[found.end() :] if found else said)
        return cls(" ".join(text.split())[:2000] or "ClickHouse gave no reason", int(found[1]) if found else 0)


class Reader:
    """One pool of connections. ``async with Reader(...) as reader``."""

    def __init__(self, clickhouse: ClickHouseSettings, web: WebSettings) -> None:
        arguments = connection_arguments(clickhouse)
        scheme = "https" if arguments["secure"] else "http"
        self._url = f"{scheme}://{arguments['host']}:{arguments['port']}/"
        self._headers = {
            "X-ClickHouse-User": web.clickhouse_user,
            "X-ClickHouse-Key": web.clickhouse_password.get_secret_value(),
        }
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    @property
    def server(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self._url).netloc

    async def __aenter__(self) -> Reader:
        self._session = aiohttp.ClientSession(
            headers=self._headers, timeout=aiohttp.ClientTimeout(total=None, connect=5, sock_read=60)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def columns(self, sql: str, **parameters: Value) -> Columns:
        """A view's statement: its result by column. Raises ReadError."""
        return await self._view(sql, parameters)

    async def rows(self, sql: str, **parameters: Value) -> list[dict[str, Any]]:
        """A view's statement: its result by row. Raises ReadError."""
        columns = await self.columns(sql, **parameters)
        names = list(columns)
        return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    async def _view(self, sql: str, parameters: Mapping[str, Value]) -> Columns:
        settings = {
            "max_execution_time": str(VIEW_TIME_S),
            "max_memory_usage": str(_VIEW_MEMORY),
            "max_result_rows": str(VIEW_ROWS),
            "max_threads": "2",
        }
        async with self._slots, self.open(sql, "JSONColumns", settings, parameters) as content:
            body = await content.read()
        try:
            return msgspec.json.decode(body, type=Columns)
        except msgspec.DecodeError as error:  # an exception in the middle of an answer ends it as text
            raise ReadError.of(body[-4000:].decode(errors="replace")) from error

    @asynccontextmanager
    async def open(
        self, sql: str, output: str, settings: Mapping[str, str], parameters: Mapping[str, Value]
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """The bytes of a result as they come; leaving early cancels the statement. Raises ReadError."""
        assert self._session is not None, "async with Reader(...)"
        url_parameters = {
            "default_format": output,
            "readonly": "2",
            **settings,
            **{f"param_{name}": _text(value) for name, value in parameters.items()},
        }
        try:
            async with self._session.post(self._url, params=url_parameters, data=sql.encode()) as response:
                if response.status != 200:
                    raise ReadError.of((await response.content.read(64 << 10)).decode(errors="replace"))
                yield response.content
        except _NO_ANSWER as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ReadError(f"ClickHouse at {self.server} does not answer: {reason}") from error


def _text(value: Value) -> str:
    """A parameter as ClickHouse reads it: text in the escapes of TSV."""
    if not isinstance(value, str):
        return repr(value)
    return (
        value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\0")
    )
