"""Which symbols are collected, and what of the exchange's metadata is news."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from marketprism.events import Instrument

_ACTIVE: Final = frozenset({"TRADING", "live", "open", "Trading"})
"""Status words of the venues for instruments that trade."""

DELISTED: Final = "DELISTED"
"""Our word for an instrument that the exchange no longer lists."""

_TOLD_MS: Final = 86_400_000
"""For so long it is known that an instrument is listed no more; another collector may have to tell."""

_TOP: Final = re.compile(r"(?P<name>.*)@top(?P<count>\d+)")


def select(
    patterns: Iterable[str], instruments: Sequence[Instrument], volumes: Mapping[str, float] | None = None
) -> tuple[list[Instrument], list[str]]:
    """(instruments that trade and match, explicit names that this venue does not trade).

    A pattern is a symbol (``BTCUSDT``), a wildcard (``*USDT``), a wildcard's N busiest of the last 24 hours
    (``*USDT@top50``, by ``volumes``), any of them for one venue only (``binance.linear:BTC*``).
    """
    trading = {instrument.symbol: instrument for instrument in instruments if instrument.status in _ACTIVE}
    chosen: dict[str, Instrument] = {}
    unknown: list[str] = []
    for wanted in _of_venue(patterns, instruments):
        top = _TOP.fullmatch(wanted)
        name = top["name"] if top else wanted
        if top or any(character in name for character in "*?["):
            matching = [symbol for symbol in trading if fnmatchcase(symbol, name)]
            if top:
                said = volumes or {}
                matching.sort(key=lambda symbol: (-said.get(symbol, 0.0), symbol))
                matching = matching[: int(top["count"])]
            chosen |= {symbol: trading[symbol] for symbol in matching}
        elif name in trading:
            chosen[name] = trading[name]
        else:
            unknown.append(name)
    return list(chosen.values()), unknown


def wants_volumes(patterns: Iterable[str], instruments: Sequence[Instrument]) -> bool:
    """Whether a pattern of this venue asks for the busiest."""
    return any(_TOP.fullmatch(name) for name in _of_venue(patterns, instruments))


def _of_venue(patterns: Iterable[str], instruments: Sequence[Instrument]) -> list[str]:
    """The patterns that are for the venue of these instruments, without its name."""
    found = []
    for pattern in patterns:
        venue, separator, name = pattern.partition(":")
        if not separator:
            found.append(pattern)
        elif not instruments or venue == f"{instruments[0].exchange}.{instruments[0].market_type}":
            found.append(name)
    return found


class Listing:
    """Remembers what was last published of each instrument."""

    def __init__(self) -> None:
        self._known: dict[str, Instrument] = {}

    @property
    def known(self) -> list[Instrument]:
        """The newest row of every instrument."""
        return list(self._known.values())

    def news(self, instruments: Sequence[Instrument]) -> list[Instrument]:
        """Rows for instruments that are new, differ from what was published, or are listed no more.

        ``instruments`` is everything that the venue lists now. What is returned counts as published.
        """
        changed = [item for item in instruments if _content(item) != _content(self._known.get(item.symbol))]
        if instruments:
            listed = {item.symbol for item in instruments}
            changed += [
                _delisted(item, instruments[0])
                for symbol, item in self._known.items()
                if symbol not in listed and item.status != DELISTED
            ]
        self._known |= {item.symbol: item for item in changed}
        if instruments:
            over = instruments[0].timestamp - _TOLD_MS
            self._known = {
                symbol: item for symbol, item in self._known.items() if item.status != DELISTED or item.timestamp > over
            }
        return changed


def _delisted(item: Instrument, at: Instrument) -> Instrument:
    """The last row of an instrument, as of the list that ``at`` comes from."""
    return msgspec.structs.replace(
        item,
        timestamp=at.timestamp,
        received_at=at.received_at,
        sequence=at.timestamp,
        valid_from=at.timestamp,
        valid_to=at.timestamp,
        status=DELISTED,
    )


def _content(instrument: Instrument | None) -> Instrument | None:
    """Without the clocks: being looked at again is no change."""
    if instrument is None:
        return None
    return msgspec.structs.replace(instrument, timestamp=0, received_at=0, sequence=0, valid_from=0)
