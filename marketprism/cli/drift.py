"""``drift``: are the features of a day and a week still distributed as in the reference window?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from marketprism.cli.archive import parsed_day
from marketprism.errors import QueryError, SettingsError


def drift(
    day: Annotated[str | None, typer.Option(help="Last day that is measured, YYYY-MM-DD (default: yesterday).")] = None,
    reference: Annotated[
        str | None, typer.Option(help="Reference days FROM..TO, both included (default: 14 days before the week).")
    ] = None,
    view: Annotated[list[str] | None, typer.Option(help="Only these views (default: all by bucket or minute).")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report: .html with plots, .md with bars.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a measurement.")] = False,
    data: Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR].")] = None,
) -> None:
    """Measure PSI, KS and health of every feature per symbol; exit code 1 for one above 0.25, 11 for unread views."""
    import msgspec

    from marketprism.catalogue import features
    from marketprism.cli.checks import require_file
    from marketprism.clickhouse import connect
    from marketprism.jobs import run_job
    from marketprism.supervisor.attach import find_servers
    from monitors.drift import report as pages
    from monitors.drift.job import DriftJob, Plan, Window, plan_for
    from monitors.drift.objects import measured

    views, catalogue = tuple(dict.fromkeys(name.rpartition(".")[2] for name in view or ())), features()
    unknown = [name for name in views if not measured((name,), catalogue)]
    if unknown:
        raise SettingsError(
            f"--view {', '.join(unknown)}: no such view, or none whose numbers are measured; "
            "see `marketprism features list`"
        )
    require_file(report)
    last = parsed_day(day) if day else datetime.now(UTC).date() - timedelta(days=1)
    window = None
    if reference:
        start, _, end = reference.partition("..")
        first, final = parsed_day(start, "--reference"), parsed_day(end or start, "--reference")
        if final < first:
            raise SettingsError(f"--reference {reference!r} ends before it begins; write FROM..TO")
        window = Window(_midnight(first), _midnight(final + timedelta(days=1)))
    planned = plan_for(last, reference=window)
    plan = Plan(planned.periods, planned.reference, views)
    job = DriftJob(plan)
    client = connect(find_servers(data).clickhouse)
    try:
        run_job(client, job)
    finally:
        client.close()
    if report is not None:
        text = pages.markdown(plan, job.found) if report.suffix == ".md" else pages.page(plan, job.found)
        report.write_text(text, encoding="utf-8")
    for found in pages.worst_first(job.found):
        if as_json:
            print(msgspec.json.encode({**_told(found), "window": [found.window.start, found.window.end]}).decode())
        elif found.drift.level not in ("ok", "few"):
            print(
                f"{found.drift.level:<8}  {found.drift.psi:6.3f}  {found.drift.ks:5.3f}  {'.'.join(found.key)} "
                f"{found.object}.{found.feature} ({found.period})"
            )
    if not as_json:
        print(f"{len(job.found)} measurements of {last}; table marketprism_features.feature_drift")
    if job.unread:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in job.unread.items())
        raise QueryError(f"not measured, because ClickHouse refused to read it: {reasons}")
    if any(found.drift.level == "critical" for found in job.found):
        raise typer.Exit(1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _told(found: object) -> dict[str, object]:
    from dataclasses import asdict

    body = asdict(found)  # type: ignore[call-overload]
    drift = body.pop("drift")
    body.pop("window")
    return {**body, **{name: value if value == value else None for name, value in drift.items()}}


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(drift)
