"""What has not been seen for a day is forgotten: contracts expire by the hundred, and venues are taken out."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

KEPT_S: Final = 86_400.0
"""Long enough for an outage, and for a symbol that leaves a bounded look and comes back."""

_Name = TypeVar("_Name", bound=Hashable)


class LastSeen(Generic[_Name]):
    """When each name was last in a look. By a clock that no step of the time of day moves."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at: dict[_Name, float] = {}

    def look(self, names: Iterable[_Name]) -> list[_Name]:
        """These are there now; returned is what has been away for ``KEPT_S``, once."""
        now = self._clock()
        self._at |= dict.fromkeys(names, now)
        gone = [name for name, at in self._at.items() if now - at > KEPT_S]
        for name in gone:
            del self._at[name]
        return gone
