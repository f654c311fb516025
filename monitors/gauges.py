"""What the monitors tell Prometheus: timestamps rather than ages, bounded labels, no child that outlives its symbol."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from marketprism.status import StreamStatus
from monitors.forgetting import LastSeen
from monitors.looks import Buckets, Features, Newest, Table

_SYMBOL = ("exchange", "market_type", "symbol")


class Gauges:
    """One per process. Each ``set_*`` replaces what the look before said.

    Counters and the newest rows outlive the look that they are missing from, by a day (``clock``).
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, clock: Callable[[], float] = time.monotonic) -> None:
        def gauge(name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
            return Gauge(name, text, tuple(labels), registry=registry)

        prefix = "marketprism_monitor"
        self.up = gauge(f"{prefix}_up", "1 when the last look at the target succeeded", ("target",))
        self.look_duration = Histogram(f"{prefix}_look_duration_seconds", "time of one look", registry=registry)
        self._rows = gauge(f"{prefix}_table_rows", "rows of a hot table", ("table",))
        self._bytes = gauge(f"{prefix}_table_bytes", "bytes on disk of a hot table", ("table",))
        self._parts = gauge(f"{prefix}_table_parts", "active parts of a hot table", ("table",))
        venue = ("data_type", "exchange", "market_type")
        self._newest = gauge(f"{prefix}_newest_row_timestamp_seconds", "exchange time of the newest stored row", venue)
        self._received = gauge(f"{prefix}_newest_received_timestamp_seconds", "receipt of the newest stored row", venue)
        self._stream_pending = gauge(f"{prefix}_stream_pending_messages", "messages not stored yet", ("stream",))
        self._stream_messages = gauge(f"{prefix}_stream_messages", "messages in the stream", ("stream",))
        self._stream_bytes = gauge(f"{prefix}_stream_bytes", "bytes in the stream", ("stream",))
        self._stream_limit = gauge(f"{prefix}_stream_limit_bytes", "size limit of a stream")
        self._stream_lost = gauge(
            f"{prefix}_stream_lost_messages", "messages that limits removed before they were stored", ("stream",)
        )
        self._stream_behind = gauge(
            f"{prefix}_stream_replicas_behind", "replicas of a stream that are offline or not up to date", ("stream",)
        )
        self._bucket_standing = gauge(
            "ubt_bucket_id_anomalies", "bucket ids since yesterday that are missing or out of order", _SYMBOL
        )
        self._features = gauge(
            f"{prefix}_features_timestamp_seconds", "end of the bucket that latest_features shows", _SYMBOL
        )
        self._bucket_lag = gauge("ubt_latest_bucket_lag_seconds", "age of the newest closed bucket's end", _SYMBOL)
        self._bucket_time = gauge("ubt_latest_bucket_timestamp_seconds", "end of the newest closed bucket", _SYMBOL)
        self._bucket_anomalies = Counter(
            "ubt_bucket_id_anomaly", "bucket ids missing, or out of order in time", _SYMBOL, registry=registry
        )
        self._anomalies_seen: dict[tuple[str, str, str], int] = {}
        self._symbols: LastSeen[tuple[str, str, str]] = LastSeen(clock)
        self._venues: LastSeen[tuple[str, str, str]] = LastSeen(clock)

    def set_tables(self, tables: Iterable[Table]) -> None:
        for table in tables:
            self._rows.labels(table.name).set(table.rows)
            self._bytes.labels(table.name).set(table.bytes)
            self._parts.labels(table.name).set(table.parts)

    def set_newest(self, rows: Iterable[Newest]) -> list[tuple[str, str, str]]:
        """Returned is what nothing has come of for a day: (data type, exchange, market type)."""
        seen = set()
        for row in rows:
            labels = (row.data_type, row.exchange, row.market_type)
            seen.add(labels)
            self._newest.labels(*labels).set(row.timestamp_s)
            self._received.labels(*labels).set(row.received_s)
        gone = self._venues.look(seen)
        for labels in gone:
            self._newest.remove(*labels)
            self._received.remove(*labels)
        return gone

    def set_streams(self, streams: Iterable[StreamStatus], limit_bytes: int = 0) -> None:
        self._stream_limit.set(limit_bytes)
        for stream in streams:
            self._stream_lost.labels(stream.name).set(stream.lost)
            self._stream_behind.labels(stream.name).set(stream.behind)
            self._stream_pending.labels(stream.name).set(stream.pending)
            self._stream_messages.labels(stream.name).set(stream.messages)
            self._stream_bytes.labels(stream.name).set(stream.bytes)

    def set_buckets(self, rows: Iterable[Buckets], now_s: float | None = None) -> None:
        """Lag and anomalies of each symbol; symbols that are no longer listed lose their gauges."""
        now_s = time.time() if now_s is None else now_s
        self._bucket_lag.clear()
        self._bucket_time.clear()
        self._bucket_standing.clear()
        seen = set()
        for row in rows:
            labels = (row.exchange, row.market_type, row.symbol)
            seen.add(labels)
            if row.closed_s:
                self._bucket_lag.labels(*labels).set(max(0.0, now_s - row.closed_s))
                self._bucket_time.labels(*labels).set(row.closed_s)
            self._bucket_standing.labels(*labels).set(row.anomalies)
            self._count_anomalies(labels, row.anomalies)
        for labels in self._symbols.look(seen):
            self._bucket_anomalies.remove(*labels)
            del self._anomalies_seen[labels]

    def _count_anomalies(self, labels: tuple[str, str, str], now: int) -> None:
        """The look gives a number that stands; the counter counts what came new. A day that leaves lowers it."""
        before = self._anomalies_seen.get(labels, 0)
        self._bucket_anomalies.labels(*labels).inc(max(0, now - before))
        self._anomalies_seen[labels] = now

    def set_features(self, rows: Iterable[Features]) -> None:
        self._features.clear()
        for row in rows:
            self._features.labels(row.exchange, row.market_type, row.symbol).set(row.bucket_end_s)
