"""What OKX, Deribit, Bybit and Binance's options list in the simulated market, and in which units they count it.

Their spot and perpetual books follow the books of the model; options are quoted from its perpetual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from marketprism.errors import SettingsError
from marketprism.simulator.environment import LINEAR, SPOT
from marketprism.simulator.specs import BookSpec, scaled_text

OKX: Final = "okx"
DERIBIT: Final = "deribit"
MIRRORS: Final = tuple(
    f"{exchange}.{market}" for exchange in (OKX, DERIBIT) for market in ("spot", "linear", "inverse", "option")
)

BYBIT: Final = "bybit"
BYBIT_VENUES: Final = (f"{BYBIT}.spot", f"{BYBIT}.linear")

BINANCE: Final = "binance"
BINANCE_OPTION: Final = f"{BINANCE}.option"
"""The only market of Binance that follows the model instead of being a part of it."""

FOLLOWING: Final = (*MIRRORS, *BYBIT_VENUES, BINANCE_OPTION)
LAG_MS: Final = {OKX: 35, DERIBIT: 90, BYBIT: 50, BINANCE: 20}
"""How long after the model's book the same trade is done here."""

_OKX_CONTRACT_DECIMALS: Final = {"BTC": 2, "ETH": 1}
"""ctVal of a linear contract is 10^-n coins."""
_OPTION_DAYS: Final = 30
_OPTION_STRIKES: Final = (0.95, 1.0, 1.05)
_OPTION_TICK_DECIMALS: Final = 4
_PREMIUM_TICK_DECIMALS: Final = 1
"""Where premiums are in the quote currency, not in coins."""

Counts = Literal["base", "dollars"]


@dataclass(frozen=True, slots=True)
class MirrorSpec:
    """One instrument. ``source``: index of the model's book it follows.

    Its units are integers: of 10^-``decimals`` of the exchange's own number (``counts`` base), or of ``dollars`` each.
    ``contract_decimals``: one of the exchange's own is 10^-n coins.
    """

    exchange: str
    market_type: str
    symbol: str
    base: str
    quote: str
    settle: str
    source: int
    tick_decimals: int
    lot_decimals: int
    decimals: int
    counts: Counts = "base"
    dollars: int = 1
    contract_decimals: int = 0
    strike: int = 0
    call: bool = False
    expiry_ms: int = 0

    @property
    def venue(self) -> str:
        return f"{self.exchange}.{self.market_type}"

    @property
    def is_option(self) -> bool:
        return self.market_type == "option"

    def units(self, lots: int, price: int) -> int:
        """Of a quantity of the model's book at a price in ticks; never 0 for something."""
        if self.counts == "base":
            return lots
        # integers throughout: the same level is the same number of contracts whenever it is asked for
        scale: int = 10 ** (self.lot_decimals + self.tick_decimals)
        return max(1, (2 * lots * price + self.dollars * scale) // (2 * self.dollars * scale)) if lots else 0

    def price_text(self, ticks: int) -> str:
        return scaled_text(ticks, self.tick_decimals)

    def native_text(self, units: int) -> str:
        """The exchange's own number: coins, contracts, or (Deribit's inverse) dollars."""
        if self.counts == "dollars":
            return str(units * self.dollars if self.exchange == DERIBIT else units)
        return scaled_text(units, self.decimals)


def mirror_specs(sources: Sequence[BookSpec], venues: Sequence[str], start_ms: int) -> tuple[MirrorSpec, ...]:
    """Everything that these venues list; raises SettingsError for a venue that is not simulated."""
    specs: list[MirrorSpec] = []
    for venue in venues:
        if venue not in FOLLOWING:
            known = ", ".join(FOLLOWING)
            raise SettingsError(f"simulator: unknown venue {venue!r}; known besides Binance: {known}")
        exchange, _, market = venue.partition(".")
        for index, source in enumerate(sources):
            if source.venue != (SPOT if market == "spot" else LINEAR):
                continue
            if market == "option":
                specs += _options(exchange, index, source, start_ms)
            else:
                specs.append(_follower(exchange, market, index, source))
    return tuple(specs)


def _follower(exchange: str, market: str, index: int, source: BookSpec) -> MirrorSpec:
    base, okx = source.base, exchange == OKX
    coin = "USDC" if exchange == DERIBIT else "USDT"
    contract = _OKX_CONTRACT_DECIMALS.get(base, 0) if okx and market == "linear" else 0
    symbols = {
        (True, "spot"): f"{base}-USDT", (True, "linear"): f"{base}-USDT-SWAP", (True, "inverse"): f"{base}-USD-SWAP",
        (False, "spot"): f"{base}_USDC", (False, "linear"): f"{base}_USDC-PERPETUAL",
        (False, "inverse"): f"{base}-PERPETUAL",
    }  # fmt: skip
    inverse = market == "inverse"
    symbol = f"{base}USDT" if exchange == BYBIT else symbols[okx, market]
    return MirrorSpec(
        exchange=exchange,
        market_type=market,
        symbol=symbol,
        base=base,
        quote="USD" if inverse else coin,
        settle=base if inverse else coin,
        source=index,
        tick_decimals=source.tick_decimals,
        lot_decimals=source.lot_decimals,
        decimals=source.lot_decimals - contract,
        counts="dollars" if inverse else "base",
        dollars=(100 if base == "BTC" else 10) if okx else (10 if base == "BTC" else 1),
        contract_decimals=contract,
    )


def _options(exchange: str, index: int, source: BookSpec, start_ms: int) -> list[MirrorSpec]:
    """Calls and puts around the price, expiring at 08:00 UTC about a month on."""
    day = datetime.fromtimestamp(start_ms / 1000, UTC).replace(hour=8, minute=0, second=0, microsecond=0)
    expiry = day + timedelta(days=_OPTION_DAYS)
    found = []
    for share in _OPTION_STRIKES:
        strike = max(1, int(float(f"{source.price * share:.2g}")))
        for call in (True, False):
            letter = "C" if call else "P"
            binance = exchange == BINANCE
            if exchange == OKX:
                symbol = f"{source.base}-USD-{expiry:%y%m%d}-{strike}-{letter}"
            elif binance:
                symbol = f"{source.base}-{expiry:%y%m%d}-{strike}-{letter}"
            else:
                symbol = f"{source.base}-{expiry.day}{expiry:%b%y}-{strike}-{letter}".upper()
            found.append(
                MirrorSpec(
                    exchange=exchange,
                    market_type="option",
                    symbol=symbol,
                    base=source.base,
                    quote="USDT" if binance else "USD",
                    settle="USDT" if binance else source.base,
                    source=index,
                    tick_decimals=_PREMIUM_TICK_DECIMALS if binance else _OPTION_TICK_DECIMALS,
                    lot_decimals=1,
                    decimals=0 if exchange == OKX else 1,
                    contract_decimals=2 if exchange == OKX else 0,
                    strike=strike,
                    call=call,
                    expiry_ms=int(expiry.timestamp() * 1000),
                )
            )
    return found
