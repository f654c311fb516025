"""Binance's exchange metadata → ``instruments`` rows. Canonical names come from metadata, never from the symbol."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from collector.decimals import checked
from collector.venues.binance.messages import SymbolInfo
from marketprism.events import Instrument

NEVER_MS: Final = 4_133_404_800_000
"""deliveryDate of a perpetual (year 2100): not an expiry."""

TRADING: Final = "TRADING"


def spot_instrument(info: SymbolInfo, received_at: int) -> Instrument:
    """Raises ValueError when tick or lot size is missing or no number."""
    return _instrument(info, received_at, "spot", f"{info.baseAsset}-{info.quoteAsset}", info.quoteAsset, "spot", None)


def linear_instrument(info: SymbolInfo, received_at: int) -> Instrument:
    """USD-M: perpetuals and delivery futures, quantities in base units (multiplier 1)."""
    settle = info.marginAsset or info.quoteAsset
    expiry = info.deliveryDate if 0 < info.deliveryDate < NEVER_MS and "PERPETUAL" not in info.contractType else None
    tail = datetime.fromtimestamp(expiry / 1000, UTC).strftime("%y%m%d") if expiry else "PERP"
    canonical = f"{info.baseAsset}-{info.quoteAsset}:{settle}-{tail}"
    return _instrument(info, received_at, "linear", canonical, settle, "future" if expiry else "perpetual", expiry)


def _instrument(
    info: SymbolInfo, received_at: int, market_type: str, canonical: str, settle: str, kind: str, expiry: int | None
) -> Instrument:
    tick = next((item.tickSize for item in info.filters if item.filterType == "PRICE_FILTER"), "")
    lot = next((item.stepSize for item in info.filters if item.filterType == "LOT_SIZE"), "")
    now = received_at // 1000
    return Instrument(
        timestamp=now,
        received_at=received_at,
        exchange="binance",
        market_type=market_type,
        symbol=info.symbol,
        sequence=now,
        canonical=canonical,
        base=info.baseAsset,
        quote=info.quoteAsset,
        settle=settle,
        type=kind,
        is_inverse=False,
        multiplier="1",
        tick_size=checked(tick),
        lot_size=checked(lot),
        expiry=expiry,
        valid_from=now,
        status=info.status,
    )
