"""Which of the addresses that a venue documents for the same streams a connection goes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_TRIES: Final = 3
"""Failures in a row before the first address is left: an alternate may accept everything and carry nothing."""


class Addresses:
    """``urls``: best first. Alternates are for a first address that stays silent, or cannot be reached for a while."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._number = 0
        self._alternate = 0  # the one that was tried last
        self._failures = 0

    @property
    def current(self) -> str:
        """Where the next socket goes."""
        return self._urls[self._number]

    @property
    def at_first(self) -> bool:
        """Also when there is no other."""
        return self._number == 0

    @property
    def several(self) -> bool:
        return len(self._urls) > 1

    def connected(self) -> None:
        """The present address accepts connections."""
        self._failures = 0

    def unreachable(self) -> None:
        """It does not: an alternate sends back to the first, the first to the alternates by turns."""
        self._failures += 1
        if self._number:
            self._go(0)
        elif self._failures >= _TRIES and self.several:
            self._go(self._alternate % (len(self._urls) - 1) + 1)

    def silent(self) -> None:
        """It accepts, and has no data: the next one."""
        self._go((self._number + 1) % len(self._urls))

    def _go(self, number: int) -> None:
        self._number, self._failures = number, 0
        if number:
            self._alternate = number
