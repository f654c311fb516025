"""Features that SQL does badly: jobs that read ClickHouse, compute in Python, write back, and record each run.

A job is a function ``(client, run) -> JobResult``; ``run_job`` gives it an id, keeps its times and writes ``job_runs``.
"""

from marketprism.jobs.footprint_clusters import footprint_clusters
from marketprism.jobs.runs import JobResult, Run, run_job
from marketprism.jobs.trade_clusters import trade_clusters

__all__ = ["JobResult", "Run", "footprint_clusters", "run_job", "trade_clusters"]
