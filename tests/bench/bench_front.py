"""Inserts and reads through the embedded front against the same engine in process.

``python -m tests.bench.bench_front`` prints rows per second and milliseconds; other work on the machine moves both
sides alike, so read the ratios.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import urllib3

from tests.integration.embedded_process import EmbeddedServer

ROWS = 100_000
BATCHES = 12
TABLE = (
    "CREATE TABLE b.t (symbol LowCardinality(String), timestamp DateTime64(3, 'UTC'), price Decimal(38, 12), "
    "quantity Decimal(38, 12), sequence UInt64) ENGINE = MergeTree ORDER BY (symbol, timestamp)"
)
SETTINGS = {
    "async_insert": "0",
    "max_insert_block_size": "200000",
    "min_insert_block_size_rows": "200000",
    "min_insert_block_size_bytes": str(256 << 20),
    "deduplicate_blocks_in_dependent_materialized_views": "1",
}


def trades(rows: int, first: int = 0) -> bytes:
    """One Arrow record batch of trades as the storage service sends it."""
    sequence = np.arange(first, first + rows, dtype="uint64")
    decimals = pa.array((sequence % 1000).astype("int64")).cast(pa.decimal128(38, 0)).cast(pa.decimal128(38, 12))
    batch = pa.record_batch(
        {
            "symbol": pa.array(np.where(sequence % 2 == 0, "BTCUSDT", "ETHUSDT")),
            "timestamp": pa.array(sequence.astype("int64") + 1_723_075_200_000).cast(pa.timestamp("ms", "UTC")),
            "price": decimals,
            "quantity": decimals,
            "sequence": pa.array(sequence),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _median_s(run: Callable[[int], object], times: int) -> float:
    took = []
    for number in range(times):
        begun = time.perf_counter()
        run(number)
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def _front(directory: Path, batches: list[bytes], one: bytes) -> dict[str, float]:
    server = EmbeddedServer(directory).start()
    http = urllib3.PoolManager()
    server.ask("CREATE DATABASE b")
    server.ask(TABLE)

    def insert(body: bytes, token: str) -> None:
        fields = {"query": "INSERT INTO b.t FORMAT ArrowStream", "insert_deduplication_token": token, **SETTINGS}
        url = server.url + "/?" + urlencode(fields)
        response = http.request("POST", url, body=body)
        assert response.status == 200, response.data

    try:
        return {
            "batch_s": _median_s(lambda number: insert(batches[number], f"batch {number}"), len(batches)),
            "one_row_s": _median_s(lambda number: insert(one, f"one {number}"), 60),
            "select_1_s": _median_s(lambda _: http.request("POST", server.url, body="SELECT 1").data, 200),
            "read_native_s": _median_s(
                lambda _: http.request("POST", server.url, body="SELECT * FROM b.t LIMIT 1000000 FORMAT Native").data, 3
            ),
        }
    finally:
        server.stop()


def _in_process(directory: Path, batches: list[bytes], one: bytes) -> dict[str, float]:
    from marketprism.embedded.engine import Engine
    from marketprism.embedded.upload import Upload

    engine = Engine(directory)
    with engine.session() as handle:
        handle.query("CREATE DATABASE b")
        handle.query(TABLE)
        handle.apply(SETTINGS)

        def insert(body: bytes) -> None:
            with Upload() as upload:
                upload.append(body)
                handle.query(f"INSERT INTO b.t FROM INFILE '{upload.path}' FORMAT ArrowStream")

        figures = {
            "batch_s": _median_s(lambda number: insert(batches[number]), len(batches)),
            "one_row_s": _median_s(lambda _: insert(one), 60),
            "select_1_s": _median_s(lambda _: handle.query("SELECT 1"), 200),
            "read_native_s": _median_s(lambda _: handle.query("SELECT * FROM b.t LIMIT 1000000", "Native"), 3),
            "fresh_handle_s": _median_s(lambda _: engine.fresh().close(), 200),
        }
    engine.close()
    return figures


def main() -> dict[str, float]:
    """Medians: rows/s of 100,000-row Arrow batches, milliseconds of small requests, front and in process."""
    batches = [trades(ROWS, first=number * ROWS) for number in range(BATCHES)]
    one = trades(1)
    with tempfile.TemporaryDirectory() as folder:
        front = _front(Path(folder) / "front", batches, one)
        local = _in_process(Path(folder) / "local", batches, one)
    return {
        "insert_rows_per_s_front": round(ROWS / front["batch_s"]),
        "insert_rows_per_s_in_process": round(ROWS / local["batch_s"]),
        "insert_front_over_in_process": round(local["batch_s"] / front["batch_s"], 3),
        "one_row_insert_ms_front": round(front["one_row_s"] * 1000, 2),
        "one_row_insert_ms_in_process": round(local["one_row_s"] * 1000, 2),
        "select_1_ms_front": round(front["select_1_s"] * 1000, 2),
        "select_1_ms_in_process": round(local["select_1_s"] * 1000, 2),
        "read_million_rows_s_front": round(front["read_native_s"], 3),
        "read_million_rows_s_in_process": round(local["read_native_s"], 3),
        "fresh_handle_ms": round(local["fresh_handle_s"] * 1000, 3),
    }


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
