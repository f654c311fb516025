"""OKX's ``instruments`` → rows. What an instrument is, its metadata says; its name is never parsed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from collector.decimals import ONE, checked, scaled, text_of
from collector.venues.okx.messages import InstrumentInfo
from marketprism.events import Instrument

TYPES: Final[dict[str, tuple[str, ...]]] = {
    "spot": ("SPOT",),
    "linear": ("SWAP", "FUTURES"),
    "inverse": ("SWAP", "FUTURES"),
    "option": ("OPTION",),
}
"""instTypes of a market; linear and inverse share theirs and differ by ctType."""

LIQUIDATED: Final[dict[str, tuple[str, ...]]] = {**TYPES, "spot": ("MARGIN",)}
"""instTypes of ``liquidation-orders``: spot pairs are liquidated in margin accounts."""

_KINDS: Final = {"SPOT": "spot", "SWAP": "perpetual", "FUTURES": "future", "OPTION": "option"}
_OPTION_SIDES: Final = {"C": "call", "P": "put"}


def belongs(info: InstrumentInfo, market_type: str) -> bool:
    """Whether an instrument is of a market."""
    return info.instType in TYPES[market_type] and (market_type in ("spot", "option") or info.ctType == market_type)


def instrument_row(info: InstrumentInfo, market_type: str, received_at: int) -> Instrument:
    """Raises ValueError when a number or a currency is missing."""
    now = received_at // 1000
    expiry = int(info.expTime) if info.expTime and info.instType in ("FUTURES", "OPTION") else None
    strike = checked(info.stk) if info.stk else None
    base, quote, settle = _currencies(info)
    option_side = _OPTION_SIDES.get(info.optType, "")
    return Instrument(
        timestamp=now,
        received_at=received_at,
        exchange="okx",
        market_type=market_type,
        symbol=info.instId,
        sequence=now,
        canonical=_canonical(base, quote, settle, expiry, strike, info),
        base=base,
        quote=quote,
        settle=settle,
        type=_KINDS[info.instType],
        is_inverse=market_type == "inverse",
        multiplier=multiplier(info),
        tick_size=checked(info.tickSz),
        lot_size=checked(info.lotSz),
        expiry=expiry,
        strike=strike,
        option_side=option_side,
        valid_from=now,
        status=info.state,
    )


def multiplier(info: InstrumentInfo) -> str:
    """ctVal × ctMult: base units of one contract, quote units where it is inverse; 1 on spot."""
    if info.instType == "SPOT":
        return "1"
    product = scaled(info.ctVal) * scaled(info.ctMult or "1")
    whole, rest = divmod(product, ONE)
    if rest or whole <= 0:
        raise ValueError(f"ctVal {info.ctVal!r} × ctMult {info.ctMult!r} is no multiplier")
    return text_of(whole)


def _currencies(info: InstrumentInfo) -> tuple[str, str, str]:
    """(base, quote, settle). Contracts name the pair of their index in ``uly``."""
    if info.instType == "SPOT":
        base, quote, settle = info.baseCcy, info.quoteCcy, info.quoteCcy
    else:
        base, _, quote = (info.uly or info.instFamily).partition("-")
        settle = info.settleCcy
    if not (base and quote and settle):
        raise ValueError("base, quote or settlement currency is missing")
    return base, quote, settle


def _canonical(base: str, quote: str, settle: str, expiry: int | None, strike: str | None, info: InstrumentInfo) -> str:
    if info.instType == "SPOT":
        return f"{base}-{quote}"
    if expiry is None:
        return f"{base}-{quote}:{settle}-PERP"
    name = f"{base}-{quote}:{settle}-{datetime.fromtimestamp(expiry / 1000, UTC):%y%m%d}"
    return f"{name}-{strike}-{info.optType}" if strike is not None else name
