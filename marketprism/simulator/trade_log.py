"""What has traded: kept in memory for REST repair, and written to a ledger file for tests and comparisons."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from marketprism.simulator.events import Aggregate, Fill
from marketprism.simulator.specs import BookSpec

KEEP: Final = 500_000
"""Rows per book that REST can still answer; older ones are only in the ledger."""


@dataclass(slots=True)
class Columns:
    """Rows of one book as integer columns; ids are contiguous, so row i has id ``first_id + i``."""

    names: tuple[str, ...]
    first_id: int
    values: dict[str, array[int]]

    @classmethod
    def empty(cls, first_id: int, *names: str) -> Columns:
        return cls(names, first_id, {name: array("q") for name in names})

    def __len__(self) -> int:
        return len(self.values[self.names[0]])

    def append(self, *row: int) -> None:
        for name, value in zip(self.names, row, strict=True):
            self.values[name].append(value)
        if len(self) >= 2 * KEEP:
            for column in self.values.values():
                del column[:KEEP]
            self.first_id += KEEP

    def page(self, from_id: int | None, limit: int) -> list[dict[str, int]]:
        """Rows from an id on, each with its ``id``; the newest ones when ``from_id`` is None."""
        start = max(0, len(self) - limit) if from_id is None else max(0, from_id - self.first_id)
        return [self._row(index) for index in range(start, min(start + limit, len(self)))]

    def between(self, start_ms: int, end_ms: int, limit: int) -> list[dict[str, int]]:
        """Rows with start ≤ time ≤ end, oldest first."""
        times = self.values["time_ms"]
        rows = (index for index in range(len(times)) if start_ms <= times[index] <= end_ms)
        return [self._row(index) for index, _ in zip(rows, range(limit), strict=False)]

    def _row(self, index: int) -> dict[str, int]:
        return {"id": self.first_id + index, **{name: self.values[name][index] for name in self.names}}


class TradeLog:
    """Every fill and aggregate, book by book."""

    def __init__(self, specs: tuple[BookSpec, ...], first_ids: list[tuple[int, int]], ledger: Path | None = None):
        """``first_ids``: the first (trade id, aggregate id) of each book."""
        self._specs = specs
        self.fills = [Columns.empty(trade, "time_ms", "price", "lots", "maker", "market") for trade, _ in first_ids]
        self.aggregates = [
            Columns.empty(aggregate, "time_ms", "price", "lots", "maker", "first", "last") for _, aggregate in first_ids
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

    def add_aggregate(self, event: Aggregate) -> None:
        self.aggregates[event.book].append(
            event.time_ms, event.price, event.lots, event.buyer_is_maker, event.first_trade_id, event.last_trade_id
        )

    def flush(self) -> None:
        """Make the ledger file hold everything so far."""
        if self._ledger is not None:
            self._ledger.flush()

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None
