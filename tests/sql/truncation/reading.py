"""What of a feature was available by an instant: every view of the catalogue, read as rows by key.

A range form is read from the middle of the tape on: it may read less history before its range than the plain view.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from tests.sql.catalogue_tape import Tape, epoch_us
from tests.sql.rows import KEY
from tests.sql.tape import by_bucket
from tests.sql.truncation.cuts import Cut

EXEMPT = {
    "serving_features": "what is served now, of tables that are the newest row of features tested here",
    "serving_state": "what is served now; serving_transitions has since",
    "gap_minutes": "says which holes are known now; its readers turn it into quality",
    "excluded_intervals": "stretches of time, with known_at",
    "panel_ranks_between": "one symbol's rank is of all; test_panel_known dates it",
    "book_days_between": "whole days, known when they are over",
    "tradable_universe": "days before the day; its own test changes the day itself",
    "footprint_candidates_at": "as of its parameter: test_as_of",
    "dynamic_levels": "as of its parameter: test_as_of",
}
GRID = (
    "exchange = 'binance', market_type = 'spot', symbols = {symbols:Array(String)}, "
    "from_ts = {from_ts:DateTime64(3, 'UTC')}, to_ts = {to_ts:DateTime64(3, 'UTC')}, grid_ms = 10000"
)
PANEL = f"{GRID}, stale_ms = 9000, gap_ms = 15000, carry_ms = 60000, segments_before = []"
SYMBOL = "exchange = 'binance', market_type = 'spot', symbol = {symbol:String}"
PANELS = {
    "grid_panel": GRID,
    "grid_panel_between": f"{PANEL}, warm_rows = 0",
    "panel_factors_between": f"{PANEL}, window = 20",
    "execution_prices_between": f"{PANEL}, penalty_bps_per_s = 1.0",
}
"""Parameterised views that are read for the symbols of a stretch."""
OF_ONE = {
    "vpin_exact": f"{SYMBOL}, day = {{day:Date}}, bucket_volume = 7",
    "aligned_buckets_between": f"{SYMBOL}, reference_exchange = 'binance', reference_market_type = 'spot', "
    "reference_symbol = {symbol:String}, from_ts = {from_ts:DateTime64(3, 'UTC')}, "
    "to_ts = {to_ts:DateTime64(3, 'UTC')}",
    "unified_features_last": f"{SYMBOL}, n = 100",
}
"""The same, read for one symbol."""
OF_INSTRUMENT = {"reference_venues": "canonical"}
"""Views of instruments, not symbols, and the column that names one: a cut's instrument bears the name of its symbol."""
SETTLED = ("later", "later_bid", "later_ask", "is_settled", "settled_at")
"""Columns of ``quoted_trades_between`` that are known at its ``settled_at``; its readers take that."""
KEYS = ("bucket_id", "bucket_seq", "ts", "ts_1m", "ts_1h", "timestamp", "sequence", "day", "tick_size", "px_bin")
ONE_THREAD = {
    "max_threads": 1,
    "compile_expressions": 0,
    "compile_aggregate_expressions": 0,
    "compile_sort_description": 0,
}
"""Compiling and sharing out the widest views takes longer than reading them: 9.6 s of processor time against 5.5."""
Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]


def catalogue(client: Any, database: str = "marketprism_features") -> dict[str, list[str]]:
    """View → its columns, of every plain view; one that relays raw rows (with their stream_seq) is no feature."""
    rows = client.query(
        "SELECT table, groupArray(name) FROM (SELECT table, name FROM system.columns "
        f"WHERE database = '{database}' ORDER BY table, position) "
        f"WHERE table IN (SELECT name FROM system.tables WHERE database = '{database}' AND engine = 'View') "
        "GROUP BY table ORDER BY table"
    ).result_rows
    return {table: columns for table, columns in rows if table not in EXEMPT and "stream_seq" not in columns}


def parameterised(client: Any, database: str = "marketprism_features") -> dict[str, set[str]]:
    """View → its parameters, of every view with parameters that is not exempt."""
    rows = client.query(
        "SELECT name, parameterized_view_parameters.1 FROM system.tables "
        f"WHERE database = '{database}' AND notEmpty(parameterized_view_parameters) ORDER BY name"
    ).result_rows
    return {name: set(parameters) for name, parameters in rows if name not in EXEMPT}


