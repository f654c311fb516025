"""Deribit's ``get_instruments`` → rows. What an instrument is, its metadata says; its name is never parsed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from collector.decimals import rounded
from collector.venues.deribit.messages import InstrumentInfo
from marketprism.events import Instrument

KINDS: Final = {"spot": "spot", "linear": "future", "inverse": "future", "option": "option"}
"""Deribit's kind of a market. Combos (future_combo, option_combo) are no market: their legs print by themselves."""

NEVER_MS: Final = 32_503_708_800_000
"""expiration_timestamp of a perpetual (year 3000): not an expiry."""

_LETTERS: Final = {"call": "C", "put": "P"}
_MARKETS: Final = {"reversed": "inverse", "linear": "linear"}


def market_of(info: InstrumentInfo) -> str:
    """Our market type of an instrument; '' for what is not collected."""
    if info.kind == "future":
        # the oldest lists do not say: then a contract quoted in dollars is the inverse one
        said = info.instrument_type or info.future_type or ("reversed" if info.quote_currency == "USD" else "linear")
        return _MARKETS.get(said, "")
    return info.kind if info.kind in ("spot", "option") else ""


def instrument_row(info: InstrumentInfo, received_at: int) -> Instrument:
    """Raises ValueError when a number is none."""
    now = received_at // 1000
    market_type = market_of(info)
    perpetual = info.settlement_period == "perpetual" or info.expiration_timestamp >= NEVER_MS
    expiry = info.expiration_timestamp if market_type != "spot" and not perpetual else None
    strike = rounded(info.strike.normalize()) if info.strike is not None else None
    base, quote, settle = _currencies(info, market_type)
    return Instrument(
        timestamp=now,
        received_at=received_at,
        exchange="deribit",
        market_type=market_type,
        symbol=info.instrument_name,
        sequence=now,
        canonical=_canonical(base, quote, settle, expiry, strike, info, market_type),
        base=base,
        quote=quote,
        settle=settle,
        type={"spot": "spot", "option": "option"}.get(market_type) or ("perpetual" if perpetual else "future"),
        is_inverse=market_type == "inverse",
        multiplier="1",  # amounts are dollars or coins already, not contracts
        tick_size=rounded(info.tick_size),
        lot_size=rounded(info.min_trade_amount),
        expiry=expiry,
        strike=strike,
        option_side=info.option_type,
        valid_from=now,
        status=info.state or ("open" if info.is_active else "inactive"),
    )


def _currencies(info: InstrumentInfo, market_type: str) -> tuple[str, str, str]:
    """(base, quote, settle). The quote of an inverse option is its strike's currency: the premium is in coins."""
    base, quote = info.base_currency, info.counter_currency or info.quote_currency
    if market_type == "option" and quote == base:
        quote = "USD"
    if info.settlement_currency:
        return base, quote, info.settlement_currency
    coin = market_type == "inverse" or (market_type == "option" and info.quote_currency == base)
    return base, quote, base if coin else quote


def _canonical(
    base: str, quote: str, settle: str, expiry: int | None, strike: str | None, info: InstrumentInfo, market_type: str
) -> str:
    if market_type == "spot":
        return f"{base}-{quote}"
    if expiry is None:
        return f"{base}-{quote}:{settle}-PERP"
    name = f"{base}-{quote}:{settle}-{datetime.fromtimestamp(expiry / 1000, UTC):%y%m%d}"
    return f"{name}-{strike}-{_LETTERS.get(info.option_type, '')}" if strike is not None else name
