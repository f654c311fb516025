"""Binance's exchange metadata → ``instruments`` rows. Canonical names come from metadata, never from the symbol."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from collector.decimals import checked
from collector.venues.binance.messages import Filter, SymbolInfo
from collector.venues.binance.option_messages import OptionContract, OptionSymbolInfo
from marketprism.events import Instrument

NEVER_MS: Final = 4_133_404_800_000
"""deliveryDate of a perpetual (year 2100): not an expiry."""

TRADING: Final = "TRADING"


def spot_instrument(info: SymbolInfo, received_at: int) -> Instrument:
    """Raises ValueError when tick or lot size is missing or no number."""
    canonical = f"{info.baseAsset}-{info.quoteAsset}"
    return _instrument(info, received_at, "spot", canonical=canonical, settle=info.quoteAsset, type="spot")


def linear_instrument(info: SymbolInfo, received_at: int) -> Instrument:
    """USD-M: perpetuals and delivery futures, quantities in base units (multiplier 1)."""
    return _future(info, received_at, "linear", info.marginAsset or info.quoteAsset)


def inverse_instrument(info: SymbolInfo, received_at: int) -> Instrument:
    """COIN-M: quantities are contracts of ``contractSize`` dollars. Raises ValueError when the size is missing."""
    if info.contractSize <= 0:
        raise ValueError("it has no contractSize")
    settle = info.marginAsset or info.baseAsset
    return _future(info, received_at, "inverse", settle, is_inverse=True, multiplier=str(info.contractSize))


def option_instrument(info: OptionSymbolInfo, contract: OptionContract | None, received_at: int) -> Instrument:
    """A European option: premium and settlement in the quote currency, quantities in contracts of ``unit``."""
    if contract is None:
        raise ValueError(f"its underlying {info.underlying!r} is not among optionContracts")
    sides = {"CALL": "call", "PUT": "put"}
    if info.side not in sides:
        raise ValueError(f"its side is {info.side!r}, not CALL or PUT")
    strike = checked(info.strikePrice)
    shown = strike.rstrip("0").rstrip(".") if "." in strike else strike
    pair = f"{contract.baseAsset}-{contract.quoteAsset}:{contract.settleAsset}"
    now = received_at // 1000
    return Instrument(
        timestamp=now,
        received_at=received_at,
        exchange="binance",
        market_type="option",
        symbol=info.symbol,
        sequence=now,
        canonical=f"{pair}-{_day(info.expiryDate)}-{shown}-{info.side[0]}",
        base=contract.baseAsset,
        quote=contract.quoteAsset,
        settle=contract.settleAsset,
        type="option",
        is_inverse=False,
        multiplier=checked(str(info.unit)),
        tick_size=_step(info.filters, "PRICE_FILTER"),
        lot_size=_step(info.filters, "LOT_SIZE"),
        expiry=info.expiryDate,
        strike=strike,
        option_side=sides[info.side],
        valid_from=now,
        status=info.status if now < info.expiryDate else "EXPIRED",
    )


def expiry_day(instrument: Instrument) -> str:
    """The expiry as stream names write it: YYMMDD, UTC."""
    return _day(instrument.expiry) if instrument.expiry else ""


def _future(
    info: SymbolInfo,
    received_at: int,
    market_type: str,
    settle: str,
    *,
    is_inverse: bool = False,
    multiplier: str = "1",
) -> Instrument:
    expiry = info.deliveryDate if 0 < info.deliveryDate < NEVER_MS and "PERPETUAL" not in info.contractType else None
    return _instrument(
        info,
        received_at,
        market_type,
        canonical=f"{info.baseAsset}-{info.quoteAsset}:{settle}-{_day(expiry) if expiry else 'PERP'}",
        settle=settle,
        type="future" if expiry else "perpetual",
        expiry=expiry,
        is_inverse=is_inverse,
        multiplier=multiplier,
    )


def _instrument(
    info: SymbolInfo,
    received_at: int,
    market_type: str,
    *,
    canonical: str,
    settle: str,
    type: str,
    expiry: int | None = None,
    is_inverse: bool = False,
    multiplier: str = "1",
) -> Instrument:
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
        type=type,
        is_inverse=is_inverse,
        multiplier=multiplier,
        tick_size=_step(info.filters, "PRICE_FILTER"),
        lot_size=_step(info.filters, "LOT_SIZE"),
        expiry=expiry,
        valid_from=now,
        status=info.status or info.contractStatus,
    )


def _step(filters: list[Filter], kind: str) -> str:
    found = next((item for item in filters if item.filterType == kind), None)
    if found is None:
        raise ValueError(f"it has no {kind}")
    return checked(found.tickSize or found.stepSize)


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%y%m%d")
