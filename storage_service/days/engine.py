"""A blocking client for jobs on days: statements, answers, Arrow in and CSV in; one per thread."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa
from clickhouse_connect.driver.exceptions import ClickHouseError

from marketprism.clickhouse import connect
from marketprism.errors import ClickHouseUnreachable, DayError
from marketprism.settings import ClickHouseSettings
from storage_service.schema import ipc_stream

STAGING: Final = "marketprism_staging"
"""Shadows, staged files and locks: nothing in it is for reading."""

_LONG: Final[dict[str, Any]] = {"max_query_size": 64 << 20}
"""Statements name the symbols of a job, of which there may be thousands."""
_BULK: Final[dict[str, Any]] = {
    "insert_deduplicate": 0,
    "async_insert": 0,
    "max_insert_threads": 2,
    "throw_on_max_partitions_per_insert_block": 0,
    "max_bytes_before_external_group_by": 500_000_000,
    "max_bytes_before_external_sort": 500_000_000,
    **_LONG,
}
"""What jobs write: shadows of many days, in memory that does not grow with them."""
_CSV_BLOCKS: Final = {"max_insert_block_size": 262_144, "min_insert_block_size_rows": 262_144}
"""Several files are staged beside each other: a block of the usual million rows takes a quarter of a gigabyte."""
_CODE: Final = re.compile(r"code:?\s*(\d+)", re.IGNORECASE)
TABLE_EXISTS: Final = 57
_CHUNK: Final = 1 << 20


class StatementRefused(DayError):
    """ClickHouse answered with an error; ``code`` is its number."""

    def __init__(self, text: str) -> None:
        super().__init__(" ".join(text.split())[:1000])
        match = _CODE.search(text)
        self.code = int(match[1]) if match else 0


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except ClickHouseError as error:
        raise StatementRefused(str(error)) from error
    except OSError as error:  # urllib3's errors go by other names, below
        raise ClickHouseUnreachable.of(url, error) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] == "urllib3":
            raise ClickHouseUnreachable.of(url, error) from error
        raise


class Engine:
    """Inserts here carry no token and are not judged as duplicates: they go into shadows or tables without a window."""

    def __init__(self, client: Any, url: str = "", settings: ClickHouseSettings | None = None) -> None:
        self._client, self._url, self._settings = client, url, settings

    @classmethod
    def open(cls, settings: ClickHouseSettings) -> Engine:
        """Raises ClickHouseUnreachable."""
        return cls(connect(settings, send_receive_timeout=3600, query_retries=0), settings.url, settings)

    def twin(self) -> Engine | None:
        """Another connection to the same server, for another thread; None when this one was made around a client."""
        return Engine.open(self._settings) if self._settings else None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def run(
        self,
        statement: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """A statement without an answer. Raises StatementRefused, ClickHouseUnreachable."""
        with _told(self._url):
            given = {**_BULK, **(settings or {})}
            self._client.command(statement, parameters=dict(parameters or {}), settings=given)

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Rows of a SELECT."""
        with _told(self._url):
            return list(self._client.query(query, parameters=dict(parameters or {}), settings=_LONG).result_rows)

    def arrow(self, query: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """A SELECT as an Arrow table."""
        with _told(self._url):
            return self._client.query_arrow(query, parameters=dict(parameters or {}), use_strings=True)

    def insert(self, table: str, batch: pa.RecordBatch) -> None:
        """One Arrow record batch."""
        with _told(self._url):
            self._client.raw_insert(table, batch.schema.names, ipc_stream(batch), settings=_BULK, fmt="ArrowStream")

    def native(self, query: str) -> Iterator[bytes]:
        """The answer of a SELECT in the engine's own format, as it comes."""
        with _told(self._url), self._client.raw_stream(query, fmt="Native") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    def insert_native(self, table: str, names: list[str], body: Iterator[bytes]) -> None:
        """Stream what ``native`` of another engine gives."""
        with _told(self._url):
            self._client.raw_insert(table, names, body, settings=_BULK, fmt="Native")

    def insert_csv(self, table: str, names: list[str], body: Iterator[bytes], *, empty_fields: bool = False) -> None:
        """Stream CSV lines in; what ``body`` raises ends the insert and comes through."""
        settings = {**_BULK, **_CSV_BLOCKS, "input_format_csv_empty_as_default": int(empty_fields)}
        with _told(self._url):
            self._client.raw_insert(table, names, body, settings=settings, fmt="CSV")
