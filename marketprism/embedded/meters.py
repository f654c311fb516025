"""What the embedded engine's front counts, for /metrics."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

QUERIES: Final = Counter("marketprism_clickhouse_queries_total", "Statements by kind and outcome", ["kind", "outcome"])
SECONDS: Final = Histogram(
    "marketprism_clickhouse_query_duration_seconds",
    "From the request's head to its end, by kind",
    ["kind"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
RUNNING: Final = Gauge("marketprism_clickhouse_queries_running", "Statements that run now, by kind", ["kind"])
WRITTEN_ROWS: Final = Counter("marketprism_clickhouse_written_rows_total", "Rows written by inserts, views included")
SENT_BYTES: Final = Counter("marketprism_clickhouse_sent_bytes_total", "Bytes of results before compression")
CUT_OFF: Final = Counter("marketprism_clickhouse_cut_inserts_total", "Inserts cancelled because their body ended early")
