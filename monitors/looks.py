"""What the monitors ask ClickHouse on a clock: one SELECT each, small, and the same cost whatever the history."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from marketprism.clickhouse import FEATURES, HOT
from marketprism.events import ROW_TYPES

_FIRST_DAY: Final = "toUInt64(toYYYYMMDD(now('UTC') - INTERVAL 1 DAY)) * 1000000"
"""Bucket ids from yesterday on: today's and the ones that may still close."""


class Table(NamedTuple):
    """One hot table."""

    name: str
    rows: int
    bytes: int
    parts: int


class Newest(NamedTuple):
    """The newest row of a data type from one venue, seconds since the epoch."""

    data_type: str
    exchange: str
    market_type: str
    timestamp_s: float
    received_s: float


class Buckets(NamedTuple):
    """The bucket state of a symbol since yesterday.

    ``closed_s``: end of the newest closed bucket, seconds since the epoch, 0 when none is. ``anomalies``: ids missing
    between the day's first and last, and buckets whose trades come before those of the bucket ahead of them.
    """

    exchange: str
    market_type: str
    symbol: str
    newest_id: int
    closed_s: float
    anomalies: int


class Features(NamedTuple):
    """When the newest feature values of a symbol became known, seconds since the epoch."""

    exchange: str
    market_type: str
    symbol: str
    bucket_end_s: float


TABLES: Final = f"""
SELECT table, toUInt64(sum(rows)), toUInt64(sum(bytes_on_disk)), count()
FROM system.parts WHERE active AND database = '{HOT}' GROUP BY table"""

NEWEST: Final = "\nUNION ALL ".join(
    f"SELECT '{name}' AS data_type, exchange, market_type, toFloat64(max(timestamp)), toFloat64(max(received_at))"
    f" FROM {HOT}.{name} WHERE timestamp > now64(3) - INTERVAL 10 MINUTE GROUP BY exchange, market_type"
    for name in ROW_TYPES
    if name not in ("instruments", "gaps")
)

BUCKETS: Final = f"""
WITH days AS (
    SELECT exchange, market_type, symbol, intDiv(bucket_id, 1000000) AS day,
           max(bucket_id) AS newest_id,
           maxIf(bucket_ts_end, is_closed) AS closed_at,
           max(bucket_id) - min(bucket_id) + 1 - uniqExact(bucket_id) AS missing,
           count() - uniqExact(bucket_id) AS doubled,
           arraySort(groupArray((bucket_id, toUnixTimestamp64Milli(bucket_ts_end)))) AS ends,
           arrayCount(step -> step < 0, arrayDifference(arrayMap(pair -> pair.2, ends))) AS backward
    FROM {FEATURES}.unified_buckets WHERE bucket_id >= {_FIRST_DAY}
    GROUP BY exchange, market_type, symbol, day
)
SELECT exchange, market_type, symbol, max(newest_id), toFloat64(max(closed_at)),
       toUInt64(sum(missing + doubled + backward))
FROM days GROUP BY exchange, market_type, symbol ORDER BY max(newest_id) DESC LIMIT {{limit:UInt32}}"""

FEATURES_AGE: Final = f"""
SELECT exchange, market_type, symbol, toFloat64(max(bucket_ts_end))
FROM {FEATURES}.latest_features GROUP BY exchange, market_type, symbol LIMIT {{limit:UInt32}}"""


async def tables(client: Any) -> list[Table]:
    return [Table(*row) for row in (await client.query(TABLES)).result_rows]


async def newest(client: Any) -> list[Newest]:
    return [Newest(*row) for row in (await client.query(NEWEST)).result_rows]


async def buckets(client: Any, limit: int) -> list[Buckets]:
    return [Buckets(*row) for row in (await client.query(BUCKETS, parameters={"limit": limit})).result_rows]


async def features(client: Any, limit: int) -> list[Features]:
    return [Features(*row) for row in (await client.query(FEATURES_AGE, parameters={"limit": limit})).result_rows]
