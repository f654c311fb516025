"""Bybit's ``instruments-info`` → rows."""

from __future__ import annotations

from datetime import UTC, datetime

from collector.decimals import checked
from collector.venues.bybit.messages import InstrumentInfo
from marketprism.events import Instrument


def instrument_row(info: InstrumentInfo, market_type: str, received_at: int) -> Instrument:
    """Quantities are base coins in both markets. Raises ValueError when tick or lot size is no number."""
    now = received_at // 1000
    spot = market_type == "spot"
    delivery = int(info.deliveryTime or 0)
    expiry = delivery if delivery > 0 and "Futures" in info.contractType else None
    settle = info.settleCoin or info.quoteCoin
    pair = f"{info.baseCoin}-{info.quoteCoin}"
    tail = f"{datetime.fromtimestamp(expiry / 1000, UTC):%y%m%d}" if expiry else "PERP"
    return Instrument(
        timestamp=now,
        received_at=received_at,
        exchange="bybit",
        market_type=market_type,
        symbol=info.symbol,
        sequence=now,
        canonical=pair if spot else f"{pair}:{settle}-{tail}",
        base=info.baseCoin,
        quote=info.quoteCoin,
        settle=settle,
        type="spot" if spot else "future" if expiry else "perpetual",
        is_inverse=False,
        multiplier="1",
        tick_size=checked(info.priceFilter.tickSize),
        lot_size=checked(info.lotSizeFilter.basePrecision if spot else info.lotSizeFilter.qtyStep),
        expiry=expiry,
        valid_from=now,
        status=info.status,
    )
