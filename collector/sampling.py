"""Which states of a local book become rows of ``orderbooks``: a grid in exchange time.

Let slot(t) = t // interval, with t the running maximum of the updates' exchange times. A row is published

1. *leading*: with the state after an update whose slot is greater than the slot of the row before (the first update
   after a snapshot always is);
2. *trailing*: with the state after the last update of a slot that had further updates after its leading one, once an
   update arrives at least two slots later (a whole slot passed empty), or the book is flushed (disconnect, gap, end),
   or nothing came for a while (``quiet``). Otherwise the next leading row, one slot later, tells of it.

A row says what every update since the row before did, so Σ over rows equals Σ over updates. Rows depend on the updates
and their exchange times only: two collectors that see the same updates publish equal rows. ``quiet`` decides when a
trailing row is sent, not what is in it, unless an update was more than ``quiet`` late. With interval 0 every update is
a row. A row's timestamp, receipt and id are those of the last update in it.
"""

from __future__ import annotations

from collections.abc import Callable

from collector.books import LocalBook, price_text
from collector.decimals import ONE, text_of
from collector.venue import BookUpdate
from marketprism.events import BestQuote, OrderBook, Row

Sink = Callable[[Row], None]


class BookSampler:
    """Turns the states of one book into ``orderbooks`` and ``best_quotes`` rows."""

    __slots__ = (
        "_best", "_best_texts", "_book", "_last", "_levels", "_quotes", "_sink", "_slot", "_time", "_width", "exchange",
        "market_type", "told",
    )  # fmt: skip

    def __init__(
        self, book: LocalBook, key: tuple[str, str], levels: int, interval_ms: int, quotes: bool, sink: Sink
    ) -> None:
        self._book = book
        self.exchange, self.market_type = key
        self._levels = levels
        self._width = interval_ms
        self._quotes = quotes
        self._sink = sink
        self._best: tuple[object, object] | None = None
        self._best_texts = ("", "", "", "")
        self.told: tuple[int, int] | None = None  # id and time of the last row
        self.restart()

    def restart(self) -> None:
        """Forget the grid: the book starts from a snapshot."""
        self._slot = -1
        self._time = 0
        self._last: BookUpdate | None = None

    def before(self, update: BookUpdate) -> None:
        """Call before an update is applied: an empty slot in between sends the trailing row first."""
        if self._last is not None and self._width and update.timestamp // self._width >= self._slot + 2:
            self.flush()

    def after(self, update: BookUpdate) -> None:
        """Call after an update was applied (and found not to cross the book)."""
        first = self._slot < 0
        self._time = max(self._time, update.timestamp)
        slot = self._time // self._width if self._width else self._slot + 1
        if self._quotes and (first or self._book.best_changed) and self._book.two_sided:
            self._sink(self._quote(update))
        self._last = update
        if slot > self._slot:
            self._slot = slot
            self.flush()

    def flush(self) -> None:
        """Publish what is pending; nothing when no update came since the last row."""
        if self._last is not None and self._book.two_sided:
            self._sink(self._row(self._last))
            self._book.reset_flow()
            self.told = (self._last.last_id, self._last.timestamp)
            self._last = None

    def quiet(self, received_before: int) -> None:
        """Publish what is pending when its last update was received before ``received_before`` (µs)."""
        if self._last is not None and self._last.received_at < received_before:
            self.flush()

    def _texts(self) -> tuple[str, str, str, str]:
        """Price and quantity of the best bid, then of the best ask: a row and a quote of one state share them."""
        best = bid, ask = self._book.bids.top[0], self._book.asks.top[0]
        if best != self._best:
            self._best = best
            self._best_texts = (price_text(bid[0]), text_of(bid[1]), price_text(-ask[0]), text_of(ask[1]))
        return self._best_texts

    def _quote(self, update: BookUpdate) -> BestQuote:
        bid_price, bid_quantity, ask_price, ask_quantity = self._texts()
        return BestQuote(
            timestamp=update.timestamp,
            received_at=update.received_at,
            exchange=self.exchange,
            market_type=self.market_type,
            symbol=update.symbol,
            sequence=update.sequence or update.last_id,
            bid_price=bid_price,
            bid_quantity=bid_quantity,
            ask_price=ask_price,
            ask_quantity=ask_quantity,
            last_update_id=update.last_id,
        )

    def _row(self, update: BookUpdate) -> OrderBook:
        book = self._book
        bid_prices, bid_quantities = book.bids.floats(self._levels)
        ask_prices, ask_quantities = book.asks.floats(self._levels)
        bid_price, bid_quantity, ask_price, ask_quantity = self._texts()
        return OrderBook(
            timestamp=update.timestamp,
            received_at=update.received_at,
            exchange=self.exchange,
            market_type=self.market_type,
            symbol=update.symbol,
            sequence=update.sequence or update.last_id,
            last_update_id=update.last_id,
            best_bid_price=bid_price,
            best_ask_price=ask_price,
            best_bid_quantity=bid_quantity,
            best_ask_quantity=ask_quantity,
            bids_count=len(book.bids),
            asks_count=len(book.asks),
            bid_prices=bid_prices,
            bid_quantities=bid_quantities,
            ask_prices=ask_prices,
            ask_quantities=ask_quantities,
            updates=book.updates,
            ofi_l1=book.ofi[0] / ONE,
            ofi_l5=[flow / ONE for flow in book.ofi],
            bid_added_quantity=book.bids.added / ONE,
            bid_cancelled_quantity=book.bids.cancelled / ONE,
            ask_added_quantity=book.asks.added / ONE,
            ask_cancelled_quantity=book.asks.cancelled / ONE,
        )
