"""What the catalogue's cases run on: a tape with every edge, put in as the storage service does, and read plainly.

Trades across midnight with pauses, one on the exact edge of a minute, a quote in the very millisecond of a trade, a
hole, a late row received long after its time; one batch is sent twice under one token.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from tests.sql.rows import KEY, assign_buckets, books_table, trades_table
from tests.sql.tape import EVENING_MS, Rows, random_books, random_trades

MINUTE_MS = 60_000
DECIMAL = pa.decimal128(38, 12)
SINCE = ("bid_added_quantity", "bid_cancelled_quantity", "ask_added_quantity", "ask_cancelled_quantity")


@dataclass(frozen=True, slots=True)
class Tape:
    """One symbol's rows, in exchange order; ``hole`` is (from_ms, to_ms) of an unrepaired gap in the trades."""

    symbol: str
    trades: Rows
    books: Rows
    quotes: Rows
    hole: tuple[int, int] | None

    def known_at(self, symbol: str, at_us: int, hole: tuple[int, int] | None) -> Tape:
        """The rows received by then, as another symbol's."""
        trades, books, quotes = (
            [row for row in rows if learnt(row) <= at_us] for rows in (self.trades, self.books, self.quotes)
        )
        return Tape(symbol, trades, books, quotes, hole)


def learnt(row: dict[str, Any]) -> int:
    """When the row was known, µs: received, and not before it happened, whatever the local clock said."""
    return max(row["received_at"], row["timestamp"] * 1000)


