"""One symbol's book from stream to rows: buffer, snapshot, chain by the venue's rule, resynchronise on any doubt.

No I/O. The session feeds updates and snapshots, and fetches a snapshot whenever ``wants_snapshot``. Because updates
are buffered until the snapshot is in and then applied with their own receive times, the rows do not depend on when the
snapshot arrived.
"""

from __future__ import annotations

from collections import deque

from collector.books import LocalBook
from collector.sampling import BookSampler, Sink
from collector.venue import BookRule, BookUpdate, Verdict
from marketprism.events import Gap

BUFFER_LIMIT = 20_000
"""Updates held while a snapshot is fetched; beyond it the oldest go and the snapshot is asked for again."""
_ALWAYS_HELD = 100
"""So many updates are held however old they are."""

SAME_MS = 5_000
"""What the book already holds is no younger than its newest update: by more than this, its ids have started over."""
_Moment = tuple[int, int, int]
"""Of an update: its time, its receipt, its last id."""


class BookKeeper:
    """Owns the local book of one symbol. ``live``: in step with the exchange; ``resyncs``: times that it was not;
    ``snapshots``: that came on its stream; ``asked``: for one more, with which the stream begins anew."""

    __slots__ = (
        "_book", "_fresh", "_held_us", "_hole", "_newest", "_rule", "_sampler", "_sink", "_time", "_waiting", "asked",
        "last_id", "live", "resyncs", "snapshots", "symbol",
    )  # fmt: skip

    def __init__(
        self,
        symbol: str,
        rule: BookRule,
        sampler: BookSampler,
        book: LocalBook,
        sink: Sink,
        held_us: int | None = None,
    ) -> None:
        """``held_us``: how long before the newest an update may have been received that waits for a snapshot."""
        self.symbol = symbol
        self.live = False
        self.resyncs = 0
        self.snapshots = 0
        self.asked = False
        self.last_id = 0
        self._rule = rule
        self._book = book
        self._sampler = sampler
        self._sink = sink
        self._held_us = held_us
        self._waiting: deque[BookUpdate] = deque()
        self._fresh = False
        # not the update: its levels would be touched again, long cold, when the next one takes its place
        self._newest: _Moment | None = None
        self._time = 0  # of the newest update in the book
        self._hole: tuple[int, int, str] | None = None  # id and time of the last row, cause

    @property
    def wants_snapshot(self) -> bool:
        """Updates wait for a snapshot that covers them."""
        return not self.live and bool(self._waiting)

    @property
    def book(self) -> LocalBook:
        return self._book

    def update(self, update: BookUpdate) -> None:
        """Take one update from the stream. Raises ValueError when a level is no number (the book starts over)."""
        self._newest = (update.timestamp, update.received_at, update.last_id)
        if update.snapshot:
            self.snapshots += 1
            anew, self.asked = self.asked and update.last_id > self.last_id, False
            # of a connection that overlaps another it tells nothing new; younger with a smaller id, ids start over
            if not self.live or anew or (update.last_id < self.last_id and update.timestamp > self._time):
                self._waiting.clear()  # what came before it on the stream is in it
                self.snapshot(update)
        elif self.live:
            self._advance(update)
        else:
            self._buffer(update)

    def snapshot(self, snapshot: BookUpdate) -> bool:
        """Load a snapshot and apply what waited; False when it is too old for what waited (fetch another)."""
        if self.live:
            self.lose("resync")
        waiting = self._waiting
        while waiting and self._rule(snapshot.last_id, waiting[0], True) is Verdict.SKIP:
            waiting.popleft()
        if waiting and self._rule(snapshot.last_id, waiting[0], True) is Verdict.GAP:
            return False
        self._book.load(snapshot.bids, snapshot.asks)
        self._sampler.restart()
        self.last_id = snapshot.last_id
        self._time = snapshot.timestamp
        self.live = self._fresh = True
        self._waiting = deque()
        while waiting:
            update = waiting.popleft()
            if self.live:
                self._advance(update)
            else:
                self._buffer(update)
        return True

    def lose(self, cause: str, *, spoiled: bool = False) -> None:
        """The chain is broken (``cause`` as in ``gaps``): publish what was good and start over.

        ``spoiled``: the book itself is wrong, so what no row has told yet is lost too.
        """
        if not self.live:
            self._waiting.clear()
            return
        if not spoiled:
            self._sampler.flush()
        self.live = False
        self.resyncs += 1
        if self._hole is None and self._sampler.told is not None:
            self._hole = (*self._sampler.told, cause)
        self._waiting.clear()

    def quiet(self, received_before: int) -> None:
        """See ``BookSampler.quiet``."""
        if self.live:
            self._sampler.quiet(received_before)

    def close(self) -> None:
        """The end: publish what is pending, and the hole that no update after it has shown to be over."""
        if self.live:
            self._sampler.flush()
        if self._hole is not None and self._newest is not None:
            self._report(self._newest, max(self.last_id, self._newest[2]))

    def _buffer(self, update: BookUpdate) -> None:
        waiting = self._waiting
        if len(waiting) >= BUFFER_LIMIT:
            waiting.popleft()
        waiting.append(update)
        if self._held_us is not None:
            oldest = update.received_at - self._held_us
            while len(waiting) > _ALWAYS_HELD and waiting[0].received_at < oldest:
                waiting.popleft()

    def _advance(self, update: BookUpdate) -> None:
        verdict = self._rule(self.last_id, update, self._fresh)
        if verdict is Verdict.SKIP:
            if self._fresh or update.last_id == self.last_id or update.timestamp <= self._time + SAME_MS:
                return
            verdict = Verdict.GAP
        if verdict is Verdict.GAP:
            self.lose("sequence")
            self._buffer(update)
            return
        self._sampler.before(update)
        try:
            self._book.apply(update.bids, update.asks)
        except ValueError:
            self.lose("resync", spoiled=True)  # half an update is in the book
            raise
        if self._book.crossed:
            self.lose("crossed", spoiled=True)
            return
        if self._hole is not None:
            self._report((update.timestamp, update.received_at, update.last_id), self.last_id)
        self.last_id = update.last_id
        self._time = update.timestamp
        self._fresh = False
        self._sampler.after(update)

    def _report(self, moment: _Moment, through: int) -> None:
        """The hole is over: the updates in it are lost for flow, though the book is whole again."""
        assert self._hole is not None
        time, received_at, own_id = moment
        last_id, last_time, cause = self._hole
        self._hole = None
        self._sink(
            Gap(
                timestamp=time,
                received_at=received_at,
                exchange=self._sampler.exchange,
                market_type=self._sampler.market_type,
                symbol=self.symbol,
                sequence=own_id,
                of_type="orderbooks",
                from_sequence=last_id + 1,
                to_sequence=max(last_id + 1, through),
                from_time=last_time,
                to_time=time,
                cause=cause,
                repaired=False,
            )
        )
