"""Where a market goes on after a restart: time, prices, the next ids, and the newest trades for REST repair.

Ended cleanly, the next run gives out the very next ids, so a collector sees no hole. After a crash the file is a little
behind what was sent; its ids then start after a reserve, which is a hole but never a second use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from marketprism.errors import ReplayError
from marketprism.simulator.market import Market
from marketprism.simulator.trade_log import TradeLog
from marketprism.simulator.venue_book import FirstIds

RESERVED_TRADES: Final = 100_000
RESERVED_UPDATES: Final = 10_000_000
TAIL_ROWS: Final = 1_000
"""Newest rows of each book that REST can answer again after a clean end."""
_VERSION: Final = 1


class BookState(msgspec.Struct):
    """Next ids of a book; ``fills`` and ``aggregates``: its newest rows as flat integers, from these ids on."""

    venue: str
    symbol: str
    trade: int
    aggregate: int
    update: int
    fills: list[int] = []
    aggregates: list[int] = []


class _File(msgspec.Struct):
    version: int
    clean: bool
    time_ms: int
    prices: dict[str, float]
    books: list[BookState]


@dataclass(frozen=True, slots=True)
class Continuation:
    """What the file says; ids have the reserve added when the end was not clean."""

    time_ms: int
    prices: dict[str, float] = field(default_factory=dict)
    books: dict[tuple[str, str], BookState] = field(default_factory=dict)

    @property
    def first_ids(self) -> dict[tuple[str, str], FirstIds]:
        return {key: FirstIds(book.trade, book.aggregate, book.update) for key, book in self.books.items()}


def load(path: Path) -> Continuation | None:
    """None when there is no file yet; raises ReplayError for one that cannot be read."""
    if not path.exists():
        return None
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except (OSError, msgspec.MsgspecError) as error:
        raise ReplayError(f"simulator: {path} cannot be read ({error}); delete it to start a new market") from error
    if file.version != _VERSION:
        raise ReplayError(f"simulator: {path} is of version {file.version}; delete it to start a new market")
    if not file.clean:
        for book in file.books:
            book.trade += RESERVED_TRADES
            book.aggregate += RESERVED_TRADES
            book.update += RESERVED_UPDATES
            book.fills, book.aggregates = [], []
    return Continuation(file.time_ms, file.prices, {(book.venue, book.symbol): book for book in file.books})


def save(path: Path, market: Market, trades: TradeLog, *, clean: bool) -> None:
    """Write the state whole or not at all; ``clean`` when nothing will be sent after it."""
    books = [
        BookState(
            book.spec.venue,
            book.spec.symbol,
            book.next_trade_id,
            book.next_aggregate_id,
            book.book.last_id,
            trades.fills[book.index].tail(TAIL_ROWS) if clean else [],
            trades.aggregates[book.index].tail(TAIL_ROWS) if clean else [],
        )
        for book in market.books
    ]
    text = msgspec.json.encode(_File(_VERSION, clean, market.time_ms, market.prices(), books))
    new = path.with_name(path.name + ".new")
    new.write_bytes(text)
    new.replace(path)
