"""One book file → rows of ``orderbooks`` in a staging table, and what is to be said of the file.

Python only reshapes columns; the engine sorts, leaves out duplicates, and computes what happened between neighbouring
rows by the collector's definitions, as far as two snapshots can tell: order flow imbalance per rank, and the quantity
added and taken away at the prices that both rows show. Nothing is told across a gap.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from marketprism.clickhouse import COLD
from storage_service.days.content import Fingerprint, columns_of, row_hash
from storage_service.days.engine import STAGING, Engine, StatementRefused
from storage_service.days.install import COMPUTED, Symbol, quoted
from storage_service.days.lob.reading import ColumnMap, read_books
from storage_service.days.vision import FileFailed

GAP_MS: Final = 5_000
"""A longer time between two rows is a gap: a new segment of the panels begins."""
STALE_MS: Final = 3_000
GRID_MS: Final = 1_000
DAY_MS: Final = 86_400_000
_SPILL: Final = {"max_bytes_before_external_sort": 400_000_000, "max_bytes_before_external_group_by": 400_000_000}
_RAW: Final = """CREATE TABLE {table} (n UInt64, us Int64, ap Array(Float64), av Array(Float64), bp Array(Float64),
    bv Array(Float64)) ENGINE = MergeTree ORDER BY (us, n)"""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one (date, symbol): see the comments of ``marketprism_cold.lob_manifest`` for each."""

    rows: int
    levels: int
    outside_rows: int
    non_monotonic_rows: int
    duplicate_rows: int
    first_time: datetime
    last_time: datetime
    median_dt_ms: float
    p99_dt_ms: float
    crossed_ratio: float
    mean_spread_bps: float
    coverage: float

    @property
    def quality_score(self) -> float:
        """0 to 1: coverage, less the crossed share, less the share of rows that had to be put right."""
        wrong = self.outside_rows + self.non_monotonic_rows + self.duplicate_rows
        return self.coverage * (1 - self.crossed_ratio) * max(0.0, 1 - wrong / self.rows)


@dataclass(frozen=True, slots=True)
class StagedBooks:
    """Books of one day in ``table``, and their fingerprint over the columns that installing does not compute."""

    table: str
    statistics: Statistics
    content: Fingerprint


