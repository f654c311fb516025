"""Tick and lot of an instrument, inferred from the numbers that a recording holds."""

from __future__ import annotations

import msgspec


class _Trade(msgspec.Struct):
    p: str
    q: str


class _TradeMessage(msgspec.Struct):
    data: _Trade


class _Diff(msgspec.Struct):
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


class _DiffMessage(msgspec.Struct):
    data: _Diff


class _Book(msgspec.Struct):
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


_trade = msgspec.json.Decoder(_TradeMessage).decode
_diff = msgspec.json.Decoder(_DiffMessage).decode
_book = msgspec.json.Decoder(_Book).decode


class ScaleFinder:
    """The most decimals that any price and any quantity needs: a power of ten divides them all."""

    def __init__(self) -> None:
        self.price_decimals = 0
        self.quantity_decimals = 0

    def see_trade(self, payload: str) -> None:
        trade = _trade(payload).data
        self._see([(trade.p, trade.q)])

    def see_diff(self, payload: str) -> None:
        diff = _diff(payload).data
        self._see(diff.b)
        self._see(diff.a)

    def see_book(self, payload: str) -> None:
        book = _book(payload)
        self._see(book.bids)
        self._see(book.asks)

    def _see(self, levels: list[tuple[str, str]]) -> None:
        for price, quantity in levels:
            # Binance pads with zeros: 61837.63000000 has two decimals.
            decimals = len(price.rstrip("0").partition(".")[2])
            if decimals > self.price_decimals:
                self.price_decimals = decimals
            decimals = len(quantity.rstrip("0").partition(".")[2])
            if decimals > self.quantity_decimals:
                self.quantity_decimals = decimals

    def steps(self) -> tuple[str, str]:
        """(tick, lot) as plain decimal text."""
        return _step(self.price_decimals), _step(self.quantity_decimals)


def _step(decimals: int) -> str:
    return "1" if decimals == 0 else "0." + "0" * (decimals - 1) + "1"
