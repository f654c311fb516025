"""The seam between a venue and everything else. Adding a venue = one folder under ``venues/`` + one registry line.

A venue turns wire text into rows of ``marketprism.events`` and ``BookUpdate``s (pure, ``parse``), says which streams
to open where (``plan``), by which rule its books chain (``book_rule``), and how to ask its REST interface for what is
missing. Sockets, back-off, watchdogs, rate limits, local books, continuity, frames and publishing are not its business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import msgspec

from collector.opening import Gate
from marketprism.events import Instrument, Row, Trade


class BookUpdate(msgspec.Struct, gc=False):
    """One diff of a book, or (``snapshot``) all of it. Ids are the venue's; ``previous_id`` is 0 where it has none.

    ``timestamp``: exchange time in ms; ``received_at`` in µs; levels are (price, quantity) as text, 0 deletes.
    Quantities are the exchange's own: the book makes base units of them by the instrument's multiplier (``units``).
    ``sequence``: what orders the rows where the venue's ids may start over (``rising``); 0 = ``last_id`` does.
    """

    symbol: str
    first_id: int
    last_id: int
    previous_id: int
    timestamp: int
    received_at: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    snapshot: bool = False
    sequence: int = 0


def rising(timestamp: int, last_id: int) -> int:
    """A sequence by exchange time, that goes on rising when the venue's ids start over; equal for equal updates.

    Rows are stored once by their sequence: after a reset to small ids none would be stored for a long time.
    """
    return timestamp * 1000 + last_id % 1000


class Control(msgspec.Struct, gc=False):
    """What the protocol says, rather than the market. ``reply`` is sent back; ``restart`` asks for a new connection;
    ``refused`` is the exchange's reason for refusing a request; ``listing`` tells that its instruments have changed:
    they are read again (``fetch_instruments``) a moment later."""

    reply: str = ""
    restart: str = ""
    refused: str = ""
    listing: str = ""


class Parsed(msgspec.Struct, gc=False):
    """One message: the stream it came on ('' for control messages) and what it holds."""

    stream: str
    items: Sequence[Row | BookUpdate | Control]


class MessageError(ValueError):
    """A message that cannot be used. ``reason`` is a bounded label for the metric; the text says what to do."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Verdict(Enum):
    """What a book rule says about an update."""

    APPLY = "apply"
    SKIP = "skip"
    GAP = "gap"


BookRule = Callable[[int, BookUpdate, bool], Verdict]
"""(id of the last update in the book, update, whether the book has only its snapshot so far) → verdict."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One subscription. ``expect_s``: seconds within which data must arrive; None where silence is normal: asked for
    again too, after longer, but no sign of a dead address."""

    name: str
    channel: str
    symbol: str = ""
    expect_s: float | None = None


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """Sockets of one kind: where, what is subscribed on them (``most`` streams on each), and where else the venue
    documents the same streams."""

    name: str
    urls: tuple[str, ...]
    streams: tuple[Stream, ...]
    most: int


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one venue's socket is spoken to.

    ``subscribe``/``unsubscribe`` make the messages for a list of streams, already in the venue's batches;
    ``send_interval_s`` keeps them under its message rate; ``keepalive`` is (seconds, text) where the venue wants text
    instead of WebSocket pings; ``greeting`` is said first on every socket; ``gate`` where openings are limited;
    ``turn`` where requests are limited over all sockets: (message, monotonic seconds) → seconds to wait with it.
    """

    subscribe: Callable[[Sequence[str]], list[str]]
    unsubscribe: Callable[[Sequence[str]], list[str]]
    send_interval_s: float = 0.25
    keepalive: tuple[float, str] | None = None
    max_age_s: float = 23.5 * 3600
    greeting: tuple[str, ...] = ()
    gate: Gate | None = None
    turn: Callable[[str, float], float] | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """A REST question asked again and again. ``fetch`` gets the symbol ('' when not ``per_symbol``) and the newest
    timestamp already published for it (0 = none), and returns rows in time order."""

    name: str
    data_type: str
    interval_s: float
    fetch: Callable[[str, int], Awaitable[Sequence[Row]]]
    per_symbol: bool = True


@dataclass(slots=True)
class RepairPage:
    """Trades from REST, in order. ``covered``: the venue has no others up to this sequence (0 = it did not say).
    ``others``: rows that the trades tell besides (liquidations, where they are a flag of a trade)."""

    trades: list[Trade] = field(default_factory=list)
    covered: int = 0
    others: Sequence[Row] = ()


class Venue(Protocol):
    """One (exchange, market type)."""

    exchange: str
    market_type: str
    dialect: Dialect
    book_rule: BookRule
    book_resubscribes: bool
    """True: a fresh snapshot comes by subscribing again; False: ``fetch_book`` asks REST for it."""
    trades_consecutive: bool
    """Whether a jump of the trades' ids means that some are missing. If not, only a lost connection tells of a loss."""
    lists_all: bool
    """Whether ``fetch_instruments`` lists all that is traded; if not, other collectors may have what it leaves out."""

    @property
    def trade_kind(self) -> str:
        """The id space of the trades that are subscribed."""

    async def fetch_instruments(self) -> list[Instrument]:
        """Every listed instrument, as rows. Raises RestError."""

    async def fetch_volumes(self) -> dict[str, float]:
        """Traded value of the last 24 hours by symbol, in one currency, for ``@topN`` filters. Raises RestError."""

    def track(self, instruments: Sequence[Instrument]) -> None:
        """The instruments to collect, with their present tick sizes; ``parse`` knows no others.

        Rows other than books come out of ``parse`` in base units already (``units.Unit.of(instrument).base_text``)."""

    def forget(self, streams: Sequence[Stream]) -> Collection[str]:
        """These are subscribed no more, because their symbols are not listed: keep nothing of them. Returns the names
        of streams of many symbols that have none left."""

    def plan(self, symbols: Sequence[str]) -> list[ConnectionPlan]:
        """Connections and streams for these symbols; streams that have every symbol are in the first plan only."""

    def parse(self, payload: bytes, received_at: int) -> Parsed:
        """Pure. Raises MessageError for what cannot be used; unknown keys are ignored."""

    async def fetch_book(self, symbol: str) -> BookUpdate:
        """A snapshot from REST (``last_id`` = its id; ``timestamp`` 0 where the venue gives none). Raises RestError."""

    def can_repair(self, trade_kind: str) -> bool:
        """Whether REST can fill a hole of this id space without a key."""

    async def fetch_trades(self, symbol: str, trade_kind: str, first: int, last: int) -> RepairPage:
        """One page of the trades with first ≤ sequence ≤ last, from ``first`` on. Raises RestError."""

    def polls(self) -> Sequence[Poll]:
        """What is only to be had by asking."""
