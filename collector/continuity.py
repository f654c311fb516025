"""Trades of one symbol leave in sequence order, each once, without holes; what cannot be had is said in a Gap.

A row of kind ``trade`` covers the ids from its first to its last (OKX can tell several prints of an order in one row);
any other kind covers its own sequence. Where ids have holes of their own (``consecutive`` is false) rows leave as they
come, and what a lost connection may have cost is said in a Gap; so is a row that comes behind its successors.

No I/O. The session offers rows from the stream and from REST alike, asks ``hole`` what is missing, fetches it, and
calls ``give_up`` when the venue has no more. Laws (property-tested): with a repairer, any drop, duplicate and reorder
of a run of trades comes out as the run itself; without one, the rows and the Gaps together cover it exactly.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush

from marketprism.events import Gap, Trade

MAX_HELD = 50_000
"""Trades of one symbol held back behind a hole; beyond it the hole is given up."""
MAX_HELD_ALL = 500_000
"""The same of all symbols of a market, each some 400 bytes: a socket that was lost leaves a hole in every one."""
_REMEMBERED = 4096
"""Newest sequences of a symbol that are known to have left, where ids do not tell whether one is missing."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Missing sequences first…last; ``since`` is when (µs) the first trade behind it was received."""

    first: int
    last: int
    since: int


class TradeSequence:
    """Reorders, de-duplicates and holds back. ``last`` is the sequence of the newest trade let out (None = none),
    ``given_up`` the newest that was given up (-1 = none)."""

    __slots__ = ("_consecutive", "_held", "_order", "_recent", "_since", "duplicates", "given_up", "last", "last_time")

    def __init__(self, last: int | None = None, last_time: int = 0, *, consecutive: bool = True) -> None:
        self._consecutive = consecutive
        self.last = last
        self.last_time = last_time
        self.duplicates = 0
        self.given_up = -1
        self._held: dict[int, Trade] = {}  # by the first sequence that each covers
        self._order: list[int] = []  # a heap of them, and of some that are held no more
        self._since = 0
        self._recent: deque[int] = deque(maxlen=_REMEMBERED)

    def offer(self, trade: Trade) -> list[Trade]:
        """Take one trade; returns what may leave now, in order."""
        sequence = trade.sequence
        if trade.trade_kind == "trade":
            sequence -= trade.last_trade_id - trade.first_trade_id
        last = self.last
        if last is None or sequence == last + 1 or (sequence > last and not self._consecutive):
            self.last = trade.sequence
            self.last_time = trade.timestamp
            if not self._consecutive:
                self._recent.append(sequence)
            return self._drain([trade]) if self._held else [trade]
        if sequence <= last or sequence in self._held:
            self.duplicates += 1
            return []
        if not self._held:
            self._since = trade.received_at
        self._held[sequence] = trade
        heappush(self._order, sequence)
        return []

    def late(self, trade: Trade) -> Gap | None:
        """The record of a row that ``offer`` kept back although it has not left: it came behind its successors."""
        recent, sequence = self._recent, trade.sequence
        if not recent or sequence < recent[0] or sequence in recent:
            return None
        recent.append(sequence)
        return _gap(trade, Hole(sequence, sequence, 0), trade.timestamp, "sequence", repaired=False)

    @property
    def held(self) -> int:
        """Trades waiting behind a hole."""
        return len(self._held)

    @property
    def hole(self) -> Hole | None:
        """The first missing range, or None."""
        if not self._held or self.last is None:
            return None
        return Hole(self.last + 1, self._first() - 1, self._since)

    def give_up(self, through: int, cause: str) -> tuple[list[Gap], list[Trade]]:
        """Let go of every missing sequence ≤ ``through``: the Gaps, and the trades that may leave because of it."""
        gaps: list[Gap] = []
        out: list[Trade] = []
        while (hole := self.hole) is not None and hole.first <= through:
            after = self._held[hole.last + 1]
            lost = Hole(hole.first, min(hole.last, through), hole.since)
            gaps.append(_gap(after, lost, self.last_time, cause, repaired=False))
            self.last = self.given_up = lost.last
            if lost.last == hole.last:
                out += self._drain([self._held.pop(hole.last + 1)])
        return gaps, out

    def repaired(self, hole: Hole, after: Trade, from_time: int, cause: str) -> Gap:
        """The record of a hole that REST filled; ``after`` is the trade that showed it."""
        return _gap(after, hole, from_time, cause, repaired=True)

    def unknown(self, after: Trade, last: int, from_time: int, cause: str) -> Gap:
        """The record of what may be missing between ``last`` and ``after``, where ids do not tell."""
        return _gap(after, Hole(last + 1, after.sequence - 1, 0), from_time, cause, repaired=False)

    def first_held(self) -> Trade | None:
        """The trade right behind the first hole."""
        return self._held[self._first()] if self._held else None

    def _first(self) -> int:
        """The smallest that is held; something is."""
        order, held = self._order, self._held
        while order[0] not in held:
            heappop(order)
        return order[0]

    def _drain(self, out: list[Trade]) -> list[Trade]:
        held = self._held
        while (trade := held.pop(out[-1].sequence + 1, None)) is not None:
            out.append(trade)
        while held and (first := self._first()) <= out[-1].sequence:  # a row that covers several came for it as well
            del held[first]
            self.duplicates += 1
        self.last = out[-1].sequence
        self.last_time = out[-1].timestamp
        if held:
            self._since = held[self._first()].received_at
        else:
            self._order.clear()
        return out


def _gap(after: Trade, hole: Hole, from_time: int, cause: str, *, repaired: bool) -> Gap:
    return Gap(
        timestamp=after.timestamp,
        received_at=after.received_at,
        exchange=after.exchange,
        market_type=after.market_type,
        symbol=after.symbol,
        sequence=hole.last,
        of_type="trades",
        from_sequence=hole.first,
        to_sequence=hole.last,
        from_time=from_time or after.timestamp,
        to_time=after.timestamp,
        cause=cause,
        repaired=repaired,
    )
