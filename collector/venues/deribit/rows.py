"""Deribit messages → rows. Pure: what a symbol's tick and unit are comes with it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from collector.decimals import rounded
from collector.tracked import Tracked
from collector.venue import BookUpdate, MessageError
from collector.venues.deribit.messages import (
    BookMessage,
    FundingRow,
    Levels,
    OrderBook,
    TickerMessage,
    TradeMessage,
    VolatilityMessage,
)
from marketprism.events import FundingRate, Liquidation, OpenInterest, Trade, VolatilityIndex

HOUR_MS: Final = 3_600_000
_RATE_OF_HOURS: Final = 8
"""The hours that Deribit's running rate is for; what is settled is told by the hour."""
_OPPOSITE: Final = {"buy": "sell", "sell": "buy"}


def plain(number: Decimal) -> str:
    """The exchange's digits without an exponent."""
    return f"{number:f}"


def trade_row(of: Tracked, message: TradeMessage, received_at: int, source: str = "marketprism") -> Trade:
    """One print. Block trades are agreed elsewhere: kept and flagged."""
    if message.direction not in _OPPOSITE:
        raise MessageError("malformed", f"trade with direction {message.direction!r}; buy or sell expected")
    return of.trade(
        sequence=message.trade_seq,
        trade_id=message.trade_id,
        price=plain(message.price),
        native=plain(message.amount),
        side=message.direction,
        time=message.timestamp,
        received_at=received_at,
        is_market=not message.block_trade_id,
        source=source,
    )


def liquidation_rows(
    of: Tracked, message: TradeMessage, received_at: int, source: str = "marketprism"
) -> list[Liquidation]:
    """The forced sides of a print: T its taker, M its maker, MT both."""
    sides = []
    if "T" in message.liquidation:
        sides.append(message.direction)
    if "M" in message.liquidation:
        sides.append(_OPPOSITE[message.direction])
    price, native = plain(message.price), plain(message.amount)
    return [
        Liquidation(
            **of.head(message.timestamp, received_at, message.trade_seq),
            data_source=source,
            side=side,
            price=price,
            price_kind="fill",
            quantity=of.unit.base_text(native, price),
            native_quantity=native,
            liquidation_time=message.timestamp,
            sampled=False,
        )
        for side in sides
    ]


def book_update(message: BookMessage, received_at: int) -> BookUpdate:
    snapshot = message.type == "snapshot"
    return BookUpdate(
        message.instrument_name,
        message.change_id,
        message.change_id,
        0 if snapshot else message.prev_change_id,
        message.timestamp,
        received_at,
        _levels(message.bids),
        _levels(message.asks),
        snapshot=snapshot,
    )


def _levels(levels: Levels) -> list[tuple[str, str]]:
    return [(f"{price:f}", "0" if action == "delete" else f"{amount:f}") for action, price, amount in levels]


def book_snapshot(answer: OrderBook, received_at: int) -> BookUpdate:
    """Of REST."""
    bids, asks = ([(plain(price), plain(amount)) for price, amount in side] for side in (answer.bids, answer.asks))
    return BookUpdate(
        answer.instrument_name, answer.change_id, answer.change_id, 0, answer.timestamp, received_at, bids, asks,
        snapshot=True,
    )  # fmt: skip


def continuous_funding(of: Tracked, message: TickerMessage, rate: Decimal, received_at: int) -> FundingRate:
    """Deribit charges all the time: the rate of the moment, for eight hours (the premium less 0.025 %, as its funding
    specification has it), and the end of the hour it is accounted by."""
    time = message.timestamp
    return FundingRate(
        **of.head(time, received_at),
        funding_rate=rounded(rate),
        funding_kind="continuous",
        funding_interval_h=_RATE_OF_HOURS,
        funding_time=time,
        next_funding_time=(time // HOUR_MS + 1) * HOUR_MS,
        mark_price=rounded(message.mark_price),
        index_price=None if message.index_price is None else rounded(message.index_price),
    )


def settled_funding(of: Tracked, row: FundingRow, received_at: int) -> FundingRate:
    """What accrued in the hour that ended."""
    return FundingRate(
        **of.head(row.timestamp, received_at),
        funding_rate=rounded(row.interest_1h),
        funding_kind="settled",
        funding_interval_h=1,
        funding_time=row.timestamp,
        next_funding_time=row.timestamp + HOUR_MS,
        index_price=None if row.index_price is None else rounded(row.index_price),
    )


def open_interest_row(of: Tracked, message: TickerMessage, interest: Decimal, received_at: int) -> OpenInterest:
    """Dollars on inverse contracts (their value, and base units at the mark price), coins elsewhere."""
    native = rounded(interest)
    return OpenInterest(
        **of.head(message.timestamp, received_at),
        open_interest=of.unit.base_text(native, rounded(message.mark_price)),
        open_interest_native=native,
        open_interest_value=native if of.unit.inverse else None,
    )


def mark_volatility(of: Tracked, message: TickerMessage, volatility: Decimal, received_at: int) -> VolatilityIndex:
    """Percent, as Deribit says it."""
    return VolatilityIndex(
        **of.head(message.timestamp, received_at),
        index_value=rounded(volatility),
        underlying_asset=of.instrument.base,
        maturity_date=of.instrument.expiry,
        kind="mark_iv",
    )


def dvol_row(message: VolatilityMessage, received_at: int) -> VolatilityIndex:
    """An index is no instrument: its own name is its symbol."""
    return VolatilityIndex(
        timestamp=message.timestamp,
        received_at=received_at,
        exchange="deribit",
        market_type="option",
        symbol=message.index_name,
        sequence=message.timestamp,
        index_value=rounded(message.volatility),
        underlying_asset=message.index_name.partition("_")[0].upper(),
        kind="dvol",
    )
