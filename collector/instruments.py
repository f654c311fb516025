"""Which symbols are collected, and what of the exchange's metadata is news."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import msgspec

from marketprism.events import Instrument

_ACTIVE = frozenset({"TRADING", "live", "open", "Trading"})
"""Status words of the venues for instruments that trade."""


def select(patterns: Iterable[str], instruments: Sequence[Instrument]) -> tuple[list[Instrument], list[str]]:
    """(instruments that trade and match, explicit names that this venue does not trade).

    A pattern is a symbol (``BTCUSDT``), a wildcard (``*USDT``), either of them for one venue only
    (``binance.linear:BTC*``).
    """
    trading = {instrument.symbol: instrument for instrument in instruments if instrument.status in _ACTIVE}
    chosen: dict[str, Instrument] = {}
    unknown: list[str] = []
    for pattern in patterns:
        venue, separator, name = pattern.partition(":")
        if separator and instruments and venue != f"{instruments[0].exchange}.{instruments[0].market_type}":
            continue
        wanted = name if separator else pattern
        if any(character in wanted for character in "*?["):
            chosen |= {symbol: item for symbol, item in trading.items() if fnmatchcase(symbol, wanted)}
        elif wanted in trading:
            chosen[wanted] = trading[wanted]
        else:
            unknown.append(wanted)
    return list(chosen.values()), unknown


class Listing:
    """Remembers what was last published of each instrument."""

    def __init__(self) -> None:
        self._known: dict[str, Instrument] = {}

    def news(self, instruments: Sequence[Instrument]) -> list[Instrument]:
        """Instruments that are new or differ from what was published; they count as published now."""
        changed = [item for item in instruments if _content(item) != _content(self._known.get(item.symbol))]
        self._known |= {item.symbol: item for item in changed}
        return changed


def _content(instrument: Instrument | None) -> Instrument | None:
    """Without the clocks: being looked at again is no change."""
    if instrument is None:
        return None
    return msgspec.structs.replace(instrument, timestamp=0, received_at=0, sequence=0, valid_from=0)
