"""Features that SQL does badly: jobs that read ClickHouse, compute in Python, write back, and record each run.

A job is a function ``(client, run) -> JobResult``; ``run_job`` gives it an id, keeps its times and writes ``job_runs``.
"""

from typing import Final

from marketprism.jobs.feature_registry import feature_registry
from marketprism.jobs.footprint_candidates import footprint_candidates
from marketprism.jobs.footprint_clusters import footprint_clusters
from marketprism.jobs.runs import Job, JobResult, Run, run_job
from marketprism.jobs.trade_clusters import trade_clusters

_ALL: Final[tuple[Job, ...]] = (feature_registry, footprint_candidates, footprint_clusters, trade_clusters)
JOBS: Final = {job.__name__: job for job in _ALL}
"""Every job by its name: those of ``marketprism.feature_jobs``."""

__all__ = [
    "JOBS",
    "JobResult",
    "Run",
    "feature_registry",
    "footprint_candidates",
    "footprint_clusters",
    "run_job",
    "trade_clusters",
]
