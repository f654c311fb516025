"""A view narrowed to a stretch of time, so that reading a day of it does not cost the whole history.

A view with windows reads its range form (``<view>_between``) over all of time; a filter on the view itself would be
applied after the windows. The range form is read from so far back that every window of the stretch is whole.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from marketprism.clickhouse import FEATURES

GRAINS: Final = ("ts_1s", "timestamp", "bucket_id", "ts_1m", "ts_1h", "day", "run_ts")
"""Columns that order the rows of a view in time; of several the first counts."""
_FORMS: Final = {
    "unified_features_by_bucket": "unified_features_since",
    "quoted_trades": "quoted_trades_settled_between",
}
_LOOK_BACK_BUCKETS: Final = 190
_LOOK_BACK: Final = dt.timedelta(days=1)
_SEARCH: Final = dt.timedelta(days=7)
"""How far before a stretch its look-back is searched for: an instrument idle for longer warms up anew."""
Key = tuple[str, str, str]
"""(exchange, market_type, symbol)."""
KEYED: Final = "(exchange, market_type, symbol) IN {keys:Array(Tuple(String, String, String))}"
"""The condition that keeps the instruments of the parameter ``keys``."""


@dataclass(frozen=True, slots=True)
class Form:
    """What to read instead of a view: itself, or its range form with these parameters."""

    view: str
    name: str
    parameters: tuple[str, ...]
    grain: str
    """The column that orders its rows in time; empty when it has none."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a read begins: a bucket's id (0 where buckets do not matter), and the instant, UTC."""

    bucket: int
    at: dt.datetime


def form_of(client: Any, view: str, columns: list[str]) -> Form:
    """How to read a stretch of ``view``, which has ``columns``."""
    grain = next((name for name in GRAINS if name in columns), "")
    name = _FORMS.get(view, f"{view}_between")
    selects = {
        table: (select, tuple(parameters))
        for table, select, parameters in client.query(
            "SELECT name, as_select, parameterized_view_parameters.1 FROM system.tables "
            "WHERE database = {database:String} AND name IN ({view:String}, {name:String})",
            parameters={"database": FEATURES, "name": name, "view": view},
        ).result_rows
    }
    (mine, _), (theirs, parameters) = selects.get(view, ("", ())), selects.get(name, ("", ()))
    return Form(view, name, parameters, grain) if _is_all_of(mine, name, theirs) else Form(view, view, (), grain)


def _is_all_of(select: str, form: str, select_of_form: str) -> bool:
    """Whether a view's SELECT only reads its range form, or is that form's own with literals for its parameters."""
    of_form = re.sub(r"\\\{\w+:.+?\\\}", "[^(),{}]+", re.escape(select_of_form))
    whole = rf"SELECT \*\s+FROM `?{FEATURES}`?\.`?{form}`?\([^()]*\)"
    return any(re.fullmatch(pattern, select) for pattern in (whole, of_form) if pattern)


def reach(client: Any, form: Form, first: dt.datetime, keys: Sequence[Key] | None = None) -> Reach:
    """Where to begin so that windows at ``first`` (a midnight) are whole for these instruments (None: for all)."""
    if "from_bucket" in form.parameters:
        bucket = _oldest(client, _OLDEST_BUCKET, first, keys) or int(f"{first:%Y%m%d}000000")
        return Reach(bucket, dt.datetime.strptime(str(bucket)[:8], "%Y%m%d"))
    if "from_ts" in form.parameters:
        start = first - _LOOK_BACK
        return Reach(0, (_oldest(client, _OLDEST_MINUTE, start, keys) or start).replace(tzinfo=None))
    return Reach(0, first.replace(tzinfo=None))


def source(form: Form, start: Reach, last: dt.datetime) -> str:
    """What to put behind FROM for rows up to ``last``, exchange time.

    It has rows from ``start`` on, and those before the ``first`` that ``reach`` was asked for are not whole. A ``last``
    that is a midnight ends the stretch: of the day that begins there only what closes the day before is read.
    """
    if not form.parameters:
        return f"{FEATURES}.{form.name}"
    from_ts = f"'{start.at:%Y-%m-%d %H:%M:%S}'"
    known = {
        "from_bucket": str(start.bucket),
        "to_bucket": f"{last:%Y%m%d}{999999 if last.time() else 1:06d}",
        "newest": "0",
        "since": from_ts,
        "from_ts": from_ts,
        "to_ts": f"'{last:%Y-%m-%d %H:%M:%S}'",
        **dict.fromkeys(("exchange", "market_type", "symbol"), "''"),
    }
    return f"{FEATURES}.{form.name}({', '.join(f'{name} = {known[name]}' for name in form.parameters)})"


def at_or_after(form: Form, first: dt.datetime) -> str:
    """The condition that keeps rows from ``first`` (a midnight) on."""
    return f"v.{form.grain} >= {_instant(form, first)}"


def before(form: Form, end: dt.datetime) -> str:
    """The condition that keeps rows before ``end`` (a midnight)."""
    return f"v.{form.grain} < {_instant(form, end)}"


def _instant(form: Form, midnight: dt.datetime) -> str:
    if form.grain == "bucket_id":
        return f"{midnight:%Y%m%d}000000"
    return f"toDate('{midnight:%Y-%m-%d}')" if form.grain == "day" else f"toDateTime('{midnight:%Y-%m-%d}', 'UTC')"


def _oldest(client: Any, query: str, end: dt.datetime, keys: Sequence[Key] | None) -> Any:
    """The answer of one of the queries below; None when there is nothing before ``end``."""
    since = end - _SEARCH
    bounds = {
        "bucket": f"bucket_id >= {since:%Y%m%d}000000 AND bucket_id < {end:%Y%m%d}000000",
        "minute": f"ts_1m >= toDateTime('{since:%Y-%m-%d}', 'UTC') AND ts_1m < toDateTime('{end:%Y-%m-%d}', 'UTC')",
        "keyed": "" if keys is None else f" AND {KEYED}",
    }
    parameters = {} if keys is None else {"keys": list(keys)}
    ((count, oldest),) = client.query(query.format_map(bounds), parameters=parameters).result_rows
    return oldest if count else None


# The 190th bucket of each instrument before the stretch, the oldest of them.
_OLDEST_BUCKET: Final = (
    "SELECT count(), min(oldest) FROM (SELECT arrayReverseSort(groupUniqArray(bucket_id))[least(uniqExact(bucket_id), "
    f"{_LOOK_BACK_BUCKETS})] AS oldest FROM {FEATURES}.bucket_flow WHERE {{bucket}}{{keyed}} "
    "GROUP BY exchange, market_type, symbol)"
)
# A minute of each instrument before the look-back: the first return in a window is from the minute before it.
_OLDEST_MINUTE: Final = (
    f"SELECT count(), min(oldest) FROM (SELECT max(ts_1m) AS oldest FROM {FEATURES}.trades_1m_state "
    "WHERE {minute}{keyed} GROUP BY exchange, market_type, symbol)"
)
