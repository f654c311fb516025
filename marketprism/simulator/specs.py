"""What trades where: scale, liquidity and rates of each book. One underlying has books at several venues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from marketprism.errors import SettingsError
from marketprism.simulator.environment import INVERSE, LINEAR, SPOT

Kind = Literal["spot", "perpetual"]

QUOTE: Final = "USDT"


@dataclass(frozen=True, slots=True)
class BookSpec:
    """One book. ``price`` in quote units; ``tick_decimals``/``lot_decimals``: tick and lot are 10^-n.

    Quantities are what the venue counts: base units, or contracts of ``contract`` quote units. ``lag_ms``: how long
    after the leading book of its underlying it learns the fair value.
    """

    venue: str
    symbol: str
    base: str
    quote: str
    price: float
    tick_decimals: int
    lot_decimals: int
    orders_per_s: float
    """Mean rate of taker orders."""
    order_quantity: float
    """Median taker order in base units; sizes are log-normal."""
    level_quantity: float
    """Median quantity that rests at one price."""
    level_gap_bps: float = 0.08
    """Mean distance between occupied prices near the touch."""
    half_spread_bps: float = 0.02
    levels: int = 120
    """Occupied prices that makers keep on each side."""
    funding_interval_h: int = 8
    kind: Kind = "perpetual"
    lag_ms: int = 0
    contract: int = 0
    """Quote units of a contract where the venue counts such (inverse); 0 = base units."""

    @property
    def market_type(self) -> str:
        return self.venue.partition(".")[2]

    @property
    def tick(self) -> float:
        return float(10**-self.tick_decimals)

    @property
    def lot(self) -> float:
        return float(10**-self.lot_decimals)

    def price_text(self, ticks: int) -> str:
        return scaled_text(ticks, self.tick_decimals)

    def quantity_text(self, lots: int) -> str:
        return scaled_text(lots, self.lot_decimals)

    def wire_price(self, ticks: int) -> str:
        """As the exchange writes it: spot pads with zeros to 8 decimals."""
        return scaled_text(ticks, self.tick_decimals, self._wire_decimals)

    def wire_quantity(self, lots: int) -> str:
        return scaled_text(lots, self.lot_decimals, self._wire_decimals)

    @property
    def _wire_decimals(self) -> int:
        return 8 if self.venue == SPOT else 0


def scaled_text(value: int, decimals: int, padded: int = 0) -> str:
    """A non-negative integer of 10^-decimals units as plain decimal text, with at least ``padded`` decimals."""
    digits = str(value)
    if padded > decimals:
        digits += "0" * (padded - decimals)
        decimals = padded
    if not decimals:
        return digits
    if len(digits) <= decimals:
        digits = digits.zfill(decimals + 1)
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


_KNOWN: Final[dict[str, tuple[float, int, int, int, int]]] = {
    # base: price, decimals of spot tick and lot, of perpetual tick and lot
    "BTC": (96_000.0, 2, 5, 1, 3),
    "ETH": (3_450.0, 2, 4, 2, 3),
    "SOL": (185.0, 2, 3, 3, 2),
    "BNB": (720.0, 2, 3, 2, 2),
    "XRP": (2.2, 4, 1, 4, 1),
}
# Quote units of a median order: with the default volume limits a bucket then fills in about half a minute.
_ORDER_VALUE: Final = {SPOT: 1_800.0, LINEAR: 7_800.0, INVERSE: 2_400.0}
_ORDERS_PER_S: Final = {SPOT: 4.6, LINEAR: 5.6, INVERSE: 2.8}
_LAG_MS: Final = {SPOT: 400, LINEAR: 0, INVERSE: 150}
_LEVEL_PER_ORDER: Final = 15.0  # what rests at one price, in median orders


def default_specs(
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT"), venues: tuple[str, ...] = (SPOT, LINEAR)
) -> tuple[BookSpec, ...]:
    """The books of ``<BASE>USDT`` symbols at these venues; any base works, known ones have their real scale."""
    specs: list[BookSpec] = []
    for symbol in symbols:
        base = symbol.removesuffix(QUOTE)
        if not base or base == symbol or not base.isalnum() or symbol != symbol.upper():
            raise SettingsError(f"simulator: symbol {symbol!r} is not <BASE>{QUOTE}; name symbols such as BTCUSDT")
        specs += [_spec(venue, base) for venue in venues]
    return tuple(specs)


def _spec(venue: str, base: str) -> BookSpec:
    if venue not in _LAG_MS:
        raise SettingsError(f"simulator: unknown venue {venue!r}; known: {', '.join(_LAG_MS)}")
    price, spot_tick, spot_lot, linear_tick, linear_lot = _KNOWN.get(base, (10.0, 3, 2, 3, 1))
    tick, lot = (spot_tick, spot_lot) if venue == SPOT else (linear_tick, linear_lot)
    contract = 0
    if venue == INVERSE:
        lot, contract = 0, 100 if base == "BTC" else 10
    order = _ORDER_VALUE[venue] / (contract or price)
    return BookSpec(
        venue=venue,
        symbol=f"{base}USD_PERP" if venue == INVERSE else f"{base}{QUOTE}",
        base=base,
        quote="USD" if venue == INVERSE else QUOTE,
        price=price,
        tick_decimals=tick,
        lot_decimals=lot,
        orders_per_s=_ORDERS_PER_S[venue],
        order_quantity=order,
        level_quantity=_LEVEL_PER_ORDER * order,
        level_gap_bps=max(0.08, 2 * 10.0**-tick / price * 1e4),
        half_spread_bps=max(0.02, 0.5 * 10.0**-tick / price * 1e4),
        kind="spot" if venue == SPOT else "perpetual",
        lag_ms=_LAG_MS[venue],
        contract=contract,
    )
