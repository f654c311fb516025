"""How fast sockets may be opened or subscribed: a venue counts by the second and address, over all its markets."""

from __future__ import annotations


class Gate:
    """One every ``interval_s``, after a pause ``burst`` at once; shared by whoever shares the limit.

    Times are monotonic seconds, passed in."""

    def __init__(self, interval_s: float, burst: int = 1) -> None:
        self._interval_s = interval_s
        self._ahead_s = (burst - 1) * interval_s
        self._next = 0.0

    def delay(self, now: float) -> float:
        """Take a turn: how long to wait for it."""
        turn = max(self._next, now - self._ahead_s)
        self._next = turn + self._interval_s
        return max(0.0, turn - now)
