"""For how long this process may write: until the others would take its partitions over, and not a moment longer.

Two clocks. Here the time since boot, which goes on while the process or the machine sleeps; at the server ClickHouse's
own clock, so that ClickHouse itself refuses an insert that was under way when its sender fell asleep.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

COMMENT: Final = "lease_until_ms="
"""Every insert under a lease says in ``log_comment`` until when it may be stored (constraint ``lease``)."""
_BOOT: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class LeaseLost(Exception):
    """The time is over: whatever is under way belongs to somebody else now."""


def since_boot() -> float:
    """Seconds since the machine started, sleep included (the monotonic clock where there is no such one)."""
    return time.clock_gettime(_BOOT)


class Lease:
    """Renewed by ``Ownership``; asked by every worker before it writes anything."""

    def __init__(self, clock: Callable[[], float] = since_boot) -> None:
        self.clock = clock
        self._until = 0.0
        self._server_ahead: float | None = None

    def renew(self, sent_at: float, seconds: float) -> None:
        """A beat that was sent at ``sent_at`` (this clock) has been accepted."""
        self._until = max(self._until, sent_at + seconds)

    def end(self) -> None:
        """Somebody else has taken over, or we have left."""
        self._until = 0.0

    @property
    def left(self) -> float:
        """Seconds; ≤ 0 when it is over."""
        return self._until - self.clock()

    def check(self) -> None:
        """Raises LeaseLost when it is over."""
        if self.left <= 0:
            raise LeaseLost(f"the lease ended {-self.left:.1f} s ago")

    def learn_server_clock(self, server_ms: int, answered_at: float) -> None:
        """ClickHouse's clock showed ``server_ms`` some time before ``answered_at``: a cautious estimate of both."""
        self._server_ahead = server_ms / 1000 - answered_at

    def forget_server_clock(self) -> None:
        """What was known of it has proved wrong."""
        self._server_ahead = None

    def server_deadline_ms(self) -> int | None:
        """The end by ClickHouse's clock; None when that is not known yet."""
        return None if self._server_ahead is None else int((self._until + self._server_ahead) * 1000)
