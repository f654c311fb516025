"""One round of the slower looks."""

from __future__ import annotations

from typing import Any

from monitors import quality, server
from monitors.drift.gauges import DriftGauges
from monitors.quality_gauges import QualityGauges


async def look_at_quality(client: Any, gauges: QualityGauges, drift: DriftGauges, limit: int) -> None:
    """Every slower look once; ``limit`` bounds the symbols with metrics of their own."""
    gauges.set_lengths(await quality.lengths(client, limit))
    gauges.set_books(await quality.books(client))
    gauges.set_stale_books(await quality.stale_books(client))
    gauges.set_server(await server.server(client))
    gauges.set_insert_lag(await quality.insert_lag(client))
    gauges.set_disks(await quality.disks(client))
    gauges.set_parts(await quality.parts(client))
    gauges.set_archive(await quality.archive(client))
    gauges.set_deviations(await quality.deviations(client, limit))
    await drift.look(client)
    gauges.set_missing(await quality.missing(client, limit))
