"""Messages that are gone before they were stored: told as a row of ``gaps``, never passed over in silence."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import pyarrow as pa
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from marketprism.clickhouse import HOT
from storage_service.clickhouse_io import Warehouse
from storage_service.metrics import STREAM_HOLES
from storage_service.position import Cell
from storage_service.schema import arrow_schema

logger = logging.getLogger(__name__)

ALL: Final = "*"
"""Exchange, market and symbol of such a row: the stream does not say whose messages they were."""
LOOK_S: Final = 5.0
"""Pause between looks at a stream from which nothing comes: a hole is told after two of them."""


class Looks:
    """Whether messages that are due are gone from a stream, where none after them has come to tell it."""

    def __init__(self, js: JetStreamContext, stream: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._js, self._stream, self._monotonic = js, stream, monotonic
        self._next = 0.0
        self._suspected = 0

    async def first_left(self, due: int) -> int:
        """The first sequence that the stream has, or gives next, where that is above ``due``; else 0. 0 between looks.

        Two looks running must find it: a message may be on its way while the stream gives it up.
        """
        now = self._monotonic()
        if now < self._next:
            return 0
        self._next = now + LOOK_S
        try:
            first = (await self._js.stream_info(self._stream)).state.first_seq
        except (NatsError, OSError, TimeoutError) as error:  # who reads the stream hears of it, too
            logger.debug("%s cannot be looked at: %s", self._stream, error)
            return 0
        is_sure, self._suspected = self._suspected == due < first, due if first > due else 0
        return first if is_sure else 0


async def report_stream_hole(
    warehouse: Warehouse,
    data_type: str,
    stream: str,
    numbers: str,
    partition: int,
    hole: tuple[int, int],
    span_us: tuple[int, int],
) -> None:
    """One ``gaps`` row with cause ``stream_hole``: ``hole`` = first and last missing stream sequence (not trade ids).

    ``span_us``: the times between which they came, as far as known; its end is when JetStream took the first message
    after the hole, or when it was noticed that there is none. The token makes telling it again a no-op. ``numbers``
    (numbered_since) are in it: a stream that goes back may lose messages of the same sequences once more.
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
    name = f"gaps:{stream}:{numbers}:{partition}:{hole[0]}-{hole[1]}"
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
