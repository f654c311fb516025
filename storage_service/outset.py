"""Where a worker's session begins: as its cell says, unless stream, cell and tables are of different times.

NATS syncs its files now and then, ClickHouse has its own: after a power cut, or with an older copy put back, a stream
may lack its newest messages (and give their numbers to others), and a cell may be older than the rows. Either is seen
here. The session then begins anew, as with a stream that was created again: all rows stored until now count, whatever
their sequence, and tokens are those of another generation.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from marketprism.clickhouse import HOT
from marketprism.subjects import partition_of, stream_name
from storage_service.allowed import VIEWED
from storage_service.clickhouse_io import Warehouse
from storage_service.holes_left import holes_left
from storage_service.position import Cell, Holes, Positions, Ranges, numbered_since
from storage_service.recover import server_clock_us
from storage_service.stream_hole import interrupted_days, report_stream_hole

logger = logging.getLogger(__name__)

_CLOCK_US: Final = 1_000
"""Of one message the server says the same time, to the nanosecond; of two that had one number it never does."""


@dataclass(frozen=True, slots=True)
class Outset:
    """``first``: the next sequence to read; ``replay``: the intent to finish first; ``holes``: open below it."""

    created: int
    epoch: int
    generation: int
    first: int
    holes: Ranges = field(default_factory=dict)
    replay: Cell | None = None


class Outsets:
    """Finds the outset of one partition. ``patiently`` asks ClickHouse until it answers."""

    def __init__(
        self,
        data_type: str,
        partition: int,
        partitions: int,
        js: JetStreamContext,
        warehouse: Warehouse,
        positions: Positions,
        patiently: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]],
    ) -> None:
        self._data_type, self._partition, self._partitions = data_type, partition, partitions
        self._stream = stream_name(data_type, partition)
        self._js, self._warehouse, self._positions, self._patiently = js, warehouse, positions, patiently

    async def find(self) -> Outset:
        """Claims the cell. Raises nats errors and what Warehouse raises."""
        info = await self._js.stream_info(self._stream)
        created = int(info.created.timestamp() * 1e6) if info.created else 0
        cell, holes = await self._positions.claim(self._data_type, self._partition)
        if cell is None:
            return Outset(created, await self._clock(), 0, 1, await self._settle_holes(None, holes, created, 1))
        if cell.stream_created != created:
            logger.warning("the stream was re-created: its sequences start again", extra={"stream": self._stream})
            ranges = await self._settle_holes(cell, holes, created, 1)
            return Outset(created, await self._clock(), 0, 1, ranges)
        newest = await self._newest_stored(cell)
        has_gone_back = info.state.last_seq < cell.last or not await self._is_as_it_was(cell)
        if has_gone_back or newest > cell.last:
            return await self._begin_anew(cell, holes, newest, info.state.last_seq if has_gone_back else None)
        replay = cell if cell.state == "intent" else None
        return Outset(created, cell.epoch, cell.generation, cell.due, _open_below(holes, cell.due), replay)

    async def without(self, intent: Cell) -> Outset:
        """Where to go on when an intent cannot be replayed: what of it is stored counts by when it was stored, since
        its sequences are read again in other batches."""
        holes = await self._positions.read_holes(self._data_type, self._partition)
        ranges = await self._settle_holes(intent, holes, intent.stream_created, intent.first)
        return Outset(intent.stream_created, await self._clock(), intent.generation, intent.first, ranges)

    async def _settle_holes(self, cell: Cell | None, holes: Holes | None, created: int, first: int) -> Ranges:
        """The open holes where a position is not followed by its next, by what ClickHouse holds; on record from now on.

        An intent's symbol-days are queued if it was stored: its views may lack it.
        """
        if cell is not None and cell.state == "intent":
            await self._queue_interrupted(cell)
        ranges: Ranges = await self._patiently(lambda: holes_left(self._warehouse, self._data_type, holes, cell))
        if holes is not None or ranges:
            record = Holes(stream_created=created, before=first, holes_before=ranges, holes_after=ranges)
            await self._positions.write_holes(self._data_type, self._partition, record)
        return ranges

    async def _queue_interrupted(self, intent: Cell) -> None:
        """Queue the symbol-days of what the intent has stored, where it feeds views."""
        if self._data_type not in VIEWED:
            return
        days = await self._patiently(lambda: interrupted_days(self._warehouse, self._data_type, intent))
        if days:
            for exchange, market_type, symbol, day in days:
                await self._positions.queue_rebuild(exchange, market_type, symbol, day, self._data_type)
            logger.error(
                "a batch was interrupted between its table and its views, which may lack it: its days will be rebuilt",
                extra={"data_type": self._data_type, "days": [".".join(map(str, day)) for day in days][:20]},
            )

    async def _begin_anew(self, cell: Cell, holes: Holes | None, newest: int, ends: int | None) -> Outset:
        """``ends``: the stream's last message, where the stream has gone back; None where only the cell has.

        The cell that says so is written at once: with a few messages more nothing would look wrong any more.
        """
        created, first, epoch = cell.stream_created, cell.due, await self._clock()
        if ends is None:
            logger.error("rows are stored that no cell tells of", extra={"stream": self._stream, "to": newest})
        else:
            first = min(first, await self._first_after(cell, ends))
            logger.error("messages that had come are gone", extra={"stream": self._stream, "from": first})
            at = (self._stream, numbered_since(created, cell.generation), self._partition)
            lost = (first, max(cell.last, newest))
            span = (cell.last_us or epoch, epoch)
            await self._patiently(lambda: report_stream_hole(self._warehouse, self._data_type, *at, lost, span))
        ranges = await self._settle_holes(cell, holes, created, first)
        began = msgspec.structs.replace(
            cell, epoch=epoch, generation=epoch, first=first, last=first - 1, last_us=0, rows=0, dead=0, state="done"
        )
        await self._positions.write(self._data_type, began)
        return Outset(created, epoch, epoch, first, ranges)

    async def _clock(self) -> int:
        return int(await self._patiently(lambda: server_clock_us(self._warehouse)))

    async def _newest_stored(self, cell: Cell) -> int:
        """The highest stream sequence beyond the cell's that a row of this partition has; 0 when none has."""
        query = (
            f"SELECT exchange, market_type, symbol, max(stream_seq) FROM {HOT}.{self._data_type} "
            "WHERE stream_seq > {last:UInt64} AND created_at >= fromUnixTimestamp64Micro({epoch:Int64}, 'UTC') "
            "GROUP BY exchange, market_type, symbol"
        )
        asked = {"last": cell.last, "epoch": cell.epoch}
        rows = await self._patiently(lambda: self._warehouse.rows(query, asked))
        ours = [row[3] for row in rows if partition_of(row[0], row[1], row[2], self._partitions) == self._partition]
        return max(ours, default=0)

    async def _is_as_it_was(self, cell: Cell) -> bool:
        """Whether the cell's last message is still that message, or has expired."""
        if not cell.last_us:
            return True
        found = await self._time_us(cell.last)
        return found is None or abs(found - cell.last_us) < _CLOCK_US

    async def _first_after(self, cell: Cell, ends: int) -> int:
        """The first message that came after the cell's last one; by halves, since times rise. Past the end if none."""
        low, high = 1, min(cell.last, ends) + 1
        while cell.last_us and low < high:
            middle = (low + high) // 2
            found = await self._time_us(middle)
            if found is None or found < cell.last_us + _CLOCK_US:  # expired ones were before
                low = middle + 1
            else:
                high = middle
        return high

    async def _time_us(self, sequence: int) -> int | None:
        """When JetStream took the message, µs since the epoch; None when it is gone."""
        try:
            message = await self._js.get_msg(self._stream, seq=sequence)
        except NotFoundError:
            return None
        return int(message.time.timestamp() * 1e6) if message.time else None


def _open_below(holes: Holes | None, position: int) -> Ranges:
    """The holes that are open before the message at ``position`` is stored."""
    if holes is None:
        return {}
    return holes.holes_before if position <= holes.before else holes.holes_after
