"""What was traded while nobody listened, before the next trade tells of it.

A hole shows when the trade behind it comes. In a quiet market that may be hours after a start or a lost connection, so
each symbol that goes on from somewhere is asked for once its streams are subscribed again: what follows the last trade.
One request at a time: symbols in whose market anything happens meanwhile need none, and books do not wait behind it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Final

from collector.complaints import Complaints
from collector.continuity import Hole
from collector.market import Market, TradeKey
from collector.rest import RestError

_LOOK_S: Final = 0.25
_SETTLE_S: Final = 1.0
"""After the last subscription was sent: the exchange acts on it, and a busy market's next trade is here by itself."""
_AGAIN_S: Final = 2.0
_AHEAD: Final = 1000
"""Sequences asked for at once; a venue's page may be shorter."""

SubscribedAt = Callable[[str], float | None]
Exclusively = Callable[[tuple[str, ...], Coroutine[Any, Any, None]], Awaitable[None]]
"""Runs work under a name to its end, unless work of that name is under way."""


@dataclass(slots=True)
class _Doubt:
    """The last trade that is known, and when to ask for what follows it (monotonic)."""

    last: int
    due: float = 0.0
    over: bool = False


class CatchUp:
    """Symbols that may have missed trades without knowing it. ``subscribed_at`` tells since when (monotonic) a symbol's
    trades are subscribed, None while they are not; ``most`` is how many trades are fetched of one before its next."""

    def __init__(
        self, market: Market, subscribed_at: SubscribedAt, exclusively: Exclusively, complaints: Complaints, most: int
    ) -> None:
        self._market = market
        self._subscribed_at = subscribed_at
        self._exclusively = exclusively
        self._complaints = complaints
        self._most = most
        self._doubts: dict[TradeKey, _Doubt] = {}

    def doubt(self, symbols: Iterable[str]) -> None:
        """Nobody listened to these."""
        venue = self._market.venue
        if not venue.trades_consecutive or not venue.can_repair(venue.trade_kind):
            return
        for symbol in symbols:
            if (key := self._market.goes_on(symbol)) is not None:
                self._doubts[key] = _Doubt(self._market.sequences[key].last or 0)

    def forget(self, symbols: Collection[str]) -> None:
        """Nobody listens to these any more."""
        for key in [key for key in self._doubts if key[0] in symbols]:
            del self._doubts[key]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for key, doubt in list(self._doubts.items()):
                if self._doubts.get(key) is not doubt:  # while another was asked for
                    continue
                if self._market.sequences[key].held:  # a hole is mended as one, and may wait long for REST
                    del self._doubts[key]
                    continue
                since = self._subscribed_at(key[0])
                if since is not None and time.monotonic() >= max(since + _SETTLE_S, doubt.due):
                    doubt.due = time.monotonic() + _AGAIN_S
                    await self._exclusively(("trades", *key), self._ask(key, doubt))
                    if doubt.over and self._doubts.get(key) is doubt:
                        del self._doubts[key]

    async def _ask(self, key: TradeKey, doubt: _Doubt) -> None:
        """Page by page until there is no more, or the stream goes on by itself: then a hole is mended as one."""
        market, sequence = self._market, self._market.sequences[key]
        first, from_time, after = doubt.last + 1, sequence.last_time, None
        doubt.over = True
        while sequence.last == doubt.last and not sequence.held and doubt.last - first < self._most:
            try:
                page = await market.asked(market.venue.fetch_trades(*key, doubt.last + 1, doubt.last + _AHEAD))
            except RestError as error:
                self._complaints.say("catch up", f"trades of {key[0]} since the last ({'.'.join(market.key)}): {error}")
                doubt.over = error.permanent
                break
            for trade in page.trades:
                market.trade(trade)
            market.publish_polled(page.others)
            if not page.trades or sequence.last is None or sequence.last < page.trades[-1].sequence:
                break
            after = page.trades[-1]
            doubt.last = after.sequence
        if after is not None:
            market.repaired(key, Hole(first, after.sequence, 0), after, from_time)
