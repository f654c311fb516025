"""What an expression says about time: how much of it one value spans, and how far it was moved."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from sqlglot import exp

from marketprism.leaklint.amounts import SECONDS, amount
from marketprism.leaklint.columns import is_clock
from marketprism.leaklint.functions import function_name
from marketprism.leaklint.sources import defined, within

_TRUNCATIONS: Final = {
    "tostartoffiveminutes": 300.0,
    "tostartoffiveminute": 300.0,
    "tostartoftenminutes": 600.0,
    "tostartoffifteenminutes": 900.0,
    "timeslot": 1800.0,
    "todate": SECONDS["day"],
    "todate32": SECONDS["day"],
    "toyyyymmdd": SECONDS["day"],
    "tolastdayofmonth": SECONDS["month"],
    "toyyyymm": SECONDS["month"],
    "tostartofisoyear": SECONDS["year"],
}
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PERIOD: Final = re.compile(r"^(?:ts|time|timestamp|start|begin|open)_(\d+)([smhdw])$")
_START: Final = re.compile(
    r"^(bucket|bar|candle|window|period|segment)_(ts_|time_)?(start|begin|open)(_ts)?$|^ts_start$"
)
# Names that say when a row was known: who reads by them reads nothing early.
KNOWN: Final = re.compile(r"^(last_)?(available|known|received|receipt|closed|ended|heard)_(at|by)$")
_COUNT: Final = re.compile(r"^(count|uniq|length|age$|date_?diff)")
_CYCLE: Final = re.compile(
    r"^(to)?_?(hour|minute|second|millisecond|month|quarter|week|iso_?week|time|mod|modulo)$|^(to)?_?day_?of_?\w+$"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """Times in seconds. ``grain``: what one value spans, from its start; ``rows``: what one row of its source spans;
    ``moved``: how far it was shifted, +-inf when only the direction can be read; ``unit``: what a plain 1 adds to it.
    """

    grain: float = 0.0
    rows: float = 0.0
    moved: float = 0.0
    unit: float = 1.0


_Seen = dict[tuple[int, str, str], Moment | None]


def named(name: str) -> Moment:
    """The moment of a table's own column, by its name; a bucket that starts lasts as long as it likes."""
    name = name.lower()
    if found := _PERIOD.match(name):
        grain = int(found.group(1)) * _UNITS[found.group(2)]
    elif _START.match(name):
        grain = inf
    else:
        last = name.rsplit("_", 1)[-1]
        grain = SECONDS["day"] if last == "date" else SECONDS.get(last, 0.0)
    return Moment(grain, grain, unit=SECONDS["day"] if grain == SECONDS["day"] else 1.0)


def moment(node: exp.Expression, select: exp.Expression, seen: _Seen | None = None) -> Moment | None:
    """The moment that an expression of ``select`` stands for; None without a clock, or with the hour of a day only."""
    seen = {} if seen is None else seen
    if isinstance(node, exp.Query | exp.Mod | exp.Predicate | exp.Connector | exp.DateDiff):
        return None
    if _CYCLE.match(function_name(node)) or _COUNT.match(function_name(node)):
        return None
    if function_name(node) == "rownumberinallblocks":
        return Moment()
    if isinstance(node, exp.Column):
        key = (id(select), node.table, node.name)
        if key not in seen:
            seen[key] = None  # what is defined by itself has no clock
            seen[key] = _of_column(node, select, seen)
        return seen[key]
    if isinstance(node, exp.Window):
        return _of_window(node, select, seen)
    parts = _operands(node)
    for part in parts[:1] if isinstance(node, exp.AggFunc) else parts:
        found = moment(part, select, seen)
        if found is not None:
            others = [other for other in parts if other is not part]
            lasts = isinstance(node, exp.Sub) and any(moment(other, select, seen) is not None for other in others)
            return None if lasts else _changed(node, others, found)
    return None


def of_key(name: str, source: exp.Expression) -> Moment | None:
    """The moment of a USING column on one side of a join."""
    if inside := within(name, source):
        return _through(inside, name, {})
    return named(name) if is_clock(exp.column(name)) else None


def _of_column(column: exp.Column, select: exp.Expression, seen: _Seen) -> Moment | None:
    inside = defined(column, select)
    if inside is None:
        return named(column.name) if is_clock(column) else None
    if inside[1] is select:  # an alias of the same select
        return moment(inside[0], select, seen)
    return _through(inside, column.name, seen)


