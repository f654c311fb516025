"""REST questions asked again and again, spread over their interval so that symbols do not come in bursts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from collector.complaints import Complaints
from collector.market import Market
from collector.positions import Positions
from collector.rest import RestError
from collector.venue import Poll


async def run_poll(
    poll: Poll,
    market: Market,
    positions: Positions,
    symbols: Callable[[], Sequence[str]],
    complaints: Complaints,
) -> None:
    """Ask for every symbol once in ``interval_s``, until cancelled. What was published before is not again."""
    newest: dict[str, int] = {}
    while True:
        started = time.monotonic()
        asked = list(symbols()) if poll.per_symbol else [""]
        for number, symbol in enumerate(asked):
            if symbol not in newest:
                position = positions.get((poll.data_type, *market.key, symbol))
                newest[symbol] = position.timestamp if position is not None else 0
            try:
                rows = await market.asked(poll.fetch(symbol, newest[symbol]))
            except RestError as error:
                complaints.say(f"poll {poll.name}", f"{poll.name} of {symbol} ({'.'.join(market.key)}): {error}")
            else:
                market.publish_polled(rows)
                newest[symbol] = max((row.timestamp for row in rows), default=newest[symbol])
            pause = started + poll.interval_s * (number + 1) / len(asked) - time.monotonic()
            await asyncio.sleep(max(0.0, min(pause, poll.interval_s)) if number + 1 < len(asked) else 0.0)
        await asyncio.sleep(max(0.05, started + poll.interval_s - time.monotonic()))
