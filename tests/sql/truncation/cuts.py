"""Data as it stood at an instant: the rows received until then, and what of a feature was available by then.

The law: a row that the whole data calls available at T is the same row in data that end at T. Each cut is a symbol of
its own in one engine, so a cut costs an insert and not a database; what leaks across symbols, the linter refuses.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tests.sql.catalogue_tape import Tape, epoch_us, insert, insert_quiet
from tests.sql.rows import trades_table

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
    "aligned_buckets_between": "parameters; its own test dates its rows",
    "vpin_exact": "parameters; read here as a feature of its own",
}
KEYS = ("bucket_id", "ts_1m", "ts_1h", "timestamp", "sequence", "day", "tick_size", "px_bin")
Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]


@dataclass(frozen=True, slots=True)
class Cut:
    """A symbol that holds what had been received by ``at_us``."""

    symbol: str
    at_us: int


def make_cuts(client: Any, tape: Tape, count: int, seed: int) -> list[Cut]:
    """Insert the whole tape and ``count`` truncated copies, at random instants between its first and last receipt."""
    insert(client, tape)
    rng = random.Random(seed)
    late = next(row for row in tape.trades if row["late"])
    receipts = sorted(row["received_at"] for row in tape.trades)
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
    insert_quiet(client, parts)
    return cuts


def catalogue(client: Any, database: str = "marketprism_features") -> dict[str, list[str]]:
    """View → its columns, of every plain view; one that relays raw rows (with their stream_seq) is no feature."""
    rows = client.query(
        "SELECT table, groupArray(name) FROM (SELECT table, name FROM system.columns "
        f"WHERE database = '{database}' ORDER BY table, position) "
        f"WHERE table IN (SELECT name FROM system.tables WHERE database = '{database}' AND engine = 'View') "
        "GROUP BY table ORDER BY table"
    ).result_rows
    return {table: columns for table, columns in rows if table not in EXEMPT and "stream_seq" not in columns}


def read(client: Any, view: str, columns: list[str], tape: Tape) -> dict[str, Rows]:
    """Symbol → key → row with its ``available_us``; a view without available_at takes that of its bucket or minute."""
    source, asked = f"marketprism_features.{view}", f"startsWith(v.symbol, '{tape.symbol}')"
    select = f"SELECT v.*, v.available_at AS known_at FROM {source} AS v WHERE {asked}"
    if "available_at" not in columns:
        key, clock = ("bucket_id", "unified_buckets") if "bucket_id" in columns else ("ts_1m", "trades_1m")
        select = (
            f"SELECT v.*, c.available_at AS known_at FROM {source} AS v INNER JOIN "
            f"(SELECT symbol, {key}, available_at FROM marketprism_features.{clock}) AS c USING (symbol, {key}) "
            f"WHERE {asked}"
        )
    out: dict[str, Rows] = {}
    for row in client.query(select).named_results():
        plain = {name.removeprefix("v."): value for name, value in row.items()}
        known = plain.pop("known_at")
        plain["available_us"] = epoch_us(known) if isinstance(known, dt.datetime) else None
        plain.pop("available_at", None)
        symbol = plain.pop("symbol")
        out.setdefault(symbol, {})[_key(plain)] = plain
    return out


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
