"""Binance messages → rows. Pure: what a symbol's tick is comes with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from collector.decimals import ONE, checked, positive, price_tick, scaled, text_of
from collector.units import Unit
from collector.venue import BookUpdate, MessageError
from collector.venues.binance.messages import (
    AggTradeMessage,
    DepthMessage,
    DepthSnapshot,
    ForceOrder,
    FundingRow,
    MarkPriceMessage,
    OpenInterestAnswer,
    RatioRow,
    RestTrade,
    TradeMessage,
)
from marketprism.events import (
    FundingRate,
    Instrument,
    Liquidation,
    LsrAllAccount,
    LsrTopPosition,
    OpenInterest,
    Trade,
)

HOUR_MS: Final = 3_600_000
_SIDES: Final = {"BUY": "buy", "SELL": "sell"}


@dataclass(slots=True)
class Tracked:
    """A collected symbol: what its rows need of its metadata.

    ``last_price``: the newest text and its tick number; ``mark_price``: the newest of its stream, '' before."""

    instrument: Instrument
    market_type: str
    symbol: str
    tick_size: str
    tick: int
    unit: Unit
    last_price: tuple[str, int] = field(default=("", 0))
    mark_price: str = ""

    @classmethod
    def of(cls, instrument: Instrument) -> Tracked:
        return cls(
            instrument,
            instrument.market_type,
            instrument.symbol,
            instrument.tick_size,
            scaled(instrument.tick_size),
            Unit.of(instrument),
        )

    def price_tick(self, price: str) -> int:
        """The price in ticks, half up; raises ValueError when it is no number."""
        text, number = self.last_price
        if text != price:
            number = price_tick(scaled(price), self.tick)
            self.last_price = (price, number)
        return number


def trade_row(of: Tracked, message: TradeMessage, received_at: int) -> Trade:
    """A single fill. Prints that are no market trade (``X``), or that have no size or price, are kept and flagged."""
    market = message.kind == "MARKET" and positive(message.quantity) and positive(message.price)
    return make_trade(
        of, message.id, "trade", message.price, message.quantity, message.time, message.buyer_is_maker,
        message.id, message.id, market, received_at, "marketprism",
    )  # fmt: skip


def rest_trade_row(of: Tracked, row: RestTrade, received_at: int) -> Trade:
    """The same from REST."""
    return make_trade(
        of, row.id, "trade", row.price, row.qty, row.time, row.isBuyerMaker, row.id, row.id, True, received_at, "rest"
    )


def agg_trade_row(of: Tracked, message: AggTradeMessage, received_at: int, source: str = "marketprism") -> Trade:
    """All fills of one taker order at one price."""
    return make_trade(
        of, message.id, "agg_trade", message.price, checked(message.quantity), message.time, message.buyer_is_maker,
        message.first_id, message.last_id, True, received_at, source,
    )  # fmt: skip


def make_trade(
    of: Tracked,
    sequence: int,
    kind: str,
    price: str,
    quantity: str,
    time: int,
    buyer_is_maker: bool,
    first_id: int,
    last_id: int,
    is_market: bool,
    received_at: int,
    source: str,
) -> Trade:
    """The row that every kind of print becomes; ``quantity`` is the exchange's own."""
    return Trade(
        timestamp=time,
        received_at=received_at,
        exchange="binance",
        market_type=of.market_type,
        symbol=of.symbol,
        sequence=sequence,
        data_source=source,
        trade_id=str(sequence),
        trade_kind=kind,
        price=price,
        quantity=of.unit.base_text(quantity, price),
        native_quantity=quantity,
        side="sell" if buyer_is_maker else "buy",
        is_maker=buyer_is_maker,
        trade_time=time,
        is_market=is_market,
        first_trade_id=first_id,
        last_trade_id=last_id,
        tick_size=of.tick_size,
        price_tick=of.price_tick(price),
    )


def book_update(message: DepthMessage, received_at: int) -> BookUpdate:
    """Spot has no matching time, only the push time E."""
    return BookUpdate(
        message.symbol,
        message.first_id,
        message.last_id,
        message.previous_id,
        message.time or message.event_time,
        received_at,
        message.bids,
        message.asks,
    )


