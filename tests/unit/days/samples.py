"""Live trades as the storage service would have stored them, for tests of days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from marketprism.events import TRADE_STORAGE_COLUMNS
from storage_service.buckets.book import DAY_MS, BucketBook
from storage_service.buckets.plan import DayPlan
from storage_service.days.engine import Engine
from storage_service.schema import stored, to_record_batch


def ms(text: str) -> int:
    """Milliseconds of an ISO time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def trade_row(symbol: str, sequence: int, time_ms: int, **changes: Any) -> dict[str, Any]:
    """One market trade without its buckets."""
    return {
        "timestamp": time_ms,
        "received_at": time_ms * 1000 + 50_000,
        "exchange": "binance",
        "market_type": "linear",
        "symbol": symbol,
        "sequence": sequence,
        "data_source": "marketprism",
        "trade_id": str(sequence),
        "trade_kind": "agg_trade",
        "price": f"{100 + sequence % 17 / 10:.1f}",
        "quantity": f"{1 + sequence % 5}.{sequence % 10}",
        "native_quantity": f"{1 + sequence % 5}.{sequence % 10}",
        "side": "buy" if sequence % 3 else "sell",
        "is_maker": sequence % 3 == 0,
        "trade_time": time_ms,
        "is_market": True,
        "first_trade_id": sequence,
        "last_trade_id": sequence,
        "tick_size": "0.1",
        "price_tick": 1000 + sequence % 17,
        "stream_seq": 1,
        "late": False,
        **changes,
    }


def store_live(engine: Engine, rows: Sequence[dict[str, Any]], plan: DayPlan, *, batches: int = 3) -> None:
    """Insert into hot as the storage service does: buckets folded batch by batch, one block a batch, views at work."""
    decimals = [column.name for column in stored("trades") if column.kind == "decimal"]
    types = {c.name: c.parsed for c in stored("trades") if c.name not in TRADE_STORAGE_COLUMNS} | {"late": pl.Boolean()}
    frame = pl.DataFrame(rows, schema=types).with_columns(pl.col(name).cast(pl.Decimal(38, 12)) for name in decimals)
    book = BucketBook()
    size = -(-frame.height // batches)
    for start in range(0, frame.height, size):
        part = frame[start : start + size]
        late = part["late"].to_numpy()
        book.open_days([(r.symbol, r.day, plan) for r in book.missing_days(part)])
        assigned = book.assign(part, late)
        columns = {
            "bucket_id": pl.Series(assigned.bucket_id),
            "bucket_cut": pl.Series(list(assigned.cut), dtype=pl.String),
            "bucket_t_max_ms": pl.Series(assigned.t_max_ms),
            "late": pl.Series(assigned.late),
        }
        batch = to_record_batch("trades", part.with_columns(**columns))
        engine.insert("marketprism_hot.trades", batch)


def day_number(text: str) -> int:
    """Days since the epoch of an ISO date."""
    return ms(text) // DAY_MS
