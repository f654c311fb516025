"""The job ``footprint_candidates``: candidates of the last 1, 4 and 24 hours, kept with when they were known."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from marketprism.jobs.runs import JobResult, Run, statement

WINDOWS_H: Final = (1, 4, 24)

CANDIDATES: Final = statement("footprint_candidates")


def footprint_candidates(client: Any, run: Run) -> JobResult:
    """Write what ``footprint_candidates_at`` says of each window at ``run.at`` into ``footprint_candidates``."""
    found = []
    for hours in WINDOWS_H:
        answer = client.query_arrow(CANDIDATES, parameters={"at": run.at, "hours": hours}, use_strings=True)
        found.append(pl.DataFrame(pl.from_arrow(answer)).with_columns(hours=pl.lit(hours).cast(pl.UInt8)))
    rows = pl.concat(found)
    return JobResult(len(rows), run.insert_dated(client, "footprint_candidates", rows))
