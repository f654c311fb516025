"""A collected symbol, and the rows that every venue makes of what it says. No venue's wire format here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from collector.decimals import price_tick, scaled
from collector.units import Unit
from marketprism.events import Instrument, Trade


@dataclass(slots=True)
class Tracked:
    """What a symbol's rows need of its metadata. ``last_price``: the newest price text and its number in ticks."""

    instrument: Instrument
    tick: int
    unit: Unit
    last_price: tuple[str, int] = field(default=("", 0))

    @classmethod
    def of(cls, instrument: Instrument) -> Tracked:
        """Raises ValueError when tick size or multiplier is no number."""
        return cls(instrument, scaled(instrument.tick_size), Unit.of(instrument))

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    def price_tick(self, price: str) -> int:
        """The price in ticks, half up; raises ValueError when it is no number."""
        text, number = self.last_price
        if text != price:
            number = price_tick(scaled(price), self.tick)
            self.last_price = (price, number)
        return number

    def head(self, timestamp: int, received_at: int, sequence: int | None = None) -> dict[str, Any]:
        """What every row begins with; without an id of the exchange ``sequence`` is the time."""
        instrument = self.instrument
        return {
            "timestamp": timestamp,
            "received_at": received_at,
            "exchange": instrument.exchange,
            "market_type": instrument.market_type,
            "symbol": instrument.symbol,
            "sequence": timestamp if sequence is None else sequence,
        }

    def trade(
        self,
        *,
        sequence: int,
        trade_id: str,
        price: str,
        native: str,
        side: str,
        time: int,
        received_at: int,
        is_market: bool = True,
        first_id: int | None = None,
        kind: str = "trade",
        source: str = "marketprism",
    ) -> Trade:
        """One print: ``native`` is the exchange's own quantity, ``side`` the taker's. Raises ValueError."""
        instrument = self.instrument
        # an inverse contract has no base units at no price: kept, and flagged
        empty = scaled(native) <= 0 or scaled(price) <= 0
        return Trade(
            timestamp=time,
            received_at=received_at,
            exchange=instrument.exchange,
            market_type=instrument.market_type,
            symbol=instrument.symbol,
            sequence=sequence,
            data_source=source,
            trade_id=trade_id,
            trade_kind=kind,
            price=price,
            quantity=self.unit.base_text(native, price),
            native_quantity=native,
            side=side,
            is_maker=side == "sell",
            trade_time=time,
            is_market=is_market and not empty,
            first_trade_id=sequence if first_id is None else first_id,
            last_trade_id=sequence,
            tick_size=instrument.tick_size,
            price_tick=self.price_tick(price),
        )
