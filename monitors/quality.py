"""The slower looks: how good what is stored is. One SELECT each, bounded to the last minutes or the last hour."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from marketprism.clickhouse import COLD, FEATURES, HOT

LONG_BUCKET_S: Final = 90
"""A bucket that lasts longer is counted as long."""
_FIRST_DAY: Final = "toUInt64(toYYYYMMDD(now('UTC') - INTERVAL 1 DAY)) * 1000000"
_STAMPED: Final = ("trades", "orderbooks", "best_quotes")


class Lengths(NamedTuple):
    """Lengths of the buckets that closed within the last hour, seconds from first to last trade."""

    exchange: str
    market_type: str
    symbol: str
    buckets: int
    p50_s: float
    p90_s: float
    p99_s: float
    long: int


class Books(NamedTuple):
    """Published books of the last ten minutes of one venue: how many, and how many of them cannot be."""

    exchange: str
    market_type: str
    books: int
    crossed: int
    locked: int
    one_sided: int


class StaleBooks(NamedTuple):
    """Symbols of a venue with a book within the last ten minutes, and those of them with none in the last minute."""

    exchange: str
    market_type: str
    symbols: int
    stale: int


class InsertLag(NamedTuple):
    """From receipt to storage over the last minute, seconds."""

    data_type: str
    p50_s: float
    p99_s: float


class Missing(NamedTuple):
    """Share of a feature's values that are NULL over the newest buckets, warm-up left out."""

    exchange: str
    market_type: str
    symbol: str
    feature: str
    ratio: float


class Deviation(NamedTuple):
    """Largest distance of one exchange's mid from the median of all that list the instrument, as a ratio."""

    canonical: str
    exchanges: int
    ratio: float


class Disk(NamedTuple):
    """One disk of ClickHouse."""

    name: str
    free: int
    total: int


class Parts(NamedTuple):
    """The fullest partition of a table: inserts are slowed down, then refused, when it has too many parts."""

    database: str
    table: str
    parts: int


class Archive(NamedTuple):
    """Days in cold: newest verified (seconds since the epoch, 0 = none), and hot days that should be there."""

    verified_day_s: float
    unverified: int
    oldest_hot_day_s: float


LENGTHS: Final = f"""
SELECT exchange, market_type, symbol, count(),
       quantile(0.5)(seconds), quantile(0.9)(seconds), quantile(0.99)(seconds), countIf(seconds > {LONG_BUCKET_S})
FROM (
    SELECT exchange, market_type, symbol, dateDiff('millisecond', min(f.first_ts), max(f.last_ts)) / 1000 AS seconds
    FROM {FEATURES}.bucket_flow AS f
    WHERE f.bucket_id >= {_FIRST_DAY} AND f.last_ts >= now('UTC') - INTERVAL 1 HOUR
    GROUP BY exchange, market_type, symbol, f.bucket_id
    HAVING max(f.cut) != '' OR now64(3) >= min(f.first_ts) + toIntervalMillisecond(max(f.t_max_ms))
)
GROUP BY exchange, market_type, symbol ORDER BY count() DESC LIMIT {{limit:UInt32}}"""

BOOKS: Final = f"""
SELECT exchange, market_type, count(),
       countIf(best_bid_price > best_ask_price AND best_ask_price > 0),
       countIf(best_bid_price = best_ask_price AND best_ask_price > 0),
       countIf(best_bid_price = 0 OR best_ask_price = 0)
FROM {HOT}.orderbooks WHERE timestamp >= now('UTC') - INTERVAL 10 MINUTE
GROUP BY exchange, market_type"""

STALE_BOOKS: Final = f"""
SELECT exchange, market_type, count(), countIf(newest < now64(3, 'UTC') - INTERVAL 1 MINUTE) FROM (
    SELECT exchange, market_type, symbol, max(timestamp) AS newest FROM {HOT}.orderbooks
    WHERE timestamp >= now('UTC') - INTERVAL 10 MINUTE GROUP BY exchange, market_type, symbol
) GROUP BY exchange, market_type"""

INSERT_LAG: Final = "\nUNION ALL ".join(
    f"SELECT '{name}', quantile(0.5)(lag), quantile(0.99)(lag) FROM ("
    f"SELECT dateDiff('microsecond', received_at, created_at) / 1e6 AS lag FROM {HOT}.{name} "
    f"WHERE timestamp >= now('UTC') - INTERVAL 1 MINUTE AND data_source = 'marketprism') HAVING count() > 0"
    for name in _STAMPED
)

