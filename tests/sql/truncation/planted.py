"""Views that know the future, each of the kind that a reader is for: every one of them has to be found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NEXT_ROW = """
SELECT *, leadInFrame(close) OVER (
    PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING
) AS next_close FROM marketprism_features.unified_buckets WHERE is_closed
"""
WHOLE_SAMPLE_THRESHOLD = """
SELECT u.*, u.vol > quantile(0.9)(u.vol) OVER (PARTITION BY exchange, market_type, symbol) AS is_large
FROM marketprism_features.unified_buckets AS u WHERE is_closed
"""
HIGHEST_OF_RANGE = """
SELECT b.*, max(b.high) OVER (PARTITION BY exchange, market_type, symbol) AS highest
FROM marketprism_features.unified_buckets_between(
    from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64}
) AS b WHERE is_closed
"""
PLACE_FROM_THE_END = """
SELECT *, row_number() OVER (ORDER BY bucket_id DESC) AS place FROM marketprism_features.unified_buckets
WHERE exchange = {exchange:String} AND market_type = {market_type:String} AND symbol = {symbol:String} AND is_closed
ORDER BY bucket_id DESC LIMIT {n:UInt64}
"""
LAST_PRICE_OF_ALL = """
SELECT c.* REPLACE (l.close / c.cluster_price - 1 AS return_since)
FROM marketprism_features.footprint_candidates_at(run_at = {run_at:DateTime64(3)}, hours = {hours:UInt32}) AS c
INNER JOIN (
    SELECT symbol, toFloat64(argMax(close, ts_1m)) AS close FROM marketprism_features.trades_1m GROUP BY symbol
) AS l ON l.symbol = c.symbol
"""
NEWEST_RUN_OF_ALL = """
SELECT * FROM marketprism_features.dynamic_levels(
    exchange = {exchange:String}, market_type = {market_type:String}, symbol = {symbol:String},
    at = {at:DateTime64(3)} + toIntervalDay(1), price = {price:Float64}
)
"""


@contextmanager
def planted(client: Any, select: str) -> Iterator[str]:
    """The name of a view of this SELECT, there for as long as it is wanted."""
    client.command(f"CREATE VIEW marketprism_features.planted_leak AS {select}")
    try:
        yield "planted_leak"
    finally:
        client.command("DROP VIEW marketprism_features.planted_leak")
