"""How Bybit's book updates chain: ``u`` rises by one; and how prints that share a cross sequence are told apart."""

from __future__ import annotations

from collector.venue import BookUpdate, Verdict

PER_SEQUENCE = 100_000
"""Room for prints of one cross sequence: they may come in several messages of up to 1,024."""


def update_rule(last_id: int, update: BookUpdate, fresh: bool) -> Verdict:
    """The next number, or nothing."""
    if update.last_id == last_id + 1:
        return Verdict.APPLY
    return Verdict.SKIP if update.last_id <= last_id else Verdict.GAP


class Ordinals:
    """Gives each print of a symbol a number that rises: its cross sequence and its place among those that share it.

    A print that comes twice (two connections) has the same number both times.
    """

    def __init__(self) -> None:
        self._current: dict[str, tuple[int, dict[str, int]]] = {}

    def forget(self, symbol: str) -> None:
        """It is listed no more; when it is again its sequence may start over."""
        self._current.pop(symbol, None)

    def number(self, symbol: str, seq: int, trade_id: str) -> int:
        """The number of a print."""
        known, places = self._current.get(symbol, (-1, {}))
        if seq > known:
            places = {}
            self._current[symbol] = (seq, places)
        elif seq < known:
            return seq * PER_SEQUENCE  # behind everything that was told: a duplicate
        return seq * PER_SEQUENCE + places.setdefault(trade_id, len(places))
