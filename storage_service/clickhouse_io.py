"""Inserts and reads of the storage service: one block an insert, and what kind of failure an answer is.

A retry of the same body under the same token stores nothing twice, in the table and in all its views, because every
setting here keeps the body one block (tests/integration/test_storage_blocks.py).
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import pyarrow as pa
from clickhouse_connect.driver.exceptions import ClickHouseError

from marketprism.clickhouse import connect_async
from marketprism.errors import ClickHouseUnreachable
from marketprism.settings import ClickHouseSettings
from storage_service.faultpoints import BEFORE_SEND, reach
from storage_service.lease import COMMENT, Lease
from storage_service.metrics import INSERT_SECONDS, LATE_INSERTS
from storage_service.schema import ipc_stream

_LARGE: Final = 2**31
ONE_BLOCK: Final[dict[str, int]] = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "max_insert_block_size": 1_048_576,
    "min_insert_block_size_rows": 1_048_576,
    "min_insert_block_size_bytes": _LARGE,
    "min_insert_block_size_rows_for_materialized_views": 1_048_576,
    "min_insert_block_size_bytes_for_materialized_views": _LARGE,
    "max_block_size": 1_048_576,
    "max_insert_threads": 1,
    "input_format_parallel_parsing": 0,
    "parallel_view_processing": 1,
    "max_partitions_per_insert_block": 100,
    "materialized_views_ignore_errors": 0,
    "optimize_and_compare_chain": 0,  # no view has such a chain; looking for one is a tenth of an insert
}

_RETRYABLE: Final = frozenset(
    {159, 160, 164, 202, 203, 209, 210, 225, 236, 241, 242, 243, 252, 285, 290, 319, 394, 425, 473, 516, 999}
    | {60, 81, 193, 194}  # no table or database yet: migrations run; wrong password: the operator's turn
    | {469}  # the day is being installed (days/hold.py): rows wait in JetStream until it is done
    | {74, 75, 76, 173, 286, 439, 460, 573, 1000, 1001, 1002}  # out of files, threads, memory, disk, or of replicas
)
_CODE: Final = re.compile(r"(?:code:?\s*|Code:\s*)(\d+)", re.IGNORECASE)
_TOO_WIDE: Final = "Too many partitions"  # shares its code with TOO_MANY_PARTS, which passes
_VIEW: Final = re.compile(r"while pushing to view", re.IGNORECASE)


class InsertRefused(Exception):
    """ClickHouse will not take this batch, however often it is sent: ``code``, and whether a view threw."""

    def __init__(self, text: str, code: int, in_view: bool) -> None:
        super().__init__(text)
        self.code = code
        self.in_view = in_view


class ClickHouseAway(Exception):
    """No answer, or one that says later: the same bytes are sent again. ``reason``: one of ``REASONS``."""

    def __init__(self, text: str, reason: str = "away") -> None:
        super().__init__(text)
        self.reason = reason


REASONS: Final[dict[int, str]] = {243: "disk", 252: "parts", 241: "memory", 469: "held"}
"""Error codes by what ClickHouse is short of (``held``: the day is being installed); any other is ``away``."""
WAITS: Final[dict[str, str]] = {
    "away": "ClickHouse is away",
    "disk": "ClickHouse is short of disk",
    "parts": "ClickHouse has too many parts",
    "memory": "ClickHouse is short of memory",
    "held": "a day is being installed",
    "lease": "an insert took longer than the lease",
}
"""Why inserts wait, by reason, for people."""
_LEASE_OVER: Final = "Constraint `lease`"


def classified(error: Exception) -> InsertRefused | ClickHouseAway:
    """What to do about a failed statement."""
    text = " ".join(str(error).split())
    match = _CODE.search(text)
    code = int(match[1]) if match else 0
    if code and (code not in _RETRYABLE or _TOO_WIDE in text):
        return InsertRefused(text[:2000], code, bool(_VIEW.search(text)))
    return ClickHouseAway(text[:500], REASONS.get(code, "away"))


class Warehouse:
    """One asynchronous client, shared by all workers; connects when first used and again after a failure to.

    With a lease, every insert carries its end, and ClickHouse refuses it afterwards. ``full_disk``: why inserts wait.
    """

    def __init__(self, settings: ClickHouseSettings, lease: Lease | None = None) -> None:
        self._settings = settings
        self._lease = lease
        self._client: Any = None
        self._connecting = asyncio.Lock()
        self.full_disk = ""
        self.pressure: dict[str, str] = {}

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._client is None:
                try:
                    self._client = await connect_async(self._settings, compress=False, query_retries=0)
                except ClickHouseUnreachable as error:
                    raise ClickHouseAway(str(error)) from error
        return self._client

    async def insert(self, table: str, batch: pa.RecordBatch | bytes, names: list[str], token: str) -> None:
        """Insert one record batch (or its IPC stream) under a token. Raises ClickHouseAway or InsertRefused."""
        if self.full_disk:
            raise ClickHouseAway(self.full_disk, "disk")
        client = await self._connected()
        body = batch if isinstance(batch, bytes) else ipc_stream(batch)
        settings = {**ONE_BLOCK, "insert_deduplication_token": token, **await self._deadline()}
        name = table.rpartition(".")[2]
        reach(BEFORE_SEND, name)
        with INSERT_SECONDS.labels(name).time():
            try:
                await client.raw_insert(table, names, body, settings=settings, fmt="ArrowStream")
            except (ClickHouseError, OSError, TimeoutError) as error:
                if self._lease is not None and _LEASE_OVER in str(error):
                    self._lease.forget_server_clock()  # over by its clock: if not by ours, the clocks have moved apart
                    LATE_INSERTS.inc()
                    raise ClickHouseAway(f"{name} refused what came after the lease's end", "lease") from error
                raise classified(error) from error
            except Exception as error:
                if type(error).__module__.partition(".")[0] not in ("aiohttp", "urllib3"):
                    raise
                raise ClickHouseAway(str(error) or type(error).__name__) from error

    async def _deadline(self) -> dict[str, str]:
        if self._lease is None:
            return {}
        if self._lease.server_deadline_ms() is None:
            await self.read_clock()
        return {"log_comment": f"{COMMENT}{self._lease.server_deadline_ms()}"}

    async def read_clock(self) -> None:
        """Learn ClickHouse's clock, by which it judges the lease. Raises ClickHouseAway or InsertRefused."""
        if self._lease is not None:
            rows = await self.rows("SELECT toUnixTimestamp64Milli(now64(3))")
            self._lease.learn_server_clock(int(rows[0][0]), self._lease.clock())

    async def rows(self, query: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Rows of a SELECT. Raises ClickHouseAway or InsertRefused."""
        return list((await self._query("query", query, parameters)).result_rows)

    async def arrow(self, query: str, parameters: dict[str, Any] | None = None) -> pa.Table:
        """A SELECT as an Arrow table, texts as plain strings. Raises ClickHouseAway or InsertRefused."""
        return await self._query("query_arrow", query, parameters, use_strings=True)

    async def _query(self, method: str, query: str, parameters: dict[str, Any] | None, **options: Any) -> Any:
        client = await self._connected()
        try:
            return await getattr(client, method)(query, parameters=parameters or {}, **options)
        except (ClickHouseError, OSError, TimeoutError) as error:
            raise classified(error) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("aiohttp", "urllib3"):
                raise
            raise ClickHouseAway(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None
