"""``marketprism_cold.archive_files``: what became of each file; a killed load goes on from here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa

from marketprism.clickhouse import COLD
from storage_service.days.engine import Engine
from storage_service.days.layouts import MARKETS
from storage_service.days.vision import ArchiveFile

TABLE: Final = f"{COLD}.archive_files"
EXCHANGE: Final = "binance"
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_TIME: Final = pa.timestamp("ms", tz="UTC")
_TEXT: Final = ("path", "exchange", "market_type", "symbol", "file_type", "interval", "period", "checksum", "state")
_NUMBERS: Final = ("rows", "duplicates", "outside", "first_id", "last_id", "missing_ids")
SCHEMA: Final = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in _TEXT),
        *(pa.field(name, pa.uint64(), nullable=False) for name in _NUMBERS),
        pa.field("first_time", _TIME, nullable=False),
        pa.field("last_time", _TIME, nullable=False),
        pa.field("content_hash", pa.uint64(), nullable=False),
        pa.field("note", pa.string(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
    ]
)


@dataclass(slots=True)
class Entry:
    """One row of the ledger."""

    path: str
    exchange: str
    market_type: str
    symbol: str
    file_type: str
    interval: str
    period: str
    checksum: str = ""
    state: str = ""
    rows: int = 0
    duplicates: int = 0
    outside: int = 0
    first_id: int = 0
    last_id: int = 0
    missing_ids: int = 0
    first_time: datetime = field(default=_EPOCH)
    last_time: datetime = field(default=_EPOCH)
    content_hash: int = 0
    note: str = ""
    error: str = ""

    @classmethod
    def of(cls, file: ArchiveFile) -> Entry:
        """Of a file that nothing is known of yet."""
        return cls(file.path, EXCHANGE, MARKETS[file.market], file.symbol, file.kind, file.interval, file.period)


def read_entries(engine: Engine, paths: Iterable[str]) -> dict[str, Entry]:
    """The newest row of each path that has one."""
    names = SCHEMA.names
    query = f"SELECT {', '.join(names)} FROM {TABLE} FINAL WHERE path IN {{paths:Array(String)}}"
    rows = engine.rows(query, {"paths": sorted(paths)})
    return {row[0]: Entry(**dict(zip(names, row, strict=True))) for row in rows}


def write_entries(engine: Engine, entries: Iterable[Entry]) -> None:
    """Newer rows of their paths."""
    rows = [asdict(entry) for entry in entries]
    if rows:
        engine.insert(TABLE, pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
