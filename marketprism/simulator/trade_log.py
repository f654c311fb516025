"""What has traded: kept in memory for REST repair, and written to a ledger file for tests and comparisons."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import islice
from pathlib import Path
from typing import IO, Final

from marketprism.simulator.events import Aggregate, Fill
from marketprism.simulator.specs import BookSpec

KEEP: Final = 500_000
"""Rows per book that REST can still answer; older ones are only in the ledger."""


class Rows:
    """Rows of one book as integers; ids are contiguous, so row i has id ``first_id + i``. One name is ``time_ms``."""

    def __init__(self, first_id: int, *names: str):
        self.first_id = first_id
        self._names = names
        self._width = len(names)
        self._time = names.index("time_ms")
        self._cells = array("q")

    def __len__(self) -> int:
        return len(self._cells) // self._width

    def append(self, *row: int) -> None:
        self._cells.extend(row)
        if len(self._cells) >= 2 * KEEP * self._width:
            del self._cells[: KEEP * self._width]
            self.first_id += KEEP

    def tail(self, rows: int) -> list[int]:
        """The newest rows as flat integers."""
        return self._cells[-rows * self._width :].tolist()

    def restore(self, cells: list[int]) -> None:
        """Put rows of an earlier run before the first id."""
        self._cells = array("q", cells) + self._cells
        self.first_id -= len(cells) // self._width

    def page(self, from_id: int | None, limit: int) -> list[dict[str, int]]:
        """Rows from an id on, each with its ``id``, without ids that were never given; the newest when it is None."""
        start = max(0, len(self) - limit) if from_id is None else max(0, from_id - self.first_id)
        given = (row for row in map(self._row, range(start, len(self))) if row.get("lots", 1))
        return list(islice(given, limit))

    def between(self, start_ms: int, end_ms: int, limit: int) -> list[dict[str, int]]:
        """Rows with start ≤ time ≤ end, oldest first."""
        times = self._cells[self._time :: self._width]
        first, last = bisect_left(times, start_ms), bisect_right(times, end_ms)
        return [self._row(index) for index in range(first, min(first + limit, last))]

    def _row(self, index: int) -> dict[str, int]:
        at = index * self._width
        return {"id": self.first_id + index, **dict(zip(self._names, self._cells[at : at + self._width], strict=True))}


class TradeLog:
    """Every fill and aggregate, book by book."""

    def __init__(self, specs: tuple[BookSpec, ...], first_ids: list[tuple[int, int]], ledger: Path | None = None):
        """``first_ids``: the first (trade id, aggregate id) of each book."""
        self._specs = specs
        self.fills = [Rows(trade, "time_ms", "price", "lots", "maker", "market") for trade, _ in first_ids]
        self.aggregates = [
            Rows(aggregate, "time_ms", "price", "lots", "maker", "first", "last") for _, aggregate in first_ids
        ]
        self._ledger: IO[str] | None = ledger.open("a", encoding="utf-8") if ledger else None

    def add_fill(self, fill: Fill) -> None:
        market = fill.kind == "MARKET"
        self.fills[fill.book].append(fill.time_ms, fill.price, fill.lots, fill.buyer_is_maker, market)
        if self._ledger is not None:
            spec = self._specs[fill.book]
            self._ledger.write(
                f'{{"venue":"{spec.venue}","symbol":"{spec.symbol}","id":{fill.trade_id},'
                f'"aggregate_id":{fill.aggregate_id},"price":"{spec.price_text(fill.price)}",'
                f'"quantity":"{spec.quantity_text(fill.lots)}","side":"{"sell" if fill.buyer_is_maker else "buy"}",'
                f'"time":{fill.time_ms},"kind":"{fill.kind}"}}\n'
            )

    def note(self, venue: str, symbol: str, trade_id: int, price: str, quantity: str, side: str, time_ms: int) -> None:
        """A ledger row of a trade at another exchange; ``quantity`` is that exchange's own number."""
        if self._ledger is not None:
            self._ledger.write(
                f'{{"venue":"{venue}","symbol":"{symbol}","id":{trade_id},"aggregate_id":0,"price":"{price}",'
                f'"quantity":"{quantity}","side":"{side}","time":{time_ms},"kind":"MARKET"}}\n'
            )

    def add_aggregate(self, event: Aggregate) -> None:
        self.aggregates[event.book].append(
            event.time_ms, event.price, event.lots, event.buyer_is_maker, event.first_trade_id, event.last_trade_id
        )

    def skip(self, book: int, time_ms: int, count: int) -> None:
        """Ids that were never given out: rows without a quantity, which nobody is told."""
        for _ in range(count):
            self.fills[book].append(time_ms, 0, 0, False, False)
            self.aggregates[book].append(time_ms, 0, 0, False, 0, 0)

    def flush(self) -> None:
        """Make the ledger file hold everything so far."""
        if self._ledger is not None:
            self._ledger.flush()

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None