def make_tape(symbol: str, seed: int, count: int = 3000, bucket_volume: int = 25, pace: int = 1) -> Tape:
    """A tape of ``count`` trades from about 23:00, books and changes of the best, with the edges named above.

    ``pace`` spreads trades and books over that many times the time (1: about a second a trade).
    """
    rng = random.Random(seed)
    trades = random_trades(seed, count, EVENING_MS + 45 * MINUTE_MS - count * 250 * pace, pace)
    edge = trades[count // 3]
    shift = -edge["timestamp"] % MINUTE_MS  # this trade stands on the first millisecond of a minute
    for row in trades[count // 3 :]:
        row["timestamp"] += shift
        row["received_at"] += shift * 1000
    trades[count // 2]["late"] = True
    trades[count // 2]["received_at"] += 45_000_000
    trades = assign_buckets(trades, Decimal(bucket_volume))
    for row in trades:
        row["received_at"] += rng.randrange(60_000)
    books = random_books(seed + 1, trades, pace=pace)
    for row in books:
        row["received_at"] += rng.randrange(40_000)
        row["since"] = [rng.randrange(1000) / 16 for _ in SINCE]
        row["ofi"] = [rng.randrange(-1000, 1000) / 16 for _ in range(5)]
        depth = rng.randrange(15, 30)
        for side, sign in (("bids", -1), ("asks", 1)):
            if row[side]:
                best = row[side][0][0]
                row[side] = [(best + sign * level / 2, rng.randrange(1, 90) / 8) for level in range(depth)]
    quotes = []
    for row in books[::2] if seed % 2 else []:
        if row["asks"]:
            at = row["timestamp"] + rng.choice((0, 10, 50))
            quotes.append({**row, "timestamp": at, "received_at": at * 1000 + 4000, "sequence": row["sequence"] * 10})
    if quotes:  # a quote of the very millisecond of a trade is not before it
        quotes[7]["timestamp"] = next(t["timestamp"] for t in trades if t["timestamp"] > quotes[7]["timestamp"])
    start = trades[2 * count // 3]["timestamp"]
    return Tape(symbol, trades, books, sorted(quotes, key=lambda row: row["timestamp"]), (start, start + 70_000))


def book_rows(tape: Tape, **key: str) -> pa.Table:
    """The Arrow batch of the tape's books with what happened since the row before."""
    table = books_table(tape.books, tape.symbol, **key)

    def put(name: str, values: pa.Array) -> None:
        nonlocal table
        table = table.set_column(table.schema.get_field_index(name), name, values)

    for position, name in enumerate(SINCE):
        put(name, pa.array([row["since"][position] for row in tape.books]))
    put("ofi_l1", pa.array([row["ofi"][0] for row in tape.books]))
    put("ofi_l5", pa.array([row["ofi"] for row in tape.books], pa.list_(pa.float64())))
    return table


def quote_rows(tape: Tape, **key: str) -> pa.Table:
    """The Arrow batch of the changes of the best."""
    words = {**KEY, **key, "symbol": tape.symbol, "data_source": "marketprism"}
    rows = tape.quotes

    def whole(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array([row[name] for row in rows], kind)

    def best(side: str, part: int) -> pa.Array:
        return pa.array([Decimal(repr(row[side][0][part])) for row in rows], DECIMAL)

    return pa.table(
        {
            **{name: pa.array([word] * len(rows)) for name, word in words.items()},
            "timestamp": whole("timestamp", pa.int64()).cast(pa.timestamp("ms", "UTC")),
            "received_at": whole("received_at", pa.int64()).cast(pa.timestamp("us", "UTC")),
            "sequence": whole("sequence", pa.uint64()),
            "last_update_id": whole("sequence", pa.uint64()),
            "bid_price": best("bids", 0),
            "bid_quantity": best("bids", 1),
            "ask_price": best("asks", 0),
            "ask_quantity": best("asks", 1),
            "stream_seq": whole("sequence", pa.uint64()),
        }
    )


def insert(client: Any, tape: Tape, **key: str) -> None:
    """Put the tape in, the trades in five batches with tokens, the third of them twice."""
    size = -(-len(tape.trades) // 5)
    batches = [tape.trades[start : start + size] for start in range(0, len(tape.trades), size)]
    for number, batch in enumerate(batches):
        for _ in range(2 if number == 2 else 1):
            client.insert_arrow(
                "marketprism_hot.trades",
                trades_table(batch, tape.symbol, **key),
                settings={
                    "insert_deduplication_token": f"{tape.symbol}{key}{number}",
                    "deduplicate_blocks_in_dependent_materialized_views": 1,
                    "async_insert": 0,
                },
            )
    insert_quiet(client, [tape], **key)


def insert_quiet(client: Any, tapes: Sequence[Tape], **key: str) -> None:
    """Books, quotes and holes of the tapes, each kind in one batch."""
    for table, make in (("orderbooks", book_rows), ("best_quotes", quote_rows)):
        rows = [made for tape in tapes if (made := make(tape, **key)).num_rows]
        if rows:
            client.insert_arrow(f"marketprism_hot.{table}", pa.concat_tables(rows))
    for tape in tapes:
        if tape.hole is not None:
            _insert_hole(client, tape.symbol, tape.hole, key)


def _insert_hole(client: Any, symbol: str, hole: tuple[int, int], key: dict[str, str]) -> None:
    start, end = (f"'{dt.datetime.fromtimestamp(at / 1000, dt.UTC):%F %T}'" for at in hole)
    words = {**KEY, **key, "symbol": symbol, "data_source": "marketprism", "of_type": "trades", "cause": "sequence"}
    client.command(
        f"INSERT INTO marketprism_hot.gaps ({', '.join(words)}, timestamp, received_at, sequence, from_sequence, "
        "to_sequence, from_time, to_time, repaired, stream_seq) VALUES "
        f"({', '.join(repr(word) for word in words.values())}, {start}, {end}, 1, 1, 2, {start}, {end}, false, 1)"
    )


def minute(timestamp_ms: int) -> dt.datetime:
    """The start of the minute, as ClickHouse answers it: UTC, without saying so."""
    return dt.datetime.fromtimestamp(timestamp_ms // MINUTE_MS * 60, dt.UTC).replace(tzinfo=None)


def epoch_us(at: dt.datetime) -> int:
    """Microseconds since 1970 of a time as ClickHouse answers it."""
    return round((at - dt.datetime(1970, 1, 1)) / dt.timedelta(microseconds=1))


def by_minute(rows: Sequence[dict[str, Any]]) -> dict[dt.datetime, Rows]:
    """Minute → its rows, in order."""
    out: dict[dt.datetime, Rows] = defaultdict(list)
    for row in rows:
        out[minute(row["timestamp"])].append(row)
    return dict(sorted(out.items()))


def touched(tape: Tape, at: dt.datetime) -> bool:
    """Whether the hole touches the minute."""
    if tape.hole is None:
        return False
    start, end = (stamp // 1000 * 1000 for stamp in tape.hole)
    return minute(start) <= at <= minute(end)


def quoted(tape: Tape, horizon_ms: int = 5000) -> Rows:
    """The trades with ``before`` and ``later`` as (bid, ask) or None, by searching the changes of the best."""
    changes = [(row["timestamp"], row["sequence"], row) for row in [*tape.books, *tape.quotes]]
    changes.sort(key=lambda change: change[:2])
    times = np.array([change[0] for change in changes])

    def quote(position: int, at: int) -> tuple[float, float] | None:
        if position < 0 or at - times[position] > 60_000 or not changes[position][2]["asks"]:
            return None
        return changes[position][2]["bids"][0][0], changes[position][2]["asks"][0][0]

    out = []
    for row in tape.trades:
        at = row["timestamp"]
        before = quote(int(np.searchsorted(times, at, side="left")) - 1, at)
        later = quote(int(np.searchsorted(times, at + horizon_ms, side="right")) - 1, at + horizon_ms)
        out.append({**row, "before": before, "later": later if before else None})
    return out


def same(value: Any, expected: Any, rel: float = 1e-9, absolute: float = 1e-15) -> bool:
    """Equal within a tolerance, or both absent; NaN equals nothing."""
    if value is None or expected is None:
        return value is expected
    return bool(abs(float(value) - float(expected)) <= max(absolute, rel * abs(float(expected))))
