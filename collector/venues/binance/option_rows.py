"""Binance option messages → rows. Quantities are contracts of ``unit`` base units; volatility becomes percent."""

from __future__ import annotations

from collector.decimals import checked, scaled, text_of
from collector.venue import BookUpdate
from collector.venues.binance.option_messages import (
    OptionDepthSnapshot,
    OptionInterest,
    OptionMark,
    OptionTradeMessage,
    RestOptionInterest,
    RestOptionTrade,
)
from collector.venues.binance.rows import Tracked, make_trade
from marketprism.events import OpenInterest, Trade, VolatilityIndex


def option_trade(of: Tracked, message: OptionTradeMessage, received_at: int) -> Trade:
    """A fill. Block trades are kept and flagged."""
    return make_trade(
        of, message.id, "trade", message.price, checked(message.quantity), message.time, message.buyer_is_maker,
        message.id, message.id, message.kind == "MARKET", received_at, "marketprism",
    )  # fmt: skip


def rest_option_trade(of: Tracked, row: RestOptionTrade, received_at: int) -> Trade:
    """The same from REST."""
    sequence = int(row.tradeId)
    return make_trade(
        of, sequence, "trade", row.price, checked(row.qty.lstrip("-")), row.time, row.side < 0,
        sequence, sequence, True, received_at, "rest",
    )  # fmt: skip


def option_snapshot(symbol: str, answer: OptionDepthSnapshot, received_at: int) -> BookUpdate:
    last_id = answer.last_id or answer.old_last_id
    return BookUpdate(symbol, last_id, last_id, 0, answer.time, received_at, answer.bids, answer.asks, snapshot=True)


def mark_volatility(of: Tracked, message: OptionMark, received_at: int) -> VolatilityIndex | None:
    """Implied volatility of the mark price, from a fraction to percent; None where the exchange has none."""
    fraction = scaled(message.volatility) if message.volatility else 0
    if fraction <= 0:
        return None
    return VolatilityIndex(
        timestamp=message.event_time,
        received_at=received_at,
        exchange="binance",
        market_type=of.market_type,
        symbol=of.symbol,
        sequence=message.event_time,
        index_value=text_of(fraction * 100),
        underlying_asset=of.instrument.base,
        maturity_date=of.instrument.expiry,
        kind="mark_iv",
    )


def option_interest(of: Tracked, contracts: str, value: str, time: int, received_at: int) -> OpenInterest:
    return OpenInterest(
        timestamp=time,
        received_at=received_at,
        exchange="binance",
        market_type=of.market_type,
        symbol=of.symbol,
        sequence=time,
        open_interest=of.unit.base_text(checked(contracts), "0"),
        open_interest_native=contracts,
        open_interest_value=checked(value) if value else None,
    )


def streamed_interest(of: Tracked, message: OptionInterest, received_at: int) -> OpenInterest:
    return option_interest(of, message.contracts, message.value, message.event_time, received_at)


def rest_interest(of: Tracked, row: RestOptionInterest, received_at: int) -> OpenInterest:
    return option_interest(of, row.sumOpenInterest, row.sumOpenInterestUsd, int(row.timestamp), received_at)
