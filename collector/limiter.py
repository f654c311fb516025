"""Request weights per IP: one budget per pool, shared by every venue that draws from it (USD-M and COIN-M do)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

_NOTHING_S: Final = 1e-6
"""Less than this is rounding, not a wait."""


@dataclass(frozen=True, slots=True)
class Budget:
    """At most ``weight`` in ``window_s`` seconds; we use the share ``use`` of it, others may share the IP."""

    pool: str
    weight: int
    window_s: float = 60.0
    use: float = 0.8


class Limiter:
    """A leaking bucket that also believes what the venue says: the used weight of the window, and Retry-After."""

    def __init__(
        self,
        budget: Budget,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._budget = budget
        self.allow(budget.weight)
        self._monotonic = monotonic
        self._sleep = sleep
        self._level = 0.0
        self._at = monotonic()
        self._blocked_until = 0.0
        self._turn = asyncio.Lock()

    def allow(self, weight: int) -> None:
        """The venue says what the window holds."""
        self._capacity = weight * self._budget.use
        self._rate = self._capacity / self._budget.window_s

    async def acquire(self, weight: int) -> None:
        """Wait for one's turn; requests are served in the order they came."""
        async with self._turn:
            while (delay := self._delay(weight)) > _NOTHING_S:
                await self._sleep(delay)
            self._level += weight

    def observe(self, used: int) -> None:
        """The venue says how much of the window is used: never believe less than that."""
        self._leak()
        self._level = max(self._level, min(float(used), self._capacity))

    def block(self, seconds: float) -> None:
        """429 or 418: nothing leaves for this long."""
        self._blocked_until = max(self._blocked_until, self._monotonic() + seconds)

    def _delay(self, weight: int) -> float:
        self._leak()
        over = self._level + min(weight, self._capacity) - self._capacity
        return max(self._blocked_until - self._monotonic(), over / self._rate)

    def _leak(self) -> None:
        now = self._monotonic()
        self._level = max(0.0, self._level - (now - self._at) * self._rate)
        self._at = now