class BookStager:
    """Stages book files. ``latency_ms``: books of a file count as received this long after their time."""

    def __init__(self, engine: Engine, columns: ColumnMap, latency_ms: int) -> None:
        self._engine, self._map, self._latency_us = engine, columns, latency_ms * 1000
        self._columns = {
            name: kind for name, kind in columns_of(engine, f"{COLD}.orderbooks").items() if name != "created_at"
        }

    def stage(self, path: Path, symbol: Symbol, day: date) -> StagedBooks:
        """Raises FileFailed when the file is not what a day file of books is."""
        tag = hashlib.blake2b(f"{symbol} {day}".encode(), digest_size=8).hexdigest()
        raw, books = f"{STAGING}.lob_raw_{tag}", f"{STAGING}.lob_{tag}"
        try:
            self._engine.run(f"DROP TABLE IF EXISTS {raw} SYNC")
            self._engine.run(_RAW.format(table=raw))
            for batch in read_books(path, self._map):
                self._engine.insert(raw, batch)
            self._make_books(raw, books, symbol, day)
            return StagedBooks(books, self._statistics(raw, books, path, day), self._content(books))
        except StatementRefused as error:
            self._engine.run(f"DROP TABLE IF EXISTS {books} SYNC")
            raise FileFailed(f"{path.name} has values that no book has: {error}") from error
        except FileFailed:
            self._engine.run(f"DROP TABLE IF EXISTS {books} SYNC")
            raise
        finally:
            self._engine.run(f"DROP TABLE IF EXISTS {raw} SYNC")

    def _make_books(self, raw: str, books: str, symbol: Symbol, day: date) -> None:
        self._engine.run(f"DROP TABLE IF EXISTS {books} SYNC")
        lines = ", ".join(f"`{name}` {kind}" for name, kind in self._columns.items())
        self._engine.run(f"CREATE TABLE {books} ({lines}) ENGINE = MergeTree ORDER BY sequence")
        exchange, market_type, name = (quoted(part) for part in symbol)
        start = _midnight_us(day)
        names = ", ".join(f"`{column}`" for column in self._columns)
        fixed = {"exchange": exchange, "market_type": market_type, "symbol": name, "latency_us": str(self._latency_us)}
        chosen = ", ".join(f"{text.format(**fixed)} AS `{column}`" for column, text in _BOOK.items())
        inside = f"us >= {start} AND us < {start + DAY_MS * 1000}"
        self._engine.run(
            f"INSERT INTO {books} ({names}) SELECT {names} FROM (SELECT {chosen} FROM "
            f"({_NEIGHBOURS.format(rows=_ROWS.format(raw=raw, inside=inside), gap_us=GAP_MS * 1000)}))",
            settings=_SPILL,
        )

    def _statistics(self, raw: str, books: str, path: Path, day: date) -> Statistics:
        start = _midnight_us(day)
        inside = f"us >= {start} AND us < {start + DAY_MS * 1000}"
        rows, levels, outside, early, twice = self._engine.rows(
            f"SELECT count(), max(greatest(length(ap), length(bp))), countIf(NOT ({inside})), countIf(us < before), "
            f"count() - uniqExact(us) FROM (SELECT n, us, ap, bp, lagInFrame(us, 1, us) OVER "
            f"(ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before FROM {raw})"
        )[0]
        first, last, kept, bad = self._engine.rows(
            f"SELECT min(timestamp), max(timestamp), count(), countIf(NOT ({_PLAUSIBLE})) FROM {books}"
        )[0]
        if not kept:
            raise FileFailed(f"{path.name} has no row of {day}; its first folder says which day it is of")
        if bad:
            raise FileFailed(f"{path.name}: {bad} rows have prices or quantities that cannot be; left out whole")
        median, p99 = self._engine.rows(
            "SELECT quantilesExactInclusive(0.5, 0.99)((s - before) / 1000) FROM (SELECT toInt64(sequence) AS s, "
            "lagInFrame(toInt64(sequence), 1, 0) OVER (ORDER BY sequence ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) "
            f"AS before FROM {books}) WHERE before != 0"
        )[0][0] or (0.0, 0.0)
        crossed, spread = self._engine.rows(
            "SELECT countIf(bid >= ask) / nullIf(count(), 0), "
            "avgIf((ask - bid) / ((ask + bid) / 2) * 10000, bid < ask) "
            "FROM (SELECT toFloat64(best_bid_price) AS bid, toFloat64(best_ask_price) AS ask "
            f"FROM {books} WHERE best_bid_price > 0 AND best_ask_price > 0)"
        )[0]
        covered = self._engine.rows(
            f"SELECT uniqExact(arrayJoin(range(cell, intDiv(newest + {STALE_MS}, {GRID_MS}) + 1)) AS point) "
            f"FROM (SELECT intDiv(toUnixTimestamp64Milli(timestamp) + {GRID_MS - 1}, {GRID_MS}) AS cell, "
            f"least(max(toUnixTimestamp64Milli(timestamp)), {start // 1000 + DAY_MS - 1 - STALE_MS}) AS newest "
            f"FROM {books} GROUP BY cell)"
        )[0][0]
        return Statistics(
            int(rows),
            int(levels),
            int(outside),
            int(early),
            int(twice),
            first,
            last,
            _number(median),
            _number(p99),
            _number(crossed),
            _number(spread),
            int(covered) * GRID_MS / DAY_MS,
        )

    def _content(self, books: str) -> Fingerprint:
        compared = {name: kind for name, kind in self._columns.items() if name not in COMPUTED}
        rows, total = self._engine.rows(f"SELECT count(), sum({row_hash(compared)}) FROM {books}")[0]
        return Fingerprint(int(rows), int(total))


