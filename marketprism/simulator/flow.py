"""Taker orders: when, which side, how large. Self-exciting in time (Hawkes), persistent in sign, log-normal in size.

Hawkes with an exponential kernel, in steps: with q = exp(−dt/tau) and n orders in a step, the excitation becomes
q · (e + a·n), a = ratio · (1 − q) / (q · dt), so its mean is ratio × rate for every step length, and the mean rate
is base / (1 − ratio).
"""

from __future__ import annotations

import math
from random import Random
from typing import Final

BRANCHING: Final = 0.65
"""Share of orders that other orders set off."""
MEMORY_S: Final = 2.5
SAME_SIDE: Final = 0.72
"""Chance that an order is on the side of the order before."""
SIZE_SIGMA: Final = 1.25


class OrderFlow:
    """Draws the taker orders of one book, step by step."""

    def __init__(self, random: Random, orders_per_s: float, median_lots: float):
        self._random = random
        self._base = orders_per_s * (1 - BRANCHING)
        self._excitation = orders_per_s * BRANCHING
        self._median_lots = median_lots
        self._buying = random.random() < 0.5

    def count(self, dt_s: float, activity: float) -> int:
        """How many orders in the next ``dt_s`` seconds; ``activity`` scales the exogenous part (1 = usual)."""
        decay = math.exp(-dt_s / MEMORY_S)
        # An intensity without a bound could run away within one coarse step.
        number = poisson(self._random, min((self._base * activity + self._excitation) * dt_s, 40.0 * max(dt_s, 0.1)))
        self._excitation = decay * (self._excitation + BRANCHING * (1 - decay) / (decay * dt_s) * number)
        return number

    def buys(self, pull: float) -> bool:
        """Side of the next order; ``pull`` in −1…1 leans it (+ = buy), as value above the mid does."""
        uniform = self._random.random()
        stay = SAME_SIDE + (pull if self._buying else -pull) * 0.25
        if uniform >= stay:
            self._buying = not self._buying
        return self._buying

    def lots(self) -> int:
        return max(1, int(self._median_lots * math.exp(SIZE_SIGMA * self._random.gauss(0.0, 1.0))))


def poisson(random: Random, mean: float) -> int:
    """A Poisson number: by inversion, above 30 by the normal approximation."""
    if mean <= 0:
        return 0
    if mean > 30:
        return max(0, round(random.gauss(mean, math.sqrt(mean))))
    threshold, number, product = math.exp(-mean), 0, random.random()
    while product > threshold:
        number += 1
        product *= random.random()
    return number
