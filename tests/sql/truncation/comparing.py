"""The law: a row that the whole data calls available at T is the same row in data that end at T."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.sql.catalogue_tape import Tape
from tests.sql.truncation.cuts import Cut
from tests.sql.truncation.reading import Row, Rows

WITHOUT_VALUE = {
    (f"unified_features_{form}", column): why
    for form in ("by_bucket", "since", "last", "1s", "1s_between")
    for column, why in {
        "level_log_ratio": "the tape's prices are one cluster: it is above the close or below it, never both",
        "support_bps": "as level_log_ratio, where the newest buckets alone are read",
        "exhaustion_bps": "no bin of the tape is exhausted when a job runs",
    }.items()
}
"""(view, column) that can have no value on this tape, and why: nothing is known of it."""


@dataclass(slots=True)
class Compared:
    """What of one view was compared over all cuts."""

    view: str
    rows: int = 0
    columns: set[str] = field(default_factory=set)
    valued: set[str] = field(default_factory=set)
    """Columns that were not NULL in a row that was compared."""
    found: list[str] = field(default_factory=list)

    def empty(self) -> set[str]:
        """Columns of which nothing was compared, without those that can have no value."""
        return {name for name in self.columns - self.valued if (self.view, name) not in WITHOUT_VALUE}


def summary(compared: Iterable[Compared], cuts: list[Cut]) -> str:
    """One line for the log."""
    views = list(compared)
    columns, rows, found = (
        sum(of) for of in zip(*((len(one.columns), one.rows, len(one.found)) for one in views), strict=True)
    )
    return f"{len(views)} features, {columns} columns x {len(cuts)} cuts: {rows} rows, {found} differences"


def over_cuts(view: str, rows: dict[str, Rows], tape: Tape, cuts: list[Cut]) -> Compared:
    """Compare the whole tape's rows with those of every cut that was read."""
    assert tape.hole is not None
    whole, out = rows[tape.symbol], Compared(view)
    last_us = max(cut.at_us for cut in cuts)
    for row in whole.values():
        out.columns |= row.keys()
        if row["available_us"] is not None and row["available_us"] <= last_us:
            out.valued |= {name for name, value in row.items() if value is not None}
    for cut in cuts:
        out.rows += sum(row["available_us"] is not None and row["available_us"] <= cut.at_us for row in whole.values())
        for difference in differences(whole, rows.get(cut.symbol, {}), cut, tape.hole[1] * 1000):
            out.found.append(f"{view} {cut.symbol}: {difference}")
    return out


def differences(whole: Rows, part: Rows, cut: Cut, hole_us: int) -> Iterator[str]:
    """What of ``whole`` was available at the cut and is not the same in ``part``."""
    for key, row in whole.items():
        if row["available_us"] is None or row["available_us"] > cut.at_us:
            continue
        other = part.get(key)
        if other is None:
            yield f"{key} is absent"
            continue
        yield from (f"{key} {difference}" for difference in unequal(row, other, cut, hole_us))


def unequal(row: Row, other: Row, cut: Cut, hole_us: int) -> Iterator[str]:
    """The columns in which a row of the cut is not that of all data.

    A hole becomes known when it ends: until then the rows it touches do not say ``gap``, nor count it.
    """
    for name, value in row.items():
        if hole_us > cut.at_us and (value == "gap" or (name in ("window_gaps", "cvd_gaps") and value)):
            continue
        if repr(other[name]) != repr(value):
            yield f"{name}: {value!r} of all data, {other[name]!r} at {cut.at_us}"