def _midnight_us(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


def _number(value: float | None) -> float:
    """NaN of an empty average, NULL of an empty share: 0."""
    return 0.0 if value is None or value != value else float(value)


_PLAUSIBLE: Final = (
    "best_bid_price < 1000000000000 AND best_ask_price < 1000000000000 AND best_bid_quantity < 1000000000000000000 "
    "AND best_ask_quantity < 1000000000000000000"
)

# Rows of the day, the last of those that share a time, without the levels that are absent.
_ROWS: Final = """SELECT us, length(bp) AS shown,
    arrayFilter((price, quantity) -> price > 0 AND quantity > 0, ap, av) AS asks,
    arrayFilter((quantity, price) -> price > 0 AND quantity > 0, av, ap) AS asked,
    arrayFilter((price, quantity) -> price > 0 AND quantity > 0, bp, bv) AS bids,
    arrayFilter((quantity, price) -> price > 0 AND quantity > 0, bv, bp) AS bid
FROM (SELECT * FROM {raw} WHERE {inside} ORDER BY us, n DESC LIMIT 1 BY us)"""

# Each row beside the one before; `chained` when that is no gap away.
_NEIGHBOURS: Final = """SELECT *, before_us != 0 AND us - before_us <= {gap_us} AS chained,
    if(length(bids) < shown OR length(old_bids) < shown, 0, greatest(bids[-1], old_bids[-1])) AS bid_floor,
    if(length(asks) < shown OR length(old_asks) < shown, inf, least(asks[-1], old_asks[-1])) AS ask_ceiling,
    arrayMap(r -> (bids[r] >= old_bids[r]) * bid[r] - (bids[r] <= old_bids[r]) * old_bid[r]
        - (key(asks, r) <= key(old_asks, r)) * asked[r] + (key(asks, r) >= key(old_asks, r)) * old_asked[r],
        range(1, 6)) AS flow
FROM (SELECT *, lagInFrame(us) OVER w AS before_us, lagInFrame(asks) OVER w AS old_asks,
    lagInFrame(asked) OVER w AS old_asked, lagInFrame(bids) OVER w AS old_bids, lagInFrame(bid) OVER w AS old_bid
    FROM ({rows}) WINDOW w AS (ORDER BY us ROWS BETWEEN 1 PRECEDING AND CURRENT ROW))""".replace(
    "key(asks, r)", "if(r > length(asks), inf, asks[r])"
).replace("key(old_asks, r)", "if(r > length(old_asks), inf, old_asks[r])")


def _moved(prices: str, held: str, other_prices: str, other: str, within: str) -> str:
    """Quantity that ``prices`` have more than ``other_prices``, at prices that both rows show."""
    there = f"indexOf({other_prices}, p)"
    return (
        f"if(chained, arraySum((p, q) -> if({within}, greatest(q - if({there} = 0, 0, {other}[{there}]), 0), 0), "
        f"{prices}, {held}), 0)"
    )


_ABOVE, _BELOW = "p >= bid_floor", "p <= ask_ceiling"
_BOOK: Final = {
    "timestamp": "fromUnixTimestamp64Milli(intDiv(us, 1000), 'UTC')",
    "received_at": "fromUnixTimestamp64Micro(us + {latency_us}, 'UTC')",
    "exchange": "{exchange}",
    "market_type": "{market_type}",
    "symbol": "{symbol}",
    "sequence": "toUInt64(us)",
    "data_source": "'import'",
    "last_update_id": "toUInt64(us)",
    "best_bid_price": "toDecimal128(toString(bids[1]), 12)",
    "best_ask_price": "toDecimal128(toString(asks[1]), 12)",
    "best_bid_quantity": "toDecimal128(toString(bid[1]), 12)",
    "best_ask_quantity": "toDecimal128(toString(asked[1]), 12)",
    "bids_count": "length(bids)",
    "asks_count": "length(asks)",
    "bid_prices": "bids",
    "bid_quantities": "bid",
    "ask_prices": "asks",
    "ask_quantities": "asked",
    "updates": "1",
    "ofi_l1": "if(chained, flow[1], 0)",
    "ofi_l5": "if(chained, flow, [0., 0., 0., 0., 0.])",
    "bid_added_quantity": _moved("bids", "bid", "old_bids", "old_bid", _ABOVE),
    "bid_cancelled_quantity": _moved("old_bids", "old_bid", "bids", "bid", _ABOVE),
    "ask_added_quantity": _moved("asks", "asked", "old_asks", "old_asked", _BELOW),
    "ask_cancelled_quantity": _moved("old_asks", "old_asked", "asks", "asked", _BELOW),
    "stream_seq": "0",
}
"""Column of ``orderbooks`` → expression over a row and the one before."""
