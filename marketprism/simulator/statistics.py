"""Open interest, long/short shares and settled funding: smooth functions of time, so any period can be asked again.

Values depend on the seed, the symbol and the time alone; asking twice, or after a restart, gives the same row.
"""

from __future__ import annotations

import math
import zlib
from typing import Final

PERIODS_MS: Final[dict[str, int]] = {
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
}
_OPEN_VALUE: Final = 2.4e9  # quote units


def open_interest(seed: int, symbol: str, price: float, time_ms: int) -> float:
    """Base units outstanding; ``price`` sets the scale and should be the listing's, not the present one."""
    return _OPEN_VALUE / price * (1 + 0.05 * _wave(seed, symbol, "oi", time_ms, 21_600_000))


def long_share(seed: int, symbol: str, what: str, time_ms: int) -> float:
    """Share of longs, 0…1; ``what`` tells positions, top accounts and all accounts apart."""
    return 0.53 + 0.12 * _wave(seed, symbol, what, time_ms, 14_400_000)


def settled_rate(seed: int, symbol: str, funding_ms: int) -> float:
    """The funding rate that was settled at a funding time."""
    return 0.0001 + 0.00015 * _wave(seed, symbol, "funding", funding_ms, 172_800_000)


def period_ends(period_ms: int, now_ms: int, limit: int, start_ms: int | None, end_ms: int | None) -> list[int]:
    """Ends of the newest whole periods up to now, ascending, within [start, end]."""
    last = min(now_ms, end_ms if end_ms is not None else now_ms) // period_ms
    first = last - limit + 1
    if start_ms is not None:
        first = max(first, -(-start_ms // period_ms))
    return [number * period_ms for number in range(first, last + 1)]


def _wave(seed: int, symbol: str, what: str, time_ms: int, cycle_ms: int) -> float:
    """Between −1 and 1: three cycles with phases of their own."""
    phase = zlib.crc32(f"{seed}/{symbol}/{what}".encode()) / 2**32 * math.tau
    turn = math.tau * (time_ms % (cycle_ms * 210)) / cycle_ms  # a bounded argument keeps the sine exact
    return (
        math.sin(turn + phase) + 0.5 * math.sin(turn * 3 / 7 + 2 * phase) + 0.25 * math.sin(5 * turn + 3 * phase)
    ) / 1.75
