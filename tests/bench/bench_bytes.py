"""Bytes a row of trades and books, hot and cold, against Parquet with zstd of the same columns and rows.

python -m tests.bench.bench_bytes [ROWS]

The rows are made up: trades at random prices of a narrow band (the worst case for that column), books around a walking
price of which a tenth of the levels changes each time. Both files hold them in the order of the table.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from marketprism.clickhouse import COLD, HOT
from storage_service.batching import accept, clean, finish
from storage_service.buckets.book import BucketBook
from storage_service.buckets.plan import SCALE, DayPlan
from storage_service.duplicates import judge_for
from storage_service.frames import Frame
from storage_service.schema import ipc_stream, stored, to_record_batch
from tests.bench.bench_storage import BATCH_FRAMES, make_frames
from tests.unit.storage.rig import Rig
from tests.unit.storage.samples import row

LEVELS = 20


def trade_bodies(rows: int) -> list[bytes]:
    """Insert bodies of trades in batches, as the service makes them."""
    frames = make_frames(rows)
    judge, book = judge_for("trades"), BucketBook()
    bodies = []
    for at in range(0, len(frames), BATCH_FRAMES):
        accepted = accept(*clean("trades", frames[at : at + BATCH_FRAMES]), judge, book)
        plan = DayPlan("trade", "volume", 20 * SCALE)
        book.open_days((request.symbol, request.day, plan) for request in accepted.missing_days)
        bodies.append(finish("trades", accepted, book).body)
    return bodies


def book_bodies(rows: int) -> list[bytes]:
    """Insert bodies of books: a walking price, and quantities of which one level in ten changes from book to book."""
    random = np.random.default_rng(5)
    ticks = 3_000_000 + np.cumsum(random.integers(-2, 3, rows))
    quantities = random.integers(1, 90_000, (2, LEVELS)) / 1e5
    made = []
    for number in range(rows):
        hit = random.random((2, LEVELS)) < 0.1
        quantities[hit] = random.integers(1, 90_000, int(hit.sum())) / 1e5
        at = int(ticks[number])
        moment = 1_700_000_000_000 + 100 * number
        flow = random.integers(-9_000, 9_000, 5) / 1e3
        changed = {
            "sequence": number + 1,
            "last_update_id": 10**9 + 7 * number,
            "best_bid_price": f"{at / 100:.2f}",
            "best_ask_price": f"{(at + 1) / 100:.2f}",
            "best_bid_quantity": f"{quantities[0, 0]:.5f}",
            "best_ask_quantity": f"{quantities[1, 0]:.5f}",
            "bids_count": LEVELS,
            "asks_count": LEVELS,
            "bid_prices": [(at - n) / 100 for n in range(LEVELS)],
            "ask_prices": [(at + 1 + n) / 100 for n in range(LEVELS)],
            "bid_quantities": quantities[0].tolist(),
            "ask_quantities": quantities[1].tolist(),
            "updates": int(random.integers(1, 40)),
            "ofi_l1": float(flow[0]),
            "ofi_l5": flow.tolist(),
        }
        made.append(row("orderbooks", timestamp=moment, received_at=moment * 1000 + 900 + number % 777, **changed))
    bodies = []
    for at in range(0, rows, 10_000):
        payload = msgspec.json.Encoder().encode_lines(made[at : at + 10_000])
        frames = [Frame.of(at + 1, "md.orderbooks.binance.linear.BTCUSDT", payload, 0, "1")]
        cleaned, dead = clean("orderbooks", frames)
        assert not dead, dead[0].error
        bodies.append(ipc_stream(to_record_batch("orderbooks", cleaned)))
    return bodies


def parquet_bytes(table: pa.Table, level: int) -> int:
    """Size of one Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", compression_level=level)
    return buffer.tell()


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-bytes-") as directory:
        rig = Rig(Path(directory))
        try:
            rig.start_clickhouse()
            rig.migrate()
            client = rig.client()
            for table, bodies in (("trades", trade_bodies(rows)), ("orderbooks", book_bodies(rows // 5))):
                names = [column.name for column in stored(table)]
                for database in (HOT, COLD):  # small parts have no sizes by column
                    client.command(f"ALTER TABLE {database}.{table} MODIFY SETTING min_bytes_for_wide_part = 0")
                for body in bodies:
                    client.raw_insert(f"{HOT}.{table}", names, body, fmt="ArrowStream")
                columns = ", ".join(names)
                client.command(f"INSERT INTO {COLD}.{table} ({columns}) SELECT {columns} FROM {HOT}.{table}")
                order = client.query(
                    f"SELECT sorting_key FROM system.tables WHERE database = '{HOT}' AND name = '{table}'"
                ).result_rows[0][0]
                arrow = client.query_arrow(f"SELECT {columns} FROM {HOT}.{table} ORDER BY {order}", use_strings=True)
                frame = pl.DataFrame(pl.from_arrow(arrow))
                print(f"{table}: {frame.height} rows")
                for level in (1, 3):
                    size = parquet_bytes(arrow, level) / frame.height
                    print(f"  parquet, zstd {level}: {size:7.1f} bytes a row")
                for database in (HOT, COLD):
                    client.command(f"OPTIMIZE TABLE {database}.{table} FINAL")
                    [(size,)] = client.query(
                        "SELECT sum(column_data_compressed_bytes) FROM system.parts_columns WHERE active "
                        f"AND database = '{database}' AND table = '{table}' AND column IN {tuple(names)}"
                    ).result_rows
                    print(f"  {database}: {size / frame.height:7.1f} bytes a row")
        finally:
            rig.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
