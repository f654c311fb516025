"""Request weights per IP: one budget per pool, shared by every venue that draws from it (USD-M and COIN-M do)."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

_NOTHING_S: Final = 1e-6
"""Less than this is rounding, not a wait."""
_ORDINARY: Final = 0.85
"""Of the budget, for what is not urgent: the books of a wide start take minutes of it, and a hole waits behind none."""
_LONGEST_BLOCK_S: Final = 60.0
"""A longer silence that the venue wants is told, and not waited for: it can be days."""


class Blocked(Exception):
    """The venue wants nothing asked for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"nothing may be asked for {seconds:.0f} s")


@dataclass(frozen=True, slots=True)
class Budget:
    """At most ``weight`` in ``window_s`` seconds; we use the share ``use`` of it, others may share the IP."""

    pool: str
    weight: int
    window_s: float = 60.0
    use: float = 0.8


class Limiter:
    """A sliding window that also believes what the venue says: the used weight of its window, and Retry-After.

    Sliding, because the exchange's windows begin when they like: none of them may hold more than the budget.
    """

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
        self._spent: deque[tuple[float, int]] = deque()
        self._used = 0
        self._blocked_until = 0.0
        self._turns = {urgent: asyncio.Lock() for urgent in (False, True)}

    def allow(self, weight: int) -> None:
        """The venue says what the window holds."""
        self._capacity = weight * self._budget.use

    async def acquire(self, weight: int, *, urgent: bool = False) -> None:
        """Wait for one's turn; what is urgent is served in the order it came, and so is the rest. Raises Blocked."""
        async with self._turns[urgent]:
            while (delay := self._delay(weight, urgent=urgent)) > _NOTHING_S:
                if (blocked_s := self._blocked_until - self._monotonic()) > _LONGEST_BLOCK_S:
                    raise Blocked(blocked_s)
                await self._sleep(delay)
            self._spend(weight)

    def observe(self, used: int) -> None:
        """The venue says how much of the window is used: what we do not know of is of others, and as new as can be."""
        self._forget()
        if used > self._used:
            self._spend(used - self._used)

    def block(self, seconds: float) -> None:
        """429 or 418: nothing leaves for this long."""
        self._blocked_until = max(self._blocked_until, self._monotonic() + seconds)

    def _spend(self, weight: int) -> None:
        self._spent.append((self._monotonic(), weight))
        self._used += weight

    def _delay(self, weight: int, *, urgent: bool = False) -> float:
        self._forget()
        now, delay = self._monotonic(), 0.0
        capacity = self._capacity * (1.0 if urgent else _ORDINARY)
        over = self._used + min(weight, capacity) - capacity
        for at, spent in self._spent:
            if over <= 0:
                break
            over -= spent
            delay = at + self._budget.window_s - now
        return max(self._blocked_until - now, delay)

    def _forget(self) -> None:
        """What was spent before the window is over."""
        since = self._monotonic() - self._budget.window_s
        while self._spent and self._spent[0][0] <= since:
            self._used -= self._spent.popleft()[1]
