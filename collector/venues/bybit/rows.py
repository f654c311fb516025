"""Bybit messages → rows. Pure."""

from __future__ import annotations

from typing import Final

from collector.decimals import checked, rounded
from collector.tracked import Tracked
from collector.venue import BookUpdate, MessageError, rising
from collector.venues.bybit.messages import BookMessage, FundingRow, LiquidationMessage, TickerMessage, TradeMessage
from marketprism.events import FundingRate, Liquidation, OpenInterest, Trade

HOUR_MS: Final = 3_600_000
_SIDES: Final = {"Buy": "buy", "Sell": "sell"}
_FORCED: Final = {"Buy": "sell", "Sell": "buy"}
"""A position that was closed → the order that closed it."""


def trade_row(of: Tracked, message: TradeMessage, sequence: int, received_at: int) -> Trade:
    """One print. Block trades are agreed elsewhere: kept and flagged."""
    return of.trade(
        sequence=sequence,
        trade_id=message.id,
        price=message.price,
        native=message.quantity,
        side=_word(_SIDES, message.side, "trade"),
        time=message.time,
        received_at=received_at,
        is_market=not message.block,
    )


def book_update(message: BookMessage, time: int, received_at: int, *, snapshot: bool) -> BookUpdate:
    """Ids rise by one, so the one before is known."""
    own = message.update_id
    return BookUpdate(
        message.symbol, own, own, 0 if snapshot else own - 1, time, received_at, message.bids, message.asks,
        snapshot=snapshot, sequence=rising(time, own),
    )  # fmt: skip


def predicted_funding(of: Tracked, ticker: TickerMessage, time: int, received_at: int) -> FundingRate:
    """The running estimate."""
    due = int(ticker.nextFundingTime)
    interval = int(ticker.fundingIntervalHour or 0)
    return FundingRate(
        **of.head(time, received_at),
        funding_rate=rounded(ticker.fundingRate),
        funding_kind="predicted",
        funding_interval_h=interval,
        funding_time=due,
        next_funding_time=due + interval * HOUR_MS,
        mark_price=checked(ticker.markPrice) if ticker.markPrice else None,
        index_price=checked(ticker.indexPrice) if ticker.indexPrice else None,
    )


def settled_funding(of: Tracked, row: FundingRow, interval_h: int, received_at: int) -> FundingRate:
    time = int(row.fundingRateTimestamp)
    return FundingRate(
        **of.head(time, received_at),
        funding_rate=rounded(row.fundingRate),
        funding_kind="settled",
        funding_interval_h=interval_h,
        funding_time=time,
        next_funding_time=time + interval_h * HOUR_MS,
    )


def open_interest_row(of: Tracked, ticker: TickerMessage, time: int, received_at: int) -> OpenInterest:
    """Base coins, and their value."""
    native = rounded(ticker.openInterest)
    return OpenInterest(
        **of.head(time, received_at),
        open_interest=native,
        open_interest_native=native,
        open_interest_value=rounded(ticker.openInterestValue) if ticker.openInterestValue else None,
    )


def liquidation_row(of: Tracked, message: LiquidationMessage, received_at: int) -> Liquidation:
    """Every one of them, by the exchange's account."""
    return Liquidation(
        **of.head(message.time, received_at),
        side=_word(_FORCED, message.position, "liquidation"),
        price=checked(message.price),
        price_kind="bankruptcy",
        quantity=checked(message.quantity),
        native_quantity=message.quantity,
        liquidation_time=message.time,
        sampled=False,
    )


def _word(words: dict[str, str], said: str, what: str) -> str:
    word = words.get(said)
    if word is None:
        raise MessageError("malformed", f"{what} with side {said!r}; Buy or Sell expected")
    return word
