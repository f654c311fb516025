"""What happens in the market model, in no venue's format. Prices are integer ticks, quantities integer lots."""

from __future__ import annotations

import msgspec

Levels = list[tuple[int, int]]
"""(price in ticks, quantity in lots); in a change, quantity 0 deletes."""


class Fill(msgspec.Struct, gc=False):
    """One trade: part of one taker order against one maker. ``buyer_is_maker``: the taker sold.

    ``aggregate_id`` is 0 for prints that are no market trade (``kind`` other than MARKET). ``forced``: its taker was
    being liquidated.
    """

    book: int
    time_ms: int
    trade_id: int
    aggregate_id: int
    price: int
    lots: int
    buyer_is_maker: bool
    kind: str = "MARKET"
    forced: bool = False


class Aggregate(msgspec.Struct, gc=False):
    """All fills of one taker order at one price."""

    book: int
    time_ms: int
    aggregate_id: int
    price: int
    lots: int
    first_trade_id: int
    last_trade_id: int
    buyer_is_maker: bool


class DepthChange(msgspec.Struct, gc=False):
    """Every level that changed since the change before, with its new quantity.

    ``first_id``…``last_id``: the updates in it; ``previous_id``: ``last_id`` of the change before.
    """

    book: int
    time_ms: int
    change_ms: int
    first_id: int
    last_id: int
    previous_id: int
    bids: Levels
    asks: Levels


class Mark(msgspec.Struct, gc=False):
    """Mark and index price of a perpetual, in quote units, and the running funding estimate."""

    book: int
    time_ms: int
    mark: float
    index: float
    funding_rate: float
    next_funding_ms: int


class ForcedOrder(msgspec.Struct, gc=False):
    """The largest liquidation of one second. ``sell``: a long was closed."""

    book: int
    time_ms: int
    order_ms: int
    sell: bool
    limit_price: int
    average_price: int
    lots: int


Event = Fill | Aggregate | DepthChange | Mark | ForcedOrder
