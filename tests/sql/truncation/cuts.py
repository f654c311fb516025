"""Data as it stood at an instant: the rows received until then, and what of a feature was available by then.

The law: a row that the whole data calls available at T is the same row in data that end at T. Each cut is a symbol of
its own in one engine, so a cut costs an insert and not a database; what leaks across symbols, the linter refuses.

A row is received when it happened, or later: where the local clock is behind the exchange's (``slow_clock``), the
receipt says less than the row's own time.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from tests.sql.catalogue_tape import Tape, epoch_us, insert, insert_quiet, learnt
from tests.sql.rows import KEY, trades_table

EXEMPT = {
    "serving_features": "what is served now, of tables that are the newest row of features tested here",
    "unified_features_1s_between": "parameters; unified_features_1s reads it",
    "unified_features_since": "parameters; unified_features_by_bucket reads it",
    "unified_features_1m_between": "parameters; unified_features_1m reads it",
    "serving_state": "what is served now; serving_transitions has since",
    "gap_minutes": "says which holes are known now; its readers turn it into quality",
    "excluded_intervals": "stretches of time, with known_at",
    "quoted_trades_between": "parameters; quoted_trades reads it",
    "unified_buckets_between": "parameters; unified_buckets reads it",
    "bucket_impact_between": "parameters; vpin_by_bucket and kyle_lambda_by_bucket read it",
    "mid_by_bucket_between": "parameters; mid_by_bucket reads it",
    "unified_features_between": "parameters; unified_features_by_bucket reads it",
    "unified_features_last": "parameters; the rows of unified_features_by_bucket",
    "quoted_trades_settled_between": "parameters; quoted_trades reads it",
    "agg_trades_by": "parameters; sums of agg_trades_1m",
    "grid_panel": "parameters; grid_panel_between with the usual limits",
    "panel_ranks_between": "one symbol's rank is of all; test_panel_known dates it",
    "book_days_between": "whole days, known when they are over",
    "tradable_universe": "days before the day; its own test changes the day itself",
    "footprint_candidates_at": "as of its parameter",
    "dynamic_levels": "as of its parameter",
}
PANEL = (
    "exchange = 'binance', market_type = 'spot', symbols = {symbols:Array(String)}, "
    "from_ts = {from_ts:DateTime64(3, 'UTC')}, to_ts = {to_ts:DateTime64(3, 'UTC')}, grid_ms = 2000, stale_ms = 3000, "
    "gap_ms = 5000, carry_ms = 60000, segments_before = []"
)
SYMBOL = "exchange = 'binance', market_type = 'spot', symbol = {symbol:String}"
PANELS = {
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
}
"""The same, read for one symbol."""
OF_INSTRUMENT = {"reference_venues": "canonical"}
"""Views of instruments, not symbols, and the column that names one: a cut's instrument bears the name of its symbol."""
KEYS = ("bucket_id", "bucket_seq", "ts", "ts_1m", "ts_1h", "timestamp", "sequence", "day", "tick_size", "px_bin")
Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]


SLOW_US = 1_270_000
"""How far the recorder's clock was behind in the recordings of 2024-08-08."""


