"""What the storage service tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from marketprism import feature_jobs
from storage_service.tally import Tally

ROWS = Counter("marketprism_storage_rows_total", "rows stored", ["data_type"])
BATCHES = Counter("marketprism_storage_batches_total", "batches stored", ["data_type"])
BYTES = Counter("marketprism_storage_bytes_total", "bytes of frames handled", ["data_type"])
DUPLICATES = Counter("marketprism_storage_duplicates_total", "rows dropped, already stored", ["data_type"])
DEAD_LETTERS = Counter("marketprism_storage_dead_letters_total", "rows and frames refused", ["data_type"])
LATE_ROWS = Counter("marketprism_storage_late_rows_total", "rows accepted after later ones", ["data_type"])
STREAM_HOLES = Counter("marketprism_storage_stream_holes_total", "holes in a stream's sequence", ["data_type"])
RETRIES = Counter("marketprism_storage_retries_total", "inserts sent again", ["data_type"])
SESSIONS = Counter("marketprism_storage_sessions_total", "starts of a worker from its recorded position", ["data_type"])
REPLAYS = Counter("marketprism_storage_replays_total", "intents replayed at a start", ["data_type"])
FORGOTTEN_HOLES = Counter("marketprism_storage_forgotten_holes_total", "open holes no longer watched", ["data_type"])
HALTED = Gauge("marketprism_storage_halted", "1 when the worker has stopped itself", ["data_type", "partition"])
LAG = Gauge("marketprism_storage_lag_messages", "messages of the stream not yet stored", ["data_type", "partition"])
HELD = Gauge("marketprism_storage_held_bytes", "bytes of frames held in memory", ["data_type", "partition"])
OWNED = Gauge("marketprism_storage_partitions", "partitions that this process stores")
MEMBERS = Gauge("marketprism_storage_members", "storage processes that share the partitions")
TAKEN_AWAY = Counter(
    "marketprism_storage_partitions_taken_away_total", "partitions that others took over from this one"
)
LATE_INSERTS = Counter(
    "marketprism_storage_late_inserts_total", "inserts that ClickHouse refused after the lease's end"
)
PRESSURE = Gauge(
    "marketprism_storage_pressure",
    "1 while inserts wait for this reason: disk, parts, memory, held, lease, or away",
    ["data_type", "reason"],
)
DISK_FREE = Gauge("marketprism_storage_disk_free_bytes", "free space on ClickHouse's fullest local disk")
INSERT_SECONDS = Histogram(
    "marketprism_storage_insert_seconds",
    "time of one insert, views included",
    ["table"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
STAGE_SECONDS = Histogram(
    "marketprism_storage_stage_seconds",
    "time of a batch in each stage: collect (since its first frame), clean, prepare, intent, insert, "
    "conclude (ack), settle (position, while the next batch is decoded)",
    ["data_type", "stage"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
BATCH_ROWS = Histogram(
    "marketprism_storage_batch_rows",
    "rows of one batch",
    ["data_type"],
    buckets=(1, 10, 100, 1_000, 10_000, 50_000, 100_000),
)
DAY_PLANS = Counter(
    "marketprism_storage_bucket_days_total", "symbol-days frozen, by where the plan came from", ["source"]
)

DAY_JOBS = Counter("marketprism_storage_day_jobs_total", "jobs on days that ended", ["job", "result"])
TABLE_DAYS = Counter("marketprism_storage_table_days_total", "table-days archived or dropped", ["data_type", "state"])
REBUILD_QUEUE = Gauge("marketprism_storage_rebuild_queue_days", "symbol-days that wait for a rebuild")
VERIFY_MISMATCHES = Gauge(
    "marketprism_storage_verify_mismatches", "tables of the last verified day that differ from what is recomputed"
)
VERIFIED_DAY = Gauge("marketprism_storage_verified_day_timestamp_seconds", "midnight of the last verified day")

BUCKET_SECONDS = Tally(
    "ubt_bucket_duration_seconds",
    "first to last trade of a closed bucket",
    ["exchange", "market_type"],
    buckets=(10, 20, 30, 40, 50, 60, 90, 120, 180),
)
BUCKET_TRADES = Tally(
    "ubt_bucket_trades_count",
    "trades of a closed bucket",
    ["exchange", "market_type"],
    buckets=(10, 50, 100, 200, 500, 1000, 2000),
)
BUCKET_CUTS = Counter(
    "ubt_bucket_cut_total", "closed buckets by what closed them", ["exchange", "market_type", "trigger"]
)
BUCKET_LAG = Gauge(
    "ubt_latest_bucket_lag_seconds", "now minus the newest bucket-bearing trade", ["exchange", "market_type"]
)
BUCKET_ANOMALIES = Counter("ubt_bucket_id_anomaly_total", "symbol-days that ran out of bucket numbers", ["exchange"])


def announce(data_types: Iterable[str]) -> None:
    """Counters whose rise wakes somebody begin at 0: one that appears with its first count does not rise."""
    for data_type in data_types:
        for counter in (DEAD_LETTERS, STREAM_HOLES, FORGOTTEN_HOLES, RETRIES, SESSIONS, REPLAYS):
            counter.labels(data_type).inc(0)
    for source in ("config", "expired", "default", "time"):
        DAY_PLANS.labels(source).inc(0)
    for job in ("rebuild", "verify", "archive", "calibrate", *feature_jobs.NAMES):
        for result in ("done", "failed"):
            DAY_JOBS.labels(job, result).inc(0)
