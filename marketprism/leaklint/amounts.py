"""Spans of time as they are written: numbers, intervals, names of units."""

from __future__ import annotations

import re
from math import inf
from typing import Final

from sqlglot import exp

from marketprism.leaklint.functions import function_name

SECONDS: Final = {
    "nanosecond": 1e-9,
    "microsecond": 1e-6,
    "millisecond": 1e-3,
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
    "week": 604800.0,
    "month": 2678400.0,
    "quarter": 7948800.0,
    "year": 31622400.0,
}


def amount(parts: list[exp.Expression], unit: float) -> float:
    """Seconds of a number or an interval; +-inf for what only has a direction, and forward when not even that."""
    if not parts:
        return 0.0
    part = parts[0]
    if isinstance(part, exp.Paren):
        return amount([part.this], unit)
    if isinstance(part, exp.Neg):
        return -amount([part.this], unit)
    if isinstance(part, exp.Interval):
        interval = part.args.get("unit")
        return amount([part.this], SECONDS.get(str(interval.name).lower(), unit) if interval is not None else unit)
    if found := re.fullmatch(r"tointerval(\w+)", function_name(part)):
        return amount(part.expressions, SECONDS.get(found.group(1), unit))
    try:
        return float(part.name) * unit if isinstance(part, exp.Literal) else inf if _is_positive(part) else -inf
    except ValueError:
        return inf


def _is_positive(node: exp.Expression) -> bool:
    """An offset that moves forward: a positive number or interval; what cannot be read counts as forward."""
    if isinstance(node, exp.Neg):
        return not _is_positive(node.this)
    if isinstance(node, exp.Literal):
        return not str(node.this).startswith("-") and str(node.this) not in {"0", "0.0"}
    if isinstance(node, exp.Interval):
        return node.this is None or _is_positive(node.this)
    return True
