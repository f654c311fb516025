"""One log line for a kind of trouble, not one for each message of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Complaints:
    """Logs the first of each kind at once, then at most one in ``every_s``, saying how many were left out."""

    def __init__(self, every_s: float = 60.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._monotonic = monotonic
        self._said: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def say(self, kind: str, text: str) -> None:
        """Log ``text`` as a warning unless this ``kind`` was logged a short while ago."""
        now = self._monotonic()
        if now - self._said.get(kind, float("-inf")) < self._every_s:
            self._unsaid[kind] = self._unsaid.get(kind, 0) + 1
            return
        more = self._unsaid.pop(kind, 0)
        self._said[kind] = now
        logger.warning("%s%s", text, f" (and {more} more like it since the last line)" if more else "")
