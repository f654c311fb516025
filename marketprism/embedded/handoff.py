"""A bounded hand-over of bytes from an engine thread to the event loop.

The bound is in bytes: a slow client stops the engine's thread, and an answer is never held whole. ``abandon`` by either
side wakes the other.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque


class Abandoned(Exception):
    """The other side has gone; what is left is not wanted, or will never come."""


class Handoff:
    """A queue of byte strings; its producer is a thread, its consumer a coroutine."""

    def __init__(self, limit: int = 4 << 20) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._closed = False
        self._abandoned = False
        self._changed = threading.Condition()
        self._wake = asyncio.Event()

    def put(self, piece: bytes, timeout: float | None = None) -> None:
        """Wait for room, then add. Raises Abandoned, also when there is no room in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._abandoned or self._held < self._limit, timeout):
                self._abandoned = True
            if self._abandoned:
                self._notify()
                raise Abandoned
            self._add(piece)

    async def get(self) -> bytes | None:
        """The next piece, None after ``close``. Raises Abandoned."""
        while True:
            with self._changed:
                if self._abandoned or self._pieces or self._closed:
                    return self._next()
                self._wake.clear()
            await self._wake.wait()

    def close(self) -> None:
        """The producer has no more, from either side."""
        with self._changed:
            self._closed = True
            self._notify()

    def abandon(self) -> None:
        """Stop both sides at once, from either side."""
        with self._changed:
            self._abandoned = True
            self._pieces.clear()
            self._notify()

    def _add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._held += len(piece)
        self._notify()

    def _next(self) -> bytes | None:
        if self._abandoned:
            raise Abandoned
        if not self._pieces:
            return None
        piece = self._pieces.popleft()
        self._held -= len(piece)
        self._notify()
        return piece

    def _notify(self) -> None:
        self._changed.notify_all()
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:  # the loop is closed: nobody waits there any more
            self._abandoned = True
