"""Limits of whale and retail trades: kept with the day from which they hold, and written into the minute view's SELECT.

The view on trades cannot look anything up (views never join, and a table may change between two batches). So its text
carries every limit with its days: the class of a trade follows from the trade alone, live rows and an archive's agree,
and what a minute was computed by is what the view says. Minutes that were stored before are not changed by a new limit:
it may hold from a day on of which nothing is stored, or its days are rebuilt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from marketprism.clickhouse import FEATURES
from marketprism.errors import QueryError

VIEW: Final = f"{FEATURES}.trades_1m_state_mv"
TABLE: Final = f"{FEATURES}.order_flow_thresholds"
_EPOCH: Final = date(1970, 1, 1)
_NAMES: Final = ("whale", "retail")
_COMPARISON: Final = re.compile(
    r"(?P<before>quote [<>]= toDecimal256\().*?(?P<after>, 24\)\)? AS (?P<name>whale|retail)\b)", re.DOTALL
)
"""As ClickHouse writes the view's text; nothing else of it is touched."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Quote units: ``whale`` or more, ``retail`` or less, from ``valid_from`` on (UTC day)."""

    valid_from: date = _EPOCH
    whale: int = 50_000
    retail: int = 1_000


def read_thresholds(client: Any) -> list[Thresholds]:
    """All that hold at some time, by day; the first holds from the beginning."""
    rows = client.query(
        f"SELECT valid_from, argMax(whale_quote, created_at), argMax(retail_quote, created_at) FROM {TABLE} "
        "GROUP BY valid_from ORDER BY valid_from"
    ).result_rows
    found = [Thresholds(day, int(whale), int(retail)) for day, whale, retail in rows]
    return found if found and found[0].valid_from == _EPOCH else [Thresholds(), *found]


def set_thresholds(client: Any, new: Thresholds, reason: str, *, over_stored: bool = False) -> list[date]:
    """Keep ``new`` and write it into the view; days whose stored minutes have other limits and must be rebuilt.

    Raises QueryError for limits that overlap, and for stored days unless ``over_stored``.
    """
    if not 0 < new.retail < new.whale < 10**18:
        raise QueryError(f"retail {new.retail}, whale {new.whale}: give 0 < retail < whale, in quote units")
    stored = client.query(
        f"SELECT DISTINCT toDate(ts_1m) AS day FROM {FEATURES}.trades_1m_state "
        "WHERE ts_1m >= {day:Date} ORDER BY day",
        parameters={"day": new.valid_from},
    ).result_rows
    days = [day for (day,) in stored]
    if days and not over_stored:
        raise QueryError(
            f"minutes of {len(days)} days from {days[0]} on have other limits; choose a later --from, "
            "or give --over-stored and rebuild these days"
        )
    client.insert(
        TABLE,
        [[new.valid_from, new.whale, new.retail, reason]],
        column_names=["valid_from", "whale_quote", "retail_quote", "reason"],
    )
    apply_thresholds(client)
    return days


def apply_thresholds(client: Any) -> bool:
    """Make the view say what the table does, as after a migration that made the view anew; whether it changed."""
    ((text,),) = client.query(
        "SELECT as_select FROM system.tables WHERE database || '.' || name = {view:String}", parameters={"view": VIEW}
    ).result_rows
    wanted = with_thresholds(text, read_thresholds(client))
    if wanted == text:
        return False
    client.command(f"ALTER TABLE {VIEW} MODIFY QUERY {wanted}")
    return True


def with_thresholds(select: str, thresholds: Sequence[Thresholds]) -> str:
    """The view's SELECT with these limits in place of those it has. Raises QueryError when it has none."""
    limits = {name: _limit([(each.valid_from, getattr(each, name)) for each in thresholds]) for name in _NAMES}
    text, seen = _COMPARISON.subn(lambda found: f"{found['before']}{limits[found['name']]}{found['after']}", select)
    if seen != len(_NAMES):
        raise QueryError(f"{VIEW} compares with {seen} limits in place of {len(_NAMES)}: this version is not known")
    return text


def _limit(by_day: Sequence[tuple[date, int]]) -> str:
    """The newest limit that holds at the trade's own time; equal neighbours are one."""
    changes = [pair for n, pair in enumerate(by_day) if n == 0 or pair[1] != by_day[n - 1][1]]
    if len(changes) == 1:
        return str(changes[0][1])
    cases = [f"timestamp >= toDateTime64('{day} 00:00:00', 3, 'UTC'), {limit}" for day, limit in reversed(changes[1:])]
    return f"multiIf({', '.join(cases)}, {changes[0][1]})"
