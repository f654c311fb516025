"""Decimal text ↔ integers of 10⁻¹² (the scale of the raw tables): exact sums, exact keys, and the text comes back.

Binary floats would merge or split price levels and make sums depend on their order; ``decimal.Decimal`` is four times
slower. ``int / ONE`` is correctly rounded, so the Float64 of a level is the one nearest to the exchange's text.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Final

from marketprism.events import DECIMAL_SCALE

ONE: Final = 10**DECIMAL_SCALE
POWERS: Final[tuple[int, ...]] = tuple(int(10 ** (DECIMAL_SCALE - places)) for places in range(DECIMAL_SCALE + 1))
"""``POWERS[d]`` lifts an integer of d decimals to the common scale; more decimals are an IndexError."""

_DECIMAL: Final = re.compile(r"-?\d{1,26}(?:\.\d{1,12})?", re.ASCII)

_POSITIVE: Final = re.compile(r"(?=[0.]*[1-9])\d{1,26}(?:\.\d{1,12})?", re.ASCII)


def scaled(text: str) -> int:
    """The integer of 10⁻¹² units that ``text`` says; raises ValueError for anything but plain decimal text."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r} is not a decimal number of at most {DECIMAL_SCALE} decimals")
    point = text.find(".")
    if point < 0:
        return int(text) * ONE
    return int(text.replace(".", "", 1)) * POWERS[len(text) - point - 1]


def positive(text: str) -> bool:
    """Whether ``text`` says more than zero, without making the number; raises ValueError for anything else than text of
    a decimal number."""
    return _POSITIVE.fullmatch(text) is not None or scaled(text) > 0


def checked(text: str) -> str:
    """``text`` itself when it is plain decimal text; raises ValueError otherwise."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r} is not a decimal number of at most {DECIMAL_SCALE} decimals")
    return text


_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_LAST: Final = Decimal(1).scaleb(-DECIMAL_SCALE)


def rounded(number: str | Decimal) -> str:
    """Plain decimal text of at most 12 decimals, half to even, whatever form the exchange uses (1.0002e6, 16 decimals).

    Raises ValueError for what is no finite number. The digits of a number that fits are left as they are.
    """
    if isinstance(number, str):
        if _DECIMAL.fullmatch(number):
            return number
        try:
            number = Decimal(number)
        except InvalidOperation as error:
            raise ValueError(f"{number!r} is not a decimal number") from error
    if not number.is_finite() or number.adjusted() > 25:
        raise ValueError(f"{str(number)[:40]!r} is not a finite number of at most 26 digits")
    if -int(number.as_tuple().exponent) > DECIMAL_SCALE:
        number = number.quantize(_LAST, context=_EXACT)
    return f"{number:f}"


def text_of(value: int) -> str:
    """Decimal text of a scaled integer, without trailing zeros."""
    sign = "-" if value < 0 else ""
    whole, fraction = divmod(abs(value), ONE)
    return f"{sign}{whole}.{fraction:012d}".rstrip("0").rstrip(".")


def price_tick(price: int, tick: int) -> int:
    """Price in ticks, rounded half up; both are scaled integers. A tick of zero (unknown) gives 0."""
    return (2 * price + tick) // (2 * tick) if tick > 0 else 0
