"""``calibrate``: measure symbols over the last days and write when their buckets close."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from marketprism.errors import DayError, SettingsError
from marketprism.moments import moment


def calibrate(
    days: Annotated[int, typer.Option(min=1, help="Length of the window.")] = 7,
    until: Annotated[str, typer.Option(help="End of the window, UTC, ISO; empty = now.")] = "",
    symbol: Annotated[list[str] | None, typer.Option(help="Only this symbol; may be given again.")] = None,
    mode: Annotated[str, typer.Option(help="volume, count, event or adaptive.")] = "volume",
    t_target_s: Annotated[float, typer.Option("--t-target", min=1, max=86_400, help="Bucket length, s.")] = 30.0,
    t_max_s: Annotated[float, typer.Option("--t-max", min=1, max=86_400, help="Time limit of a bucket, s.")] = 60.0,
    valid_days: Annotated[int, typer.Option(min=1, help="Days that it holds from the next midnight.")] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure and show, write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    data: Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR].")] = None,
) -> None:
    """Write bucket_config from the volume per second of the last days; it holds from the next midnight (UTC)."""
    import msgspec

    from marketprism.supervisor.attach import find_servers
    from storage_service.days.calibration import Request, run_calibration
    from storage_service.days.engine import Engine

    request = Request(_until(until), days, mode, t_target_s, t_max_s, valid_days, symbol or ())
    if mode == "event" and not dry_run:
        raise SettingsError(
            "--mode event closes by book updates, which trade rows do not count, so that no day would be cut by it;"
            " measure with --dry-run, or write volume, count or adaptive"
        )
    engine = Engine.open(find_servers(data).clickhouse)
    rows = run_calibration(engine, request, write=not dry_run)
    for row in rows:
        if as_json:
            print(msgspec.json.encode(asdict(row)).decode())
            continue
        found = row.config
        size = {"count": f"{found.n_trades} trades  ", "event": f"{found.n_updates} updates  "} if found else {}
        limits = f"q {found.q_bucket.normalize():f}  t_max {found.t_max_s:g} s" if found else "did not trade"
        figures = size.get(mode, "") + limits
        print(f"{'.'.join(row.symbol):<40} {row.measured.minutes:>6} min  {figures}")
    silent = sorted(set(symbol or ()) - {row.symbol[2] for row in rows})
    if silent:
        raise DayError(
            f"{', '.join(silent)}: no trades from {request.start:%F %R} to {request.until:%F %R} UTC; nothing"
            " written for them; correct --symbol, --days or --until"
        )


def _until(text: str) -> datetime:
    """Raises SettingsError for what is no time, or not past; the minute that runs is not in the window.

    An end that is still to come would write a version that no later run replaces.
    """
    now = datetime.now(UTC)
    if not text:
        return now.replace(second=0, microsecond=0)
    until = moment(text, "--until")
    if until > now:
        raise SettingsError(f"--until {text!r} is still to come; it is {now:%F %R} UTC")
    return until


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(calibrate)
