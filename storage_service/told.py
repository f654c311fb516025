"""What a stored batch adds to the metrics."""

from __future__ import annotations

import time

from storage_service import metrics
from storage_service.batching import Prepared
from storage_service.buckets.plan import MAX_ORDINAL
from storage_service.frames import Batch


def tell(data_type: str, batch: Batch, prepared: Prepared) -> None:
    """Count the batch and the buckets that it closed."""
    metrics.BATCHES.labels(data_type).inc()
    metrics.ROWS.labels(data_type).inc(prepared.rows)
    metrics.BYTES.labels(data_type).inc(batch.bytes)
    metrics.BATCH_ROWS.labels(data_type).observe(prepared.rows)
    metrics.DUPLICATES.labels(data_type).inc(prepared.duplicates)
    metrics.DEAD_LETTERS.labels(data_type).inc(len(prepared.dead))
    metrics.LATE_ROWS.labels(data_type).inc(prepared.late)
    for (exchange, market_type, _), _, closed in prepared.closed:
        metrics.BUCKET_SECONDS.labels(exchange, market_type).observe(closed.duration_ms / 1000)
        metrics.BUCKET_TRADES.labels(exchange, market_type).observe(closed.trades)
        metrics.BUCKET_CUTS.labels(exchange, market_type, closed.trigger).inc()
        if closed.ordinal >= MAX_ORDINAL - 1:
            metrics.BUCKET_ANOMALIES.labels(exchange).inc()
    for (exchange, market_type), newest in prepared.newest_ms.items():
        metrics.BUCKET_LAG.labels(exchange, market_type).set(max(0.0, time.time() - newest / 1000))
