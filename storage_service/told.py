"""What a stored batch adds to the metrics and to the log."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import numpy as np

from marketprism.logs import FLOW
from storage_service import metrics
from storage_service.batching import Prepared
from storage_service.buckets.plan import MAX_ORDINAL
from storage_service.frames import Batch

logger = logging.getLogger(__name__)
flow = logging.getLogger(FLOW)

_REFUSALS_EVERY_S: Final = 60.0


class Refusals:
    """Refused rows of each type in the log: the first at once, then at most one line in a minute."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._told: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def tell(self, data_type: str, prepared: Prepared, token: str) -> None:
        """A warning with the count since the last line, and the newest one's place and reason."""
        count = self._untold.get(data_type, 0) + len(prepared.dead)
        now = self._monotonic()
        if not prepared.dead or now - self._told.get(data_type, float("-inf")) < _REFUSALS_EVERY_S:
            self._untold[data_type] = count
            return
        self._told[data_type], self._untold[data_type] = now, 0
        last = prepared.dead[-1]
        logger.warning(
            "%d refused: %s; see `marketprism dead-letters list`",
            count,
            last.error,
            extra={"data_type": data_type, "token": token, "seq": last.stream_seq, "row": last.row_number},
        )


_refusals: Final = Refusals()


def tell(data_type: str, batch: Batch, prepared: Prepared, token: str) -> None:
    """Count the batch and the buckets that it closed; say what was refused, and with FLOW what was stored."""
    _refusals.tell(data_type, prepared, token)
    if flow.isEnabledFor(logging.INFO):
        counts = {"rows": prepared.rows, "duplicates": prepared.duplicates, "refused": len(prepared.dead)}
        where = {"token": token, "first": batch.first, "last": batch.last}
        flow.info("block stored", extra={**where, **counts, "frames": [frame.id for frame in batch.frames]})
    metrics.BATCHES.labels(data_type).inc()
    metrics.ROWS.labels(data_type).inc(prepared.rows)
    metrics.BYTES.labels(data_type).inc(batch.bytes)
    metrics.BATCH_ROWS.labels(data_type).observe(prepared.rows)
    metrics.DUPLICATES.labels(data_type).inc(prepared.duplicates)
    metrics.DEAD_LETTERS.labels(data_type).inc(len(prepared.dead))
    metrics.FORGOTTEN_HOLES.labels(data_type).inc(prepared.forgotten_holes)
    metrics.LATE_ROWS.labels(data_type).inc(prepared.late)
    for (exchange, market_type, _), _, closed in prepared.closed:
        metrics.BUCKET_SECONDS.observe((exchange, market_type), np.array(closed.durations_ms) / 1000)
        metrics.BUCKET_TRADES.observe((exchange, market_type), np.array(closed.trades, dtype=np.float64))
        for trigger, count in Counter(closed.triggers).items():
            metrics.BUCKET_CUTS.labels(exchange, market_type, trigger).inc(count)
        if closed.ordinals[-1] >= MAX_ORDINAL - 1:
            metrics.BUCKET_ANOMALIES.labels(exchange).inc()
    for (exchange, market_type), newest in prepared.newest_ms.items():
        metrics.BUCKET_LAG.labels(exchange, market_type).set(max(0.0, time.time() - newest / 1000))