def slow_clock(tape: Tape) -> Tape:
    """The tape with a local clock that is behind for its middle third; rows that were late stay so."""
    times = sorted(row["timestamp"] for row in tape.trades)
    first, last = times[len(times) // 3], times[2 * len(times) // 3]

    def slowed(row: dict[str, Any]) -> dict[str, Any]:
        behind = SLOW_US if first <= row["timestamp"] <= last and not row.get("late") else 0
        return {**row, "received_at": row["received_at"] - behind}

    trades, books, quotes = ([slowed(row) for row in rows] for rows in (tape.trades, tape.books, tape.quotes))
    return replace(tape, trades=trades, books=books, quotes=quotes)


@dataclass(frozen=True, slots=True)
class Cut:
    """A symbol that holds what had been received by ``at_us``."""

    symbol: str
    at_us: int


def make_cuts(client: Any, tape: Tape, count: int, seed: int) -> list[Cut]:
    """Insert the whole tape and ``count`` truncated copies, at random instants between its first and last receipt."""
    insert(client, tape)
    rng = random.Random(seed)
    excluded = _exclusion(tape)
    late = next(row for row in tape.trades if row["late"])
    receipts = sorted(learnt(row) for row in tape.trades)
    cuts, parts = [], []
    for number in range(count):
        at = rng.randrange(receipts[len(receipts) // 8], receipts[-1])
        if number % 4 == 0:
            at = rng.choice(receipts)  # an instant on which something became known
        if number % 4 == 1:  # a late row is still on its way, later ones are there
            at = rng.randrange(late["timestamp"] * 1000 + 5_000_000, late["received_at"])
        hole = tape.hole if tape.hole[1] * 1000 <= at else None
        cuts.append(Cut(f"{tape.symbol}{number}", at))
        parts.append(tape.known_at(cuts[-1].symbol, at, hole))
    trades = pa.concat_tables([trades_table(part.trades, part.symbol) for part in parts])
    client.insert_arrow("marketprism_hot.trades", trades)
    name_instruments(client, [tape.symbol, *(cut.symbol for cut in cuts)])
    insert_quiet(client, parts)
    known = [tape.symbol, *(cut.symbol for cut in cuts if excluded["created_at"] * 1_000_000 <= cut.at_us)]
    rows = "\n".join(json.dumps({**excluded, "symbol": symbol}) for symbol in known)
    client.command(f"INSERT INTO marketprism_features.excluded_by_hand FORMAT JSONEachRow {rows}")
    return cuts


def name_instruments(client: Any, symbols: Sequence[str]) -> None:
    """Metadata, known before anything was traded: an instrument for each symbol, of its own name."""
    rows = "\n".join(json.dumps({**KEY, "symbol": name, "canonical": name, "sequence": 1}) for name in symbols)
    client.command(f"INSERT INTO marketprism_hot.instruments FORMAT JSONEachRow {rows}")


def _exclusion(tape: Tape) -> dict[str, Any]:
    """The first six seconds of books after the longest pause of them, excluded by a person ten minutes later."""
    times = sorted(row["timestamp"] for row in tape.books)
    _, _, start = max((later - at, -later, later) for at, later in itertools.pairwise(times))
    at = start // 1000
    return {**KEY, "from_time": at, "to_time": at + 6, "reason": "told late", "created_at": at + 600}


def catalogue(client: Any, database: str = "marketprism_features") -> dict[str, list[str]]:
    """View → its columns, of every plain view; one that relays raw rows (with their stream_seq) is no feature."""
    rows = client.query(
        "SELECT table, groupArray(name) FROM (SELECT table, name FROM system.columns "
        f"WHERE database = '{database}' ORDER BY table, position) "
        f"WHERE table IN (SELECT name FROM system.tables WHERE database = '{database}' AND engine = 'View') "
        "GROUP BY table ORDER BY table"
    ).result_rows
    return {table: columns for table, columns in rows if table not in EXEMPT and "stream_seq" not in columns}


def parameterised(client: Any, database: str = "marketprism_features") -> set[str]:
    """Views with parameters that are no range form of a view in the catalogue."""
    (rows,) = client.query(
        f"SELECT groupArray(name) FROM system.tables WHERE database = '{database}' "
        "AND notEmpty(parameterized_view_parameters)"
    ).result_rows
    return {name for name in rows[0] if name.removesuffix("_between") not in catalogue(client)}


def read_with(client: Any, view: str, tape: Tape, cuts: Sequence[Cut]) -> dict[str, Rows]:
    """The same as ``read`` of a view of PANELS or OF_ONE."""
    symbols = [tape.symbol, *(cut.symbol for cut in cuts)]
    times = [row["timestamp"] for row in tape.trades]
    first, last = (dt.datetime.fromtimestamp(at // 1000, dt.UTC) for at in (times[0] - 5000, times[-1] + 5000))
    given = {"symbols": symbols, "day": first.date(), "from_ts": f"{first:%F %T}", "to_ts": f"{last:%F %T}"}
    out: dict[str, Rows] = {}
    for symbol in symbols if view in OF_ONE else [""]:
        arguments = OF_ONE.get(view) or PANELS[view]
        answer = client.query(
            f"SELECT *, available_at AS known_at FROM marketprism_features.{view}({arguments})",
            parameters={**given, "symbol": symbol},
        )
        _take(answer, out)
    return out


def read(client: Any, view: str, columns: list[str], tape: Tape) -> dict[str, Rows]:
    """Symbol → key → row with its ``available_us``; a view without available_at takes that of its bucket or minute."""
    name = OF_INSTRUMENT.get(view, "symbol")
    source, asked = f"marketprism_features.{view}", f"startsWith(v.{name}, '{tape.symbol}')"
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
    _take(client.query(select), out)
    return out


def _take(answer: Any, out: dict[str, Rows]) -> None:
    for row in answer.named_results():
        plain = {name.removeprefix("v."): value for name, value in row.items()}
        known = plain.pop("known_at")
        plain["available_us"] = epoch_us(known) if isinstance(known, dt.datetime) else None
        plain.pop("available_at", None)
        symbol = plain.pop("symbol")
        for name_of_cut in ("canonical", "reference_symbol"):
            plain.pop(name_of_cut, None)
        out.setdefault(symbol, {})[_key(plain)] = plain


def _key(row: Row) -> tuple[Any, ...]:
    """A second is its own key, whichever bucket it shows."""
    return (row["ts_1s"],) if "ts_1s" in row else tuple(row[name] for name in KEYS if name in row)


def differences(
    whole: dict[tuple[Any, ...], Row], part: dict[tuple[Any, ...], Row], cut: Cut, hole_us: int
) -> Iterator[str]:
    """What of ``whole`` was available at the cut and is not the same in ``part``.

    A hole becomes known when it ends: until then the rows it touches do not say ``gap``.
    """
    for key, row in whole.items():
        if row["available_us"] is None or row["available_us"] > cut.at_us:
            continue
        other = part.get(key)
        if other is None:
            yield f"{key} is absent"
            continue
        for name, value in row.items():
            if name == "quality" and value == "gap" and hole_us > cut.at_us:
                continue
            if repr(other[name]) != repr(value):
                yield f"{key} {name}: {value!r} of all data, {other[name]!r} at {cut.at_us}"
