"""``integrity``: a day end to end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from marketprism.cli.archive import parsed_day


def integrity(
    day: Annotated[str | None, typer.Option(help="UTC day, YYYY-MM-DD (default: yesterday).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
    data: Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR].")] = None,
) -> None:
    """Compare a day end to end: exchange ids, trades, buckets, minutes, cold. Exit code 1 when something disagrees."""
    import msgspec

    from marketprism.clickhouse import connect
    from marketprism.doctor import Verdict
    from marketprism.integrity import integrity as compare
    from marketprism.integrity import render
    from marketprism.supervisor.attach import find_servers

    chosen = parsed_day(day) if day else datetime.now(UTC).date() - timedelta(days=1)
    client = connect(find_servers(data).clickhouse)
    try:
        lines = compare(client, chosen)
    finally:
        client.close()
    print(msgspec.json.encode(lines).decode() if as_json else render(lines))
    if any(line.verdict is Verdict.FAIL for line in lines):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(integrity)
