"""One SQL statement against whoever has the data: a run that serves a directory, a server, or the directory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from marketprism.clickhouse import connect
from marketprism.embedded.directory import serving_port
from marketprism.embedded.exceptions import EngineError
from marketprism.embedded.inprocess import ENGINE_FOLDER, open_engine
from marketprism.errors import QueryError
from marketprism.settings import ClickHouseSettings
from marketprism.supervisor.attach import clickhouse_settings, find_servers
from marketprism.supervisor.directory import holder_of

_OWN_FORMAT: Final = re.compile(r"\bFORMAT\s+\w+\s*(SETTINGS\b.*)?;?\s*$", re.IGNORECASE | re.DOTALL)
_CHUNK: Final = 1 << 16


def run_query(statement: str, output_format: str, data: Path | None) -> Iterator[bytes]:
    """Yield the result in ``output_format`` as it comes; a FORMAT in the statement itself wins.

    Raises QueryError with what ClickHouse said, ClickHouseUnreachable, or DataDirectoryError.
    """
    server = _server(data)
    if server is None:
        assert data is not None
        yield from _in_process(statement, output_format, data)
    else:
        yield from _over_http(statement, output_format, server)


def _server(data: Path | None) -> ClickHouseSettings | None:
    """Who serves; None when ``data`` is given and nobody does."""
    holder = holder_of(data) if data is not None else None
    if data is None or (holder is not None and holder.clickhouse_url):
        return find_servers(data).clickhouse
    port = serving_port(data / ENGINE_FOLDER)  # an embedded server that was started by itself
    return clickhouse_settings(f"http://127.0.0.1:{port}") if port else None


def _over_http(statement: str, output_format: str, settings: ClickHouseSettings) -> Iterator[bytes]:
    client = connect(settings)
    given = _OWN_FORMAT.search(statement)
    try:
        with client.raw_stream(statement.rstrip().rstrip(";"), fmt=None if given else output_format) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except ClickHouseError as error:
        raise QueryError.of(error) from error
    finally:
        client.close()


def _in_process(statement: str, output_format: str, data: Path) -> Iterator[bytes]:
    with open_engine(data) as engine:
        try:
            yield from engine.stream(statement, output_format)
        except EngineError as error:
            raise QueryError.of(error) from error
