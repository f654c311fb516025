"""Holes in trades: found behind the trade that shows them, filled from REST, or said in a ``gaps`` row."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from collector.complaints import Complaints
from collector.continuity import Hole
from collector.market import Market, TradeKey
from collector.rest import RestError
from marketprism.settings import CollectorSettings

_ATTEMPTS: Final = 5
"""Answers without a trade that is missing. A host that does not answer is waited for: ``repair_patience_s``."""
_RETRY_S: Final = 10.0

Start = Callable[[tuple[str, ...], Coroutine[Any, Any, None]], object]
"""Runs work under a name, unless work of that name is under way."""


class Repair:
    """Mends the holes of one market."""

    def __init__(self, market: Market, settings: CollectorSettings, start: Start, complaints: Complaints) -> None:
        self._market = market
        self._settings = settings
        self._start = start
        self._complaints = complaints
        self._seen: dict[TradeKey, tuple[int, float]] = {}  # where a hole begins, and since when it is known

    def look(self) -> None:
        """Begin with each hole that order alone has not closed by now; waits for nothing."""
        now = time.monotonic()
        self._market.bound_held()
        holes = dict(self._market.holes())
        self._seen = {key: seen for key, seen in self._seen.items() if key in holes}
        for key, hole in holes.items():
            first, since = self._seen.get(key, (-1, 0.0))
            if first != hole.first:
                self._seen[key] = (hole.first, now)
            elif not self._market.venue.can_repair(key[1]):
                if now - since >= self._settings.repair_timeout_s:
                    self._market.give_up(key, hole.last)
            elif now - since >= self._settings.repair_grace_ms / 1000:
                self._start(("trades", *key), self.fill(key, hole))

    async def fill(self, key: TradeKey, hole: Hole) -> None:
        """From REST, page by page; what it does not have is given up, and all of it when REST stays away."""
        market, limit = self._market, self._settings.repair_max_trades
        sequence = market.sequences[key]
        after, from_time = sequence.first_held(), sequence.last_time
        if hole.last - hole.first >= limit:
            market.give_up(key, hole.last - limit)
        away_since, lacking, failed = 0.0, 0, 0
        while sequence.last is not None and sequence.last < hole.last:
            first, over = sequence.last + 1, False
            try:
                page = await market.asked(market.venue.fetch_trades(*key, first, hole.last))
            except RestError as error:
                failed += 1
                away_since = away_since or time.monotonic()
                over = error.permanent or time.monotonic() - away_since >= self._settings.repair_patience_s
                self._complaints.say("repair", f"missing trades of {key[0]} ({'.'.join(market.key)}): {error}")
            else:
                away_since, failed = 0.0, 0
                for trade in page.trades:
                    market.trade(trade)
                market.publish_polled(page.others)
                if sequence.last < min(page.covered, hole.last):
                    market.give_up(key, min(page.covered, hole.last))
                lacking = 0 if sequence.last >= first else lacking + 1
                if not lacking:
                    continue
                over = lacking >= _ATTEMPTS
            if over:
                market.give_up(key, hole.last)
                return
            await asyncio.sleep(min(0.2 * 2 ** min(lacking + failed, 10), _RETRY_S))
        if after is not None and sequence.given_up < hole.first:
            market.repaired(key, hole, after, from_time)