def range_arguments(tape: Tape) -> dict[str, str]:
    """What every parameter of a range form is given: a stretch from a quarter of the tape on, of all symbols."""
    start = tape.trades[len(tape.trades) // 4]
    bucket = next(key for key, rows in by_bucket(tape.trades).items() if rows[0]["timestamp"] >= start["timestamp"])
    since, until = (
        f"'{dt.datetime.fromtimestamp(at // 1000, dt.UTC):%F %T}'"
        for at in (start["timestamp"], tape.trades[-1]["timestamp"] + 60_000)
    )
    return {
        "from_ts": since,
        "to_ts": until,
        "since": since,
        "from_bucket": str(bucket),
        "to_bucket": "99999999999999",
        "newest": "0",
        "minutes": "5",
        **dict.fromkeys((*KEY, "symbol"), "''"),
    }


def read(client: Any, view: str, columns: list[str], tape: Tape, given: str = "") -> dict[str, Rows]:
    """Symbol → key → row with its ``available_us``; a view without available_at takes that of its bucket or minute.

    ``given`` are the arguments of a view with parameters, in brackets.
    """
    name = OF_INSTRUMENT.get(view, "symbol")
    source, asked = f"marketprism_features.{view}{given}", f"startsWith(v.{name}, '{tape.symbol}')"
    named = "" if name == "symbol" else f"v.{name} AS symbol, "
    select = f"SELECT v.*, {named}v.available_at AS known_at FROM {source} AS v WHERE {asked}"
    if "available_at" not in columns:
        key, clock = ("bucket_id", "unified_buckets") if "bucket_id" in columns else ("ts_1m", "trades_1m")
        select = (
            f"SELECT v.*, c.available_at AS known_at FROM {source} AS v INNER JOIN "
            f"(SELECT symbol, {key}, available_at FROM marketprism_features.{clock}) AS c USING (symbol, {key}) "
            f"WHERE {asked}"
        )
    out: dict[str, Rows] = {}
    _take(client.query(select, settings=ONE_THREAD), out)
    return out


def read_range(client: Any, view: str, parameters: set[str], tape: Tape) -> dict[str, Rows]:
    """The same of a range form, from the middle of the tape on."""
    arguments = range_arguments(tape)
    given = f"({', '.join(f'{name} = {arguments[name]}' for name in sorted(parameters))})"
    columns = client.query(f"SELECT * FROM marketprism_features.{view}{given} LIMIT 0").column_names
    return read(client, view, list(columns), tape, given)


def read_with(client: Any, view: str, tape: Tape, cuts: Sequence[Cut], arguments: str = "") -> dict[str, Rows]:
    """The same of a view of PANELS or OF_ONE, or with these arguments; of these cuts."""
    arguments = arguments or {**PANELS, **OF_ONE}[view]
    symbols = [tape.symbol, *(cut.symbol for cut in cuts)]
    times = [row["timestamp"] for row in tape.trades]
    first, last = (dt.datetime.fromtimestamp(at // 1000, dt.UTC) for at in (times[0] - 5000, times[-1] + 5000))
    given = {"symbols": symbols, "day": first.date(), "from_ts": f"{first:%F %T}", "to_ts": f"{last:%F %T}"}
    out: dict[str, Rows] = {}
    for symbol in symbols if "{symbol:" in arguments else [""]:
        answer = client.query(
            f"SELECT *, available_at AS known_at FROM marketprism_features.{view}({arguments})",
            parameters={**given, "symbol": symbol},
            settings=ONE_THREAD,
        )
        _take(answer, out)
    return out


def _take(answer: Any, out: dict[str, Rows]) -> None:
    for row in answer.named_results():
        plain = {name.removeprefix("v."): value for name, value in row.items()}
        known = plain.pop("known_at")
        plain["available_us"] = epoch_us(known) if isinstance(known, dt.datetime) else None
        plain.pop("available_at", None)
        rows = out.setdefault(plain.pop("symbol"), {})
        for name_of_cut in ("canonical", "reference_symbol"):
            plain.pop(name_of_cut, None)
        if "settled_at" in plain:
            rows[*_key(plain), "settled"] = {**plain, "available_us": epoch_us(plain["settled_at"])}
            plain = {name: value for name, value in plain.items() if name not in SETTLED}
        rows[_key(plain)] = plain


def _key(row: Row) -> tuple[Any, ...]:
    """A second is its own key, whichever bucket it shows."""
    return (row["ts_1s"],) if "ts_1s" in row else tuple(row[name] for name in KEYS if name in row)
