"""The exchange's own number → base units, by the instrument's metadata and never by its name.

``multiplier`` of an ``Instrument`` says what one of the exchange's units is: base units for spot, linear and option
contracts (Binance 1, OKX ctVal × ctMult), quote units where ``is_inverse`` (COIN-M 100 or 10, OKX 100, Deribit 1,
because its amounts are dollars already). So

    base = native × multiplier            linear
    base = native × multiplier / price    inverse

in integers of 10⁻¹², rounded once, half to even: a trade, the same trade from the archive, and the level it hit agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from collector.decimals import ONE, scaled, text_of
from marketprism.events import Instrument


@dataclass(frozen=True, slots=True)
class Unit:
    """One of the exchange's units: ``multiplier`` scaled by 10¹², in quote units when ``inverse``."""

    multiplier: int = ONE
    inverse: bool = False

    @classmethod
    def of(cls, instrument: Instrument) -> Unit:
        """Raises ValueError when the multiplier is no number."""
        return cls(scaled(instrument.multiplier), instrument.is_inverse)

    @property
    def plain(self) -> bool:
        """The exchange's number is base units already."""
        return not self.inverse and self.multiplier == ONE

    def base(self, native: int, price: int) -> int:
        """Base units of ``native`` at ``price``, all scaled; 0 for an inverse contract at no price."""
        divisor = price if self.inverse else ONE
        if divisor <= 0:
            return 0
        quotient, rest = divmod(native * self.multiplier, divisor)
        return quotient + (2 * rest > divisor or (2 * rest == divisor and quotient & 1))

    def base_text(self, native: str, price: str) -> str:
        """The same for texts; ``native`` itself where nothing changes. Raises ValueError for what is no number."""
        if self.plain:
            return native
        return text_of(self.base(scaled(native), scaled(price)))


PLAIN: Final = Unit()
