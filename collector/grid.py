"""What a venue repeats many times a second becomes a row once in a slot of exchange time.

The first message of a slot is taken, whoever receives it: two collectors make the same rows.
"""

from __future__ import annotations

from collections.abc import Collection


class Grid:
    """Remembers the last slot of each series."""

    def __init__(self) -> None:
        self._slots: dict[tuple[str, str], int] = {}

    def forget(self, symbols: Collection[str]) -> None:
        """These come no more."""
        self._slots = {key: slot for key, slot in self._slots.items() if key[0] not in symbols}

    def first(self, symbol: str, what: str, time_ms: int, width_ms: int) -> bool:
        """Whether ``time_ms`` opens a slot of ``width_ms`` (0: each time is a slot)."""
        key = (symbol, what)
        slot = time_ms // width_ms if width_ms else time_ms
        if slot <= self._slots.get(key, -1):
            return False
        self._slots[key] = slot
        return True
