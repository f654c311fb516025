"""How fast sockets may be opened: a venue counts them by the second and address, over all its markets."""

from __future__ import annotations


class Gate:
    """One opening every ``interval_s``; shared by whoever shares the limit. Times are monotonic seconds, passed in."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._next = 0.0

    def delay(self, now: float) -> float:
        """Take a turn: how long to wait for it."""
        turn = max(self._next, now)
        self._next = turn + self._interval_s
        return turn - now
