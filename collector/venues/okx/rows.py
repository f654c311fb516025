"""OKX messages → rows. Pure: what a symbol's tick and contract are comes with it."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from collector.decimals import checked, rounded
from collector.tracked import Tracked
from collector.venue import BookUpdate, MessageError, rising
from collector.venues.okx.messages import (
    BookMessage,
    FundingMessage,
    Levels,
    LiquidationDetail,
    OpenInterestMessage,
    OptionSummary,
    SettledFunding,
    TradeMessage,
)
from marketprism.events import (
    FundingRate,
    Liquidation,
    LsrAllAccount,
    LsrTopPosition,
    OpenInterest,
    Trade,
    VolatilityIndex,
)

HOUR_MS: Final = 3_600_000
_SIDES: Final = ("buy", "sell")
_TWELVE: Final = Decimal(1).scaleb(-12)


def trade_row(of: Tracked, message: TradeMessage, received_at: int, source: str = "marketprism") -> Trade:
    """One print, or (``count`` > 1, channel ``trades``) the prints of a taker order at one price, to ``tradeId``."""
    if message.side not in _SIDES:
        raise MessageError("malformed", f"trade with side {message.side!r}; buy or sell expected")
    sequence = int(message.tradeId)
    return of.trade(
        sequence=sequence,
        first_id=sequence - int(message.count or "1") + 1,
        trade_id=message.tradeId,
        price=message.px,
        native=message.sz,
        side=message.side,
        time=int(message.ts),
        received_at=received_at,
        source=source,
    )


def book_update(
    symbol: str, message: BookMessage, ids: tuple[int, int], received_at: int, snapshot: bool
) -> BookUpdate:
    """``ids``: (previous, own)."""
    previous, own = ids
    return BookUpdate(
        symbol,
        own if snapshot else previous + 1,
        own,
        0 if snapshot else previous,
        int(message.ts),
        received_at,
        _levels(message.bids),
        _levels(message.asks),
        snapshot=snapshot,
        sequence=rising(int(message.ts), own) if message.seqId else own,
    )


def _levels(levels: Levels) -> list[tuple[str, str]]:
    return [(level[0], level[1]) for level in levels]


def predicted_funding(of: Tracked, message: FundingMessage, received_at: int) -> FundingRate | None:
    """The running estimate; None for contracts without funding."""
    if not message.fundingRate or not message.fundingTime:
        return None
    time = int(message.fundingTime)
    following = int(message.nextFundingTime or 0)
    interval = round((following - time) / HOUR_MS) if following > time else 0
    return FundingRate(
        **of.head(int(message.ts) if message.ts else received_at // 1000, received_at),
        funding_rate=rounded(message.fundingRate),
        funding_kind="predicted",
        funding_interval_h=interval,
        funding_time=time,
        next_funding_time=following or time,
    )


def settled_funding(of: Tracked, row: SettledFunding, interval_h: int, received_at: int) -> FundingRate:
    """What was charged at ``fundingTime``."""
    time = int(row.fundingTime)
    return FundingRate(
        **of.head(time, received_at),
        funding_rate=rounded(row.realizedRate or row.fundingRate),
        funding_kind="settled",
        funding_interval_h=interval_h,
        funding_time=time,
        next_funding_time=time + interval_h * HOUR_MS,
    )


def open_interest_row(of: Tracked, message: OpenInterestMessage, received_at: int) -> OpenInterest:
    """Coins are base units; contracts are native."""
    return OpenInterest(
        **of.head(int(message.ts), received_at),
        open_interest=rounded(message.oiCcy),
        open_interest_native=rounded(message.oi),
        open_interest_value=rounded(message.oiUsd) if message.oiUsd else None,
    )


def liquidation_row(of: Tracked, detail: LiquidationDetail, received_at: int) -> Liquidation:
    """At most one per contract and second: a sample."""
    if detail.side not in _SIDES:
        raise MessageError("malformed", f"liquidation with side {detail.side!r}; buy or sell expected")
    time = int(detail.ts)
    return Liquidation(
        **of.head(time, received_at),
        side=detail.side,
        price=checked(detail.bkPx),
        price_kind="bankruptcy",
        quantity=of.unit.base_text(checked(detail.sz), detail.bkPx),
        native_quantity=detail.sz,
        liquidation_time=time,
        sampled=True,
    )


def mark_volatility(of: Tracked, message: OptionSummary, received_at: int) -> VolatilityIndex:
    """OKX says a fraction; we say percent."""
    return VolatilityIndex(
        **of.head(int(message.ts), received_at),
        index_value=rounded(Decimal(message.markVol) * 100),
        underlying_asset=of.instrument.base,
        maturity_date=of.instrument.expiry,
        kind="mark_iv",
    )


def shares(ratio: str) -> tuple[str, str]:
    """(long, short) of a long/short ratio r: r / (1 + r) to 12 decimals, half to even, and what is left of 1."""
    value = Decimal(ratio)
    if not value.is_finite() or value < 0:
        raise ValueError(f"{ratio!r} is no long/short ratio")
    long = (value / (1 + value)).quantize(_TWELVE, rounding=ROUND_HALF_EVEN)
    return f"{long:f}", f"{1 - long:f}"


def top_position_row(of: Tracked, time: int, ratio: str, period: str, received_at: int) -> LsrTopPosition:
    long, short = shares(ratio)
    return LsrTopPosition(
        **of.head(time, received_at), long_position_ratio=long, short_position_ratio=short, period=period
    )


def all_account_row(of: Tracked, time: int, ratio: str, period: str, received_at: int) -> LsrAllAccount:
    long, short = shares(ratio)
    return LsrAllAccount(
        **of.head(time, received_at), long_account_ratio=long, short_account_ratio=short, period=period
    )
