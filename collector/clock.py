"""When a message was received: by this machine's clock, or as a replay stamped it.

A stamped server (replay, simulator) sends ``<received_at µs, 16 digits> <payload>`` in every WebSocket frame and the
header ``X-Received-At`` on every HTTP response, so that rows carry the recording's own receive times.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final, Protocol

STAMP_HEADER: Final = "X-Received-At"
_STAMP_DIGITS: Final = 16


class Clock(Protocol):
    """Receive times in microseconds since the epoch."""

    stamped: bool

    def frame(self, raw: bytes) -> tuple[int, bytes]:
        """(received_at, the exchange's payload) of a WebSocket frame; raises ValueError when it has no stamp."""

    def response(self, headers: Mapping[str, str]) -> int:
        """received_at of an HTTP response."""

    def now(self) -> int:
        """The present, for rows that no message caused."""


class SystemClock:
    """Live: the moment we read the message."""

    stamped = False

    def frame(self, raw: bytes) -> tuple[int, bytes]:
        return time.time_ns() // 1000, raw

    def response(self, headers: Mapping[str, str]) -> int:
        return time.time_ns() // 1000

    def now(self) -> int:
        return time.time_ns() // 1000


class StampedClock:
    """Replay: the moment the message says it was received. ``now`` is the latest of them."""

    stamped = True

    def __init__(self) -> None:
        self._latest = 0

    def frame(self, raw: bytes) -> tuple[int, bytes]:
        stamp = raw[:_STAMP_DIGITS]
        if not stamp.isdigit() or len(stamp) < _STAMP_DIGITS or raw[_STAMP_DIGITS : _STAMP_DIGITS + 1] != b" ":
            raise ValueError(
                "frame has no receive stamp; set MARKETPRISM_COLLECTOR_CLOCK=system unless the server is a replay"
            )
        received_at = int(stamp)
        self._latest = max(self._latest, received_at)
        return received_at, raw[_STAMP_DIGITS + 1 :]

    def response(self, headers: Mapping[str, str]) -> int:
        text = headers.get(STAMP_HEADER, "")
        if not text.isdigit():
            return self._latest
        self._latest = max(self._latest, int(text))
        return int(text)

    def now(self) -> int:
        return self._latest


def make_clock(kind: str) -> Clock:
    """``system`` or ``stamped``."""
    return StampedClock() if kind == "stamped" else SystemClock()
