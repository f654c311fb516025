"""``marketprism_cold.lob_manifest``: what was found in each day file, and why a file was left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Final

import pyarrow as pa

from marketprism.clickhouse import COLD
from storage_service.days.engine import Engine
from storage_service.days.install import Symbol

TABLE: Final = f"{COLD}.lob_manifest"
Key = tuple[date, str, str]
"""Date, symbol and kind: a row of the manifest within one exchange and market."""
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_TIME: Final = pa.timestamp("ms", tz="UTC")
_COUNTS: Final = ("rows", "levels", "outside_rows", "non_monotonic_rows", "duplicate_rows")
_RATIOS: Final = (
    *("median_dt_ms", "p99_dt_ms", "crossed_ratio", "mean_spread_bps", "coverage", "quality_score"),
    *("trade_coverage", "median_trade_dt_ms"),
)
SCHEMA: Final = pa.schema(
    [
        pa.field("date", pa.date32(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in ("exchange", "market_type", "symbol", "kind")),
        *(pa.field(name, pa.string(), nullable=False) for name in ("path", "checksum", "state")),
        *(pa.field(name, pa.uint64(), nullable=False) for name in _COUNTS),
        *(pa.field(name, _TIME, nullable=False) for name in ("first_time", "last_time")),
        *(pa.field(name, pa.float64(), nullable=False) for name in _RATIOS),
        *(pa.field(name, pa.string(), nullable=False) for name in ("note", "error")),
    ]
)


@dataclass(slots=True)
class ManifestRow:
    """One row; ``kind`` is book or trades, ``state`` installed, failed or superseded (its day has better rows)."""

    date: date
    exchange: str
    market_type: str
    symbol: str
    kind: str
    path: str
    checksum: str = ""
    state: str = ""
    rows: int = 0
    levels: int = 0
    outside_rows: int = 0
    non_monotonic_rows: int = 0
    duplicate_rows: int = 0
    first_time: datetime = field(default=_EPOCH)
    last_time: datetime = field(default=_EPOCH)
    median_dt_ms: float = 0.0
    p99_dt_ms: float = 0.0
    crossed_ratio: float = 0.0
    mean_spread_bps: float = 0.0
    coverage: float = 0.0
    quality_score: float = 0.0
    trade_coverage: float = 0.0
    median_trade_dt_ms: float = 0.0
    note: str = ""
    error: str = ""

    @property
    def key(self) -> Key:
        """Within one exchange and market."""
        return self.date, self.symbol, self.kind


def read_manifest(engine: Engine, exchange: str, market_type: str) -> dict[Key, ManifestRow]:
    """The newest row of each (date, symbol, kind)."""
    rows = engine.rows(
        f"SELECT {', '.join(f'`{name}`' for name in SCHEMA.names)} FROM {TABLE} FINAL "
        "WHERE exchange = {e:String} AND market_type = {m:String}",
        {"e": exchange, "m": market_type},
    )
    found = [ManifestRow(**dict(zip(SCHEMA.names, row, strict=True))) for row in rows]
    return {row.key: row for row in found}


def write_manifest(engine: Engine, rows: Iterable[ManifestRow]) -> None:
    """Newer rows of their keys."""
    values = [asdict(row) for row in rows]
    if values:
        engine.insert(TABLE, pa.RecordBatch.from_pylist(values, schema=SCHEMA))


def trade_statistics(engine: Engine, symbol: Symbol, days: Iterable[date]) -> dict[date, tuple[float, float]]:
    """Day → (share of its seconds, closed on the right, in which trades happened; median ms between trades).

    Of trades from anywhere that bear features: an archive's and the live service's as well as imported ones.
    """
    shown = ", ".join(f"'{day}'" for day in sorted(days))
    if not shown:
        return {}
    exchange, market_type, name = symbol
    rows = engine.rows(
        "SELECT day, uniqExactIf(cell, cell > toUnixTimestamp(toDateTime(day, 'UTC'))) / 86400, "
        "ifNotFinite(quantileExactInclusiveIf(0.5)(ms - before, before != 0), 0) "
        "FROM (SELECT toDate(timestamp) AS day, "
        "toUnixTimestamp64Milli(timestamp) AS ms, intDiv(ms + 999, 1000) AS cell, "
        "lagInFrame(toUnixTimestamp64Milli(timestamp), 1, 0) OVER (PARTITION BY toDate(timestamp) "
        "ORDER BY sequence ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before FROM marketprism_features.all_trades "
        "WHERE exchange = {e:String} AND market_type = {m:String} AND symbol = {s:String} AND bucket_id != 0 "
        f"AND toDate(timestamp) IN ({shown})) GROUP BY day",
        {"e": exchange, "m": market_type, "s": name},
    )
    return {day: (float(coverage), float(median)) for day, coverage, median in rows}