def book_snapshot(symbol: str, answer: DepthSnapshot, received_at: int) -> BookUpdate:
    return BookUpdate(
        symbol, answer.last_id, answer.last_id, 0, answer.time, received_at, answer.bids, answer.asks, snapshot=True
    )


def predicted_funding(of: Tracked, message: MarkPriceMessage, interval_h: int, received_at: int) -> FundingRate | None:
    """The running estimate of the next rate; None for contracts without funding."""
    if not message.rate or not message.next_funding_time:
        return None
    return FundingRate(
        timestamp=message.event_time,
        received_at=received_at,
        exchange="binance",
        market_type=of.market_type,
        symbol=of.symbol,
        sequence=message.event_time,
        funding_rate=checked(message.rate),
        funding_kind="predicted",
        funding_interval_h=interval_h,
        funding_time=message.next_funding_time,
        next_funding_time=message.next_funding_time + interval_h * HOUR_MS,
        mark_price=checked(message.mark_price),
        index_price=checked(message.index_price) if message.index_price else None,
    )


def settled_funding(of: Tracked, row: FundingRow, interval_h: int, received_at: int) -> FundingRate:
    return FundingRate(
        timestamp=row.fundingTime,
        received_at=received_at,
        exchange="binance",
        market_type=of.market_type,
        symbol=of.symbol,
        sequence=row.fundingTime,
        funding_rate=checked(row.fundingRate),
        funding_kind="settled",
        funding_interval_h=interval_h,
        funding_time=row.fundingTime,
        next_funding_time=row.fundingTime + interval_h * HOUR_MS,
        mark_price=checked(row.markPrice) if row.markPrice else None,
        index_price=None,
    )


def liquidation_row(of: Tracked, order: ForceOrder, received_at: int) -> Liquidation:
    """Filled quantity at the average price; before any fill the order itself, whose limit is the bankruptcy price."""
    side = _SIDES.get(order.side)
    if side is None:
        raise MessageError("malformed", f"forceOrder with side {order.side!r}; BUY or SELL expected")
    filled = positive(order.filled) and positive(order.average_price)
    price = order.average_price if filled else checked(order.price)
    quantity = order.filled if filled else checked(order.quantity)
    return Liquidation(
        timestamp=order.time,
        received_at=received_at,
        exchange="binance",
        market_type=of.market_type,
        symbol=of.symbol,
        sequence=order.time,
        side=side,
        price=price,
        price_kind="fill" if filled else "bankruptcy",
        quantity=of.unit.base_text(quantity, price),
        native_quantity=quantity,
        liquidation_time=order.time,
        sampled=True,
    )


def open_interest_row(of: Tracked, answer: OpenInterestAnswer, mark_price: str, received_at: int) -> OpenInterest:
    """Base units as sent; for contracts of dollars base units at the mark price, and their exact value."""
    native = checked(answer.openInterest)
    value = text_of(scaled(native) * of.unit.multiplier // ONE) if of.unit.inverse else None
    return OpenInterest(
        timestamp=answer.time,
        received_at=received_at,
        exchange="binance",
        market_type=of.market_type,
        symbol=of.symbol,
        sequence=answer.time,
        open_interest=of.unit.base_text(native, mark_price),
        open_interest_native=native,
        open_interest_value=value,
    )


def top_position_row(of: Tracked, row: RatioRow, period: str, received_at: int) -> LsrTopPosition:
    return LsrTopPosition(
        timestamp=row.timestamp,
        received_at=received_at,
        exchange="binance",
        market_type=of.market_type,
        symbol=of.symbol,
        sequence=row.timestamp,
        long_position_ratio=checked(row.long),
        short_position_ratio=checked(row.short),
        period=period,
    )


def all_account_row(of: Tracked, row: RatioRow, period: str, received_at: int) -> LsrAllAccount:
    return LsrAllAccount(
        timestamp=row.timestamp,
        received_at=received_at,
        exchange="binance",
        market_type=of.market_type,
        symbol=of.symbol,
        sequence=row.timestamp,
        long_account_ratio=checked(row.long),
        short_account_ratio=checked(row.short),
        period=period,
    )
