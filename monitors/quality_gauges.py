"""Gauges of the slower looks, the audits and the serving states. Each ``set_*`` replaces what the look before said."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from monitors.audits import Audit, AuditResult
from monitors.quality import Archive, Books, Deviation, Disk, InsertLag, Lengths, Missing, Parts, StaleBooks
from monitors.server import Server

_SYMBOL: Final = ("exchange", "market_type", "symbol")
_VENUE: Final = ("exchange", "market_type")
_PREFIX: Final = "marketprism_monitor"


class QualityGauges:
    """One per process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def gauge(name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
            return Gauge(f"{_PREFIX}_{name}", text, tuple(labels), registry=registry)

        self._length = gauge(
            "bucket_length_seconds", "length of the buckets closed within the last hour", (*_SYMBOL, "quantile")
        )
        self._long = gauge("long_buckets", "buckets of the last hour longer than 90 s", _SYMBOL)
        self._closed = gauge("closed_buckets", "buckets closed within the last hour", _SYMBOL)
        self._books = gauge("books", "books published within the last ten minutes", _VENUE)
        self._crossed = gauge("crossed_books_ratio", "share of them with a bid above the ask", _VENUE)
        self._locked = gauge("locked_books_ratio", "share of them with a bid equal to the ask", _VENUE)
        self._one_sided = gauge("one_sided_books_ratio", "share of them with an empty side", _VENUE)
        self._stale = gauge("stale_books_ratio", "share of symbols whose newest book is older than a minute", _VENUE)
        self._memory = gauge("clickhouse_memory_bytes", "memory that ClickHouse has taken")
        self._memory_limit = gauge("clickhouse_memory_limit_bytes", "memory that it may take; 0 = no limit")
        self._longest = gauge("clickhouse_longest_query_seconds", "the SELECT that has run longest so far")
        self._mutations = gauge("clickhouse_stuck_mutations", "mutations not done after 15 minutes")
        self._read_only = gauge("clickhouse_read_only_replicas", "replicated tables that take no inserts")
        self._replica_lag = gauge("clickhouse_replica_lag_seconds", "largest delay of a replicated table")
        self._insert_lag = gauge(
            "insert_lag_seconds", "from receipt to storage over the last minute", ("data_type", "quantile")
        )
        self._missing = gauge(
            "feature_missing_ratio", "share of NULLs over the newest buckets, warm-up left out", (*_SYMBOL, "feature")
        )
        self._deviation = gauge(
            "cross_exchange_deviation_ratio",
            "largest distance of a mid from the median of its exchanges",
            ("canonical",),
        )
        self._disk_free = gauge("disk_free_bytes", "free space of a disk of ClickHouse", ("disk",))
        self._disk_size = gauge("disk_size_bytes", "size of a disk of ClickHouse", ("disk",))
        self._parts = gauge("partition_parts", "parts of the fullest partition", ("database", "table"))
        self._archived = gauge("archive_verified_timestamp_seconds", "newest day that is verified in cold")
        self._unverified = gauge("archive_unverified_days", "archived days that were not equal on both sides")
        self._oldest_hot = gauge("archive_oldest_hot_timestamp_seconds", "oldest day that hot still holds")
        self._audit_rows = gauge("audit_rows", "rows that an audit returned (at most 100)", ("audit", "severity"))
        self._audit_time = gauge(
            "audit_last_run_timestamp_seconds", "when an audit last ran, the start until it has", ("audit",)
        )
        self._audit_seconds = gauge("audit_duration_seconds", "time of the last run of an audit", ("audit",))
        self._audit_failures = Counter(
            f"{_PREFIX}_audit_failures", "runs of an audit that could not be finished", ("audit",), registry=registry
        )

    def announce(self, audits: Iterable[Audit]) -> None:
        """Counters begin at 0, so that the first failure is a rise; times now, so that one that never ran is late."""
        for audit in audits:
            self._audit_failures.labels(audit.name).inc(0)
            self._audit_time.labels(audit.name).set(time.time())

    def set_lengths(self, rows: Iterable[Lengths]) -> None:
        for child in (self._length, self._long, self._closed):
            child.clear()
        for row in rows:
            key = (row.exchange, row.market_type, row.symbol)
            for quantile, seconds in (("0.5", row.p50_s), ("0.9", row.p90_s), ("0.99", row.p99_s)):
                self._length.labels(*key, quantile).set(seconds)
            self._long.labels(*key).set(row.long)
            self._closed.labels(*key).set(row.buckets)

    def set_books(self, rows: Iterable[Books]) -> None:
        for child in (self._books, self._crossed, self._locked, self._one_sided):
            child.clear()
        for row in rows:
            key = (row.exchange, row.market_type)
            self._books.labels(*key).set(row.books)
            self._crossed.labels(*key).set(row.crossed / row.books)
            self._locked.labels(*key).set(row.locked / row.books)
            self._one_sided.labels(*key).set(row.one_sided / row.books)

    def set_stale_books(self, rows: Iterable[StaleBooks]) -> None:
        self._stale.clear()
        for row in rows:
            self._stale.labels(row.exchange, row.market_type).set(row.stale / row.symbols)

    def set_server(self, row: Server) -> None:
        self._memory.set(row.memory)
        self._memory_limit.set(row.memory_limit)
        self._longest.set(row.longest_s)
        self._mutations.set(row.mutations)
        self._read_only.set(row.read_only_replicas)
        self._replica_lag.set(row.replica_lag_s)

    def set_insert_lag(self, rows: Iterable[InsertLag]) -> None:
        self._insert_lag.clear()
        for row in rows:
            self._insert_lag.labels(row.data_type, "0.5").set(row.p50_s)
            self._insert_lag.labels(row.data_type, "0.99").set(row.p99_s)

    def set_missing(self, rows: Iterable[Missing]) -> None:
        self._missing.clear()
        for row in rows:
            self._missing.labels(row.exchange, row.market_type, row.symbol, row.feature).set(row.ratio)

    def set_deviations(self, rows: Iterable[Deviation]) -> None:
        self._deviation.clear()
        for row in rows:
            self._deviation.labels(row.canonical).set(row.ratio)

    def set_disks(self, rows: Iterable[Disk]) -> None:
        for row in rows:
            self._disk_free.labels(row.name).set(row.free)
            self._disk_size.labels(row.name).set(row.total)

    def set_parts(self, rows: Iterable[Parts]) -> None:
        self._parts.clear()
        for row in rows:
            self._parts.labels(row.database, row.table).set(row.parts)

    def set_archive(self, row: Archive) -> None:
        self._archived.set(row.verified_day_s)
        self._unverified.set(row.unverified)
        self._oldest_hot.set(row.oldest_hot_day_s)

    def set_audit(self, result: AuditResult) -> None:
        name = result.audit.name
        self._audit_seconds.labels(name).set(result.seconds)
        if result.error:
            self._audit_failures.labels(name).inc()
            return
        self._audit_rows.labels(name, result.audit.severity).set(len(result.rows))
        self._audit_time.labels(name).set(result.ended_s)
