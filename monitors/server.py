"""How the ClickHouse server itself is: memory, statements that run long, mutations and replicas. One SELECT."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

_OURS: Final = "database LIKE 'marketprism%'"
STUCK_MINUTES: Final = 15
"""A mutation that is not done after this long is counted."""


class Server(NamedTuple):
    """``memory_limit``: 0 = none. ``longest_s``: of the SELECTs that run now. Replicas are 0 off a cluster."""

    memory: int
    memory_limit: int
    longest_s: float
    mutations: int
    read_only_replicas: int
    replica_lag_s: float


SERVER: Final = f"""
SELECT
    (SELECT toUInt64(greatest(0, max(value))) FROM system.metrics WHERE metric = 'MemoryTracking'),
    (SELECT max(toUInt64OrZero(value)) FROM system.server_settings WHERE name = 'max_server_memory_usage'),
    (SELECT max(elapsed) FROM system.processes WHERE query_kind = 'Select'),
    (SELECT count() FROM system.mutations
     WHERE {_OURS} AND NOT is_done AND create_time < now() - INTERVAL {STUCK_MINUTES} MINUTE),
    (SELECT countIf(is_readonly) FROM system.replicas WHERE {_OURS}),
    (SELECT toFloat64(max(absolute_delay)) FROM system.replicas WHERE {_OURS})"""


async def server(client: Any) -> Server:
    """One look. Raises what the client raises."""
    return Server(*(await client.query(SERVER)).result_rows[0])
