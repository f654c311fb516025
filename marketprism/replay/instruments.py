"""exchangeInfo for recordings that hold none: tick and lot from the recorded numbers, and flagged as inferred."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from marketprism.replay.recording import Recording
from marketprism.simulator.environment import INVERSE, SPOT

QUOTES: Final = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "BTC", "ETH", "BNB", "EUR", "TRY")
INFERRED: Final = "marketprismInferred"
"""Key that marks a synthetic entry; collectors ignore unknown keys."""
NO_EXPIRY_MS: Final = 4133404800000


def exchange_info(venue: str, recordings: Iterable[Recording]) -> str:
    """The recorded exchangeInfo of a venue if any recording has one, otherwise one made of the inferred steps.

    Times in a synthetic one are those of the recording, so that two replays give the same rows.
    """
    steps: dict[str, tuple[str, str]] = {}
    first_us = 0
    for recording in recordings:
        if venue in recording.exchange_info:
            return recording.exchange_info[venue]
        if venue in recording.venues:
            first_us = first_us or recording.first_us
        for (of, symbol), step in recording.steps.items():
            if of == venue:
                # Two files of one venue: the finer step divides every number of both.
                steps[symbol] = tuple(min(pair, key=float) for pair in zip(step, steps.get(symbol, step), strict=True))  # type: ignore[assignment]
    body = {
        "timezone": "UTC",
        "serverTime": first_us // 1000,
        "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}],
        "exchangeFilters": [],
        "symbols": [_entry(venue, symbol, tick, lot) for symbol, (tick, lot) in sorted(steps.items())],
    }
    return json.dumps(body, separators=(",", ":"))


def _entry(venue: str, symbol: str, tick: str, lot: str) -> dict[str, Any]:
    # The recording does not name the assets; the exchange's own pairs end in one of few quotes.
    if venue == INVERSE:
        return _coin_margined(symbol, tick, lot)
    quote = next((quote for quote in QUOTES if symbol.endswith(quote) and symbol != quote), "USDT")
    entry: dict[str, Any] = {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": symbol.removesuffix(quote),
        "quoteAsset": quote,
        INFERRED: True,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "1000000000", "stepSize": lot},
        ],
    }
    if venue != SPOT:
        entry |= {
            "pair": symbol,
            "contractType": "PERPETUAL",
            "deliveryDate": NO_EXPIRY_MS,
            "onboardDate": 0,
            "marginAsset": quote,
            "underlyingType": "COIN",
        }
    return entry


def _coin_margined(symbol: str, tick: str, lot: str) -> dict[str, Any]:
    """A COIN-M contract: ``<base>USD_PERP`` or ``<base>USD_<YYMMDD>``, of 100 dollars for BTC and 10 for the others."""
    pair, _, kind = symbol.partition("_")
    base = pair.removesuffix("USD")
    expiry = datetime.strptime(kind, "%y%m%d").replace(tzinfo=UTC) if kind.isdigit() else None
    return {
        "symbol": symbol,
        "pair": pair,
        "contractType": "CURRENT_QUARTER" if expiry else "PERPETUAL",
        # delivery is at 08:00 UTC
        "deliveryDate": int(expiry.timestamp() * 1000) + 8 * 3_600_000 if expiry else NO_EXPIRY_MS,
        "contractStatus": "TRADING",
        "contractSize": 100 if base == "BTC" else 10,
        "baseAsset": base,
        "quoteAsset": "USD",
        "marginAsset": base,
        INFERRED: True,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "1000000000", "stepSize": lot},
        ],
    }