def _through(inside: tuple[exp.Expression, exp.Select], name: str, seen: _Seen) -> Moment | None:
    """A column of a subquery: a grouped one has one row for each value of its finest key, or of all time."""
    item, select = inside
    found = moment(item, select, seen)
    if found is None:
        return named(name) if is_clock(exp.column(name)) else None
    if KNOWN.match(name.lower()) and found.moved >= 0:
        return Moment()
    group = select.args.get("group")
    keys = [key for part in group.expressions if (key := moment(part, select, seen))] if group is not None else []
    if group is not None:
        return replace(found, rows=min((key.grain for key in keys), default=inf))
    return replace(found, rows=found.grain) if select.args.get("distinct") else found


def _of_window(window: exp.Window, select: exp.Expression, seen: _Seen) -> Moment | None:
    """row_number and ranks by a clock count rows as a clock does."""
    order = window.args.get("order")
    if function_name(window.this) in {"rownumber", "row_number", "rank", "denserank", "dense_rank"}:
        clocks = [moment(item.this, select, seen) for item in order.expressions] if order else []
        return Moment() if any(clocks) else None
    return moment(window.this, select, seen)


def _operands(node: exp.Expression) -> list[exp.Expression]:
    """The parts of a function or an operator; what an aggregate takes first is what it gives."""
    if isinstance(node, exp.ParameterizedAgg):
        return list(node.args["params"])
    found: list[exp.Expression] = []
    for key in sorted(node.args, key=lambda key: key not in ("true", "false")):
        value = None if key in ("unit", "to", "zone") else node.args[key]
        found += [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, exp.Expression)]
    return found


def _changed(node: exp.Expression, others: list[exp.Expression], found: Moment) -> Moment:
    """``found`` after the function or operator that it is an operand of."""
    name = function_name(node)
    if isinstance(node, exp.Add | exp.DateAdd | exp.TimestampAdd):
        return replace(found, moved=found.moved + amount(others, _unit(node, found)))
    if isinstance(node, exp.Sub | exp.DateSub | exp.TimestampSub):
        return replace(found, moved=found.moved - amount(others, _unit(node, found)))
    if step := re.fullmatch(r"(add|subtract)(\w+?)s?", name):
        seconds = amount(others, SECONDS.get(step.group(2), found.unit))
        return replace(found, moved=found.moved + (seconds if step.group(1) == "add" else -seconds))
    if isinstance(node, exp.Mul | exp.IntDiv | exp.Div) or name == "intdiv":
        return _scaled(found, amount(others, 1.0), isinstance(node, exp.Mul), isinstance(node, exp.Div))
    if milli := re.fullmatch(r"tounixtimestamp64(milli|micro|nano|)(second)?", name):
        return replace(found, unit=SECONDS[f"{milli.group(1)}second"])
    spans = _truncated_to(node, name, others)
    if spans:
        unit = SECONDS["day"] if spans >= SECONDS["day"] else 1.0
        return replace(found, grain=max(found.grain, spans), unit=unit)
    return replace(found, unit=1.0) if name.startswith(("todatetime", "tounixtimestamp")) else found


def _truncated_to(node: exp.Expression, name: str, others: list[exp.Expression]) -> float:
    """Seconds of the period whose start a function takes; 0 when it takes none."""
    if isinstance(node, exp.TimestampTrunc | exp.DateTrunc):
        return SECONDS.get(str(node.args["unit"].name).lower(), SECONDS["day"])
    if isinstance(node, exp.Cast):
        return SECONDS["day"] if node.to.this in (exp.DataType.Type.DATE, exp.DataType.Type.DATE32) else 0.0
    if isinstance(node, exp.TsOrDsToDate | exp.Date):
        return SECONDS["day"]
    if name == "tostartofinterval":
        return abs(amount(others, 1.0))
    if found := re.fullmatch(r"tostartof(\w+)", name):
        return _TRUNCATIONS.get(name, SECONDS.get(found.group(1), 0.0))
    return _TRUNCATIONS.get(name, 0.0)


def _scaled(found: Moment, factor: float, is_product: bool, is_exact: bool) -> Moment:
    if factor in (0.0, inf, -inf):
        return found
    if is_product:
        return replace(found, unit=found.unit / abs(factor))
    unit = found.unit * abs(factor)
    return replace(found, unit=unit) if is_exact else replace(found, unit=unit, grain=max(found.grain, unit))


def _unit(node: exp.Expression, found: Moment) -> float:
    unit = node.args.get("unit")
    return found.unit if unit is None else SECONDS.get(str(unit.name).lower(), found.unit)
