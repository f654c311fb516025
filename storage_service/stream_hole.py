"""Messages that are gone before they were stored: told as a row of ``gaps``, never passed over in silence."""

from __future__ import annotations

import logging
from typing import Final

import pyarrow as pa

from marketprism.clickhouse import HOT
from storage_service.clickhouse_io import Warehouse
from storage_service.metrics import STREAM_HOLES
from storage_service.position import Cell
from storage_service.schema import arrow_schema

logger = logging.getLogger(__name__)

ALL: Final = "*"
"""Exchange, market and symbol of such a row: the stream does not say whose messages they were."""


async def report_stream_hole(
    warehouse: Warehouse,
    data_type: str,
    stream: str,
    created: int,
    partition: int,
    hole: tuple[int, int],
    span_us: tuple[int, int],
) -> None:
    """One ``gaps`` row with cause ``stream_hole``: ``hole`` = first and last missing stream sequence (not trade ids).

    ``span_us``: the times between which they came, as far as known; its end is when JetStream took the first message
    after the hole. The token makes telling it again a no-op.
    """
    row = {
        "timestamp": span_us[1] // 1000,
        "received_at": span_us[1],
        "exchange": ALL,
        "market_type": ALL,
        "symbol": ALL,
        "sequence": hole[1],
        "data_source": "marketprism",
        "of_type": data_type,
        "from_sequence": hole[0],
        "to_sequence": hole[1],
        "from_time": span_us[0] // 1000,
        "to_time": span_us[1] // 1000,
        "cause": "stream_hole",
        "repaired": False,
        "stream_seq": 0,
    }
    schema = arrow_schema("gaps")
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([row[f.name]], pa.int64()).cast(f.type)
            if pa.types.is_timestamp(f.type)
            else pa.array([row[f.name]], f.type)
            for f in schema
        ],
        schema=schema,
    )
    name = f"gaps:{stream}:{created}:{partition}:{hole[0]}-{hole[1]}"
    await warehouse.insert(f"{HOT}.gaps", batch, schema.names, name)
    STREAM_HOLES.labels(data_type).inc()
    logger.error("messages expired before they were stored", extra={"stream": stream, "from": hole[0], "to": hole[1]})


async def interrupted_days(warehouse: Warehouse, data_type: str, intent: Cell) -> list[tuple[str, str, str, int]]:
    """Symbol-days of what an interrupted batch has stored, whose views may lack it: (exchange, market, symbol, day)."""
    query = (
        f"SELECT DISTINCT exchange, market_type, symbol, toInt32(toDate(timestamp)) FROM {HOT}.{data_type} "
        "WHERE stream_seq BETWEEN {first:UInt64} AND {last:UInt64} "
        "AND created_at >= fromUnixTimestamp64Micro({epoch:Int64}, 'UTC')"
    )
    parameters = {"first": intent.first, "last": intent.last, "epoch": intent.epoch}
    return [(row[0], row[1], row[2], row[3]) for row in await warehouse.rows(query, parameters)]