_OPTIONAL: Final = (
    *("kyle_lambda", "kyle_lambda_ols", "kyle_r2", "amihud_illiq", "vpin", "imbalance"),
    *("mid", "mid_avg", "poc_px", "value_area_low", "value_area_high", "range_bps"),
)
MISSING: Final = f"""
SELECT exchange, market_type, symbol, one.1, one.2 FROM (
    SELECT exchange, market_type, symbol,
           [{", ".join(f"('{name}', countIf({name} IS NULL) / count())" for name in _OPTIONAL)}] AS shares
    FROM {FEATURES}.unified_features_between(
        from_bucket = {_FIRST_DAY}, to_bucket = 99999999999999, newest = 110)
    WHERE quality != 'warmup' GROUP BY exchange, market_type, symbol
) ARRAY JOIN shares AS one LIMIT {{limit:UInt32}}"""

DEVIATION: Final = f"""
SELECT canonical, count(), max(abs(mid / middle - 1)) FROM (
    SELECT canonical, arrayJoin(mids) AS mid, middle FROM (
        SELECT canonical, groupArray(b.mid) AS mids, quantile(0.5)(b.mid) AS middle FROM (
            SELECT exchange, market_type, symbol, argMax(mid_price, (timestamp, sequence)) AS mid
            FROM {FEATURES}.lob_top5
            WHERE timestamp >= now('UTC') - INTERVAL 1 MINUTE AND mid_price IS NOT NULL
            GROUP BY exchange, market_type, symbol
        ) AS b INNER JOIN (
            SELECT exchange, market_type, symbol, argMax(canonical, (valid_from, timestamp)) AS canonical
            FROM {HOT}.instruments GROUP BY exchange, market_type, symbol
        ) AS i ON i.exchange = b.exchange AND i.market_type = b.market_type AND i.symbol = b.symbol
        GROUP BY canonical HAVING uniqExact(b.exchange) > 1
    )
) GROUP BY canonical LIMIT {{limit:UInt32}}"""

DISKS: Final = "SELECT name, toUInt64(free_space), toUInt64(total_space) FROM system.disks"

PARTS: Final = f"""
SELECT database, table, max(parts) FROM (
    SELECT database, table, partition_id, count() AS parts FROM system.parts
    WHERE active AND database IN ('{HOT}', '{COLD}', '{FEATURES}') GROUP BY database, table, partition_id
) GROUP BY database, table"""

ARCHIVE: Final = f"""
SELECT toFloat64(toUnixTimestamp(toDateTime(maxIf(archive_date, verified), 'UTC'))), countIf(NOT verified),
       (SELECT toFloat64(toUnixTimestamp(toDateTime(min(YYYYMMDDToDate(toUInt32OrZero(partition_id))), 'UTC')))
        FROM system.parts WHERE active AND rows > 0 AND database = '{HOT}' AND table IN ('trades', 'orderbooks'))
FROM {COLD}.archive_status FINAL"""


async def _rows(client: Any, query: str, limit: int | None = None) -> list[tuple[Any, ...]]:
    parameters = {} if limit is None else {"limit": limit}
    return list((await client.query(query, parameters=parameters)).result_rows)


async def lengths(client: Any, limit: int) -> list[Lengths]:
    return [Lengths(*row) for row in await _rows(client, LENGTHS, limit)]


async def books(client: Any) -> list[Books]:
    return [Books(*row) for row in await _rows(client, BOOKS)]


async def stale_books(client: Any) -> list[StaleBooks]:
    return [StaleBooks(*row) for row in await _rows(client, STALE_BOOKS)]


async def insert_lag(client: Any) -> list[InsertLag]:
    return [InsertLag(*row) for row in await _rows(client, INSERT_LAG)]


async def missing(client: Any, limit: int) -> list[Missing]:
    return [Missing(*row) for row in await _rows(client, MISSING, limit * len(_OPTIONAL))]


async def deviations(client: Any, limit: int) -> list[Deviation]:
    return [Deviation(*row) for row in await _rows(client, DEVIATION, limit)]


async def disks(client: Any) -> list[Disk]:
    return [Disk(*row) for row in await _rows(client, DISKS)]


async def parts(client: Any) -> list[Parts]:
    return [Parts(*row) for row in await _rows(client, PARTS)]


async def archive(client: Any) -> Archive:
    return Archive(*(await _rows(client, ARCHIVE))[0])
