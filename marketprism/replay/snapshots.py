"""Recorded REST books, and the point of the timeline where each may be had.

The timeline stops at a recorded snapshot until the collector has fetched it, so that the book is built from the same
snapshot after the same frames in every replay. A request that comes earlier waits for that point; but when the
timeline itself waits for another book, it is answered at once with the snapshot to come (a collector may fetch one book
at a time, in its own order; by the venue's rule a newer snapshot only makes it drop more of the buffered frames).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from marketprism.replay.recording import Line

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""(venue, symbol)"""


@dataclass(slots=True)
class _Slot:
    line: Line
    waiting: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    served: asyncio.Event = field(default_factory=asyncio.Event)


class SnapshotDesk:
    """Hands out recorded books; one slot per (venue, symbol), refilled when the recording has another snapshot.

    ``first``: the first recorded snapshot of each book.
    """

    def __init__(self, first: Mapping[Key, Line], *, fetch_timeout_s: float):
        self._slots = {key: _Slot(line) for key, line in first.items()}
        self._fetch_timeout_s = fetch_timeout_s
        self._timeline_waits = False
        self.fetched: dict[Key, int] = dict.fromkeys(first, 0)

    async def release(self, key: Key, line: Line) -> bool:
        """Make a snapshot available and wait until it was fetched; False when nobody came in time."""
        slot = self._slots[key]
        if slot.line is not line and slot.line != line:
            slot.line = line
            slot.served.clear()
        slot.released.set()
        self._timeline_waits = True
        for other in self._slots.values():
            if other.waiting:
                other.released.set()
        try:
            await asyncio.wait_for(slot.served.wait(), self._fetch_timeout_s)
        except TimeoutError:
            log.warning(
                "replay: nobody fetched the %s snapshot of %s within %g s; going on, it is served when asked for",
                *key,
                self._fetch_timeout_s,
            )
            return False
        finally:
            self._timeline_waits = False
        return True

    async def fetch(self, key: Key) -> Line | None:
        """The newest snapshot reached, waiting for the first; None when none is recorded."""
        slot = self._slots.get(key)
        if slot is None:
            return None
        if self._timeline_waits:
            slot.released.set()
        slot.waiting += 1
        try:
            await slot.released.wait()
        finally:
            slot.waiting -= 1
        return slot.line

    def handed_over(self, key: Key) -> None:
        """The response has been written out."""
        self.fetched[key] += 1
        self._slots[key].served.set()
