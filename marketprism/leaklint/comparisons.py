"""Comparisons of two rows' clocks, and by how much the one is known after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from sqlglot import exp

from marketprism.leaklint.amounts import SECONDS, amount
from marketprism.leaklint.columns import conjuncts, equated, table_names
from marketprism.leaklint.functions import function_name
from marketprism.leaklint.moments import Moment, moment, of_key
from marketprism.leaklint.sources import sources

MIRROR: Final = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE, exp.EQ: exp.EQ}
_SERIES: Final = frozenset({"exchange", "market_type", "symbol"})


@dataclass(frozen=True, slots=True)
class Comparison:
    """``joined`` <operator> ``other``: the clock of a row that is looked up, and of the row that it is set beside.

    ``one_series``: both are of the same instrument, whose buckets follow each other.
    """

    part: exp.Expression
    operator: type[exp.Expression]
    joined: Moment
    other: Moment
    one_series: bool = False

    @property
    def is_lower(self) -> bool:
        """Whether it bounds the rows that are looked up below only."""
        return self.operator in (exp.GT, exp.GTE)

    @property
    def is_of_all_time(self) -> bool:
        """Whether the row that is looked up sums up all of its table: whole-history judges that, no shift does."""
        return self.joined.rows == inf and self.joined.grain < inf

    @property
    def ahead(self) -> float:
        """Seconds by which the start of the row that is looked up may lie after that of the other."""
        return self.other.moved - self.joined.moved

    @property
    def allowed(self) -> float:
        """Seconds until the other row is complete itself; none for a bucket, which ends nobody knows when."""
        span = min(self.other.grain, self.other.rows)
        return 0.0 if self.operator is exp.EQ or span == inf else span

    @property
    def is_shifted_ahead(self) -> bool:
        """Whether rows are let in that start after the end of the other row; a shift that cannot be read may be any."""
        return not self.ahead <= self.allowed

    @property
    def is_early(self) -> bool:
        """Whether rows are let in whose period ends after the end of the other row."""
        if self.operator is exp.EQ:
            grain = max(self.joined.grain, self.other.grain)
            return min(self.joined.rows, self.other.rows) < grain and not self.ahead <= -grain
        aligned = self.operator is exp.LT and self.other.grain >= self.joined.grain
        same = self.one_series and self.joined.grain == self.other.grain == inf
        return not self.ahead + (0.0 if aligned or same else self.joined.grain) <= self.allowed


def of_join(join: exp.Join, select: exp.Expression) -> Iterator[Comparison]:
    """Comparisons of a join's clocks with earlier ones: of ON, of USING (the last key of ASOF is <=), and of WHERE."""
    one_series = equated(join) >= _SERIES
    for found in _of_clocks(join, select):
        yield replace(found, one_series=one_series)


def _of_clocks(join: exp.Join, select: exp.Expression) -> Iterator[Comparison]:
    if join.args.get("using"):
        keys = [part.name for part in join.args["using"]]
        for name in keys:
            joined, other = of_key(name, join.this), of_key(name, sources(select)[0])
            if joined is not None and other is not None:
                operator = exp.LTE if is_asof(join) and name == keys[-1] else exp.EQ
                yield Comparison(join, operator, joined, other)
    where = None if is_asof(join) else select.args.get("where")
    parts = [*conjuncts(join.args.get("on")), *conjuncts(where.this if where else None)]
    yield from comparisons(parts, {join.this.alias_or_name}, select)


def is_asof(join: exp.Join) -> bool:
    """ASOF JOIN, with or without LEFT."""
    return "ASOF" in {str(join.args.get(key) or "").upper() for key in ("kind", "method", "side")}


def comparisons(parts: Iterable[exp.Expression], own: set[str], select: exp.Expression) -> Iterator[Comparison]:
    """Comparisons of clocks of the sources named ``own`` with clocks of others."""
    for part in parts:
        for operator, left, right, shift in _written_out(part):
            left_own, right_own = bool(table_names(left) & own), bool(table_names(right) & own)
            if left_own == right_own:
                continue
            this, that = moment(left, select), moment(right, select)
            if this is None or that is None:
                continue
            that = replace(that, moved=that.moved + shift)
            if left_own:
                yield Comparison(part, operator, this, that)
            else:
                yield Comparison(part, MIRROR[operator], that, this)


_Written = tuple[type[exp.Expression], exp.Expression, exp.Expression, float]


def _written_out(part: exp.Expression) -> Iterator[_Written]:
    """(operator, left, right, seconds added to the right) of a comparison; a difference and a number are two clocks."""
    if type(part) not in MIRROR:
        return
    kind, left, right = type(part), part.this, part.expression
    if not any(True for _ in left.find_all(exp.Column)):
        kind, left, right = MIRROR[kind], right, left
    absolute = isinstance(left, exp.Abs)
    later, earlier, unit = _difference(left.this if absolute else left)
    if later is None or earlier is None:
        yield kind, left, right, 0.0
        return
    seconds = amount([right], unit)
    if not absolute:
        yield kind, later, earlier, seconds
    elif kind in (exp.LT, exp.LTE):
        yield kind, later, earlier, seconds
        yield MIRROR[kind], later, earlier, -seconds


def _difference(node: exp.Expression) -> tuple[exp.Expression | None, exp.Expression | None, float]:
    """(later, earlier, seconds of 1) of dateDiff and of a subtraction of columns; None when it is neither."""
    if isinstance(node, exp.Paren):
        return _difference(node.this)
    if isinstance(node, exp.DateDiff | exp.TimestampDiff):
        unit = node.args.get("unit")
        return node.this, node.expression, SECONDS.get(str(unit.name).lower(), 1.0) if unit is not None else 1.0
    if function_name(node) == "age" and len(node.expressions) == 3:
        return node.expressions[2], node.expressions[1], SECONDS.get(node.expressions[0].name.lower(), 1.0)
    if isinstance(node, exp.Sub) and all(side.find(exp.Column) for side in (node.this, node.expression)):
        return node.this, node.expression, 1.0
    return None, None, 1.0
