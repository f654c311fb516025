"""``status``, ``doctor`` and ``settings``: look, change nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from marketprism.errors import ClickHouseUnreachable

Data = Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR, else ./data].")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


def status(
    data: Data = None,
    as_json: AsJson = False,
    svg: Annotated[Path | None, typer.Option(help="Draw it into this file as well.")] = None,
) -> None:
    """Show services, streams, tables and the newest feature values once. Exit code 3 when a piece does not answer."""
    from rich.console import Console

    from marketprism.cli.checks import require_file
    from marketprism.status import StatusReader, status_json  # what a command runs is imported by it: help is instant
    from marketprism.supervisor.attach import find_servers
    from marketprism.supervisor.table import live_view, to_svg

    require_file(svg)
    servers = find_servers(data)

    async def read() -> None:
        async with StatusReader(servers.clickhouse, servers.nats, servers.services) as reader:
            found = await reader.read()
        if as_json:
            print(status_json(found))
        else:
            source = servers.holder.source if servers.holder else "settings"
            headline = f"MarketPrism · {source} · SQL at {servers.clickhouse.url.rpartition('@')[2]}"
            console = Console()
            console.print(live_view(found, [], headline, console.width))
            if svg is not None:
                svg.write_text(to_svg(live_view(found, [], headline), "marketprism status"))
        if found.problems:
            raise typer.Exit(ClickHouseUnreachable.exit_code)

    asyncio.run(read())


def doctor(data: Data = None, as_json: AsJson = False) -> None:
    """Check versions, disk, servers, schema and limits, and say what to do. Exit code 1 when a check fails."""
    from marketprism.doctor import Finding, Verdict, examine, render, to_json
    from marketprism.errors import DataDirectoryError
    from marketprism.supervisor.attach import configured_servers, find_servers

    try:
        servers, idle = find_servers(data), []
    except DataDirectoryError as error:  # nothing runs there yet: look at the machine and the settings
        servers = configured_servers()
        idle = [Finding(check="data", verdict=Verdict.FAIL, found="nothing runs", advice=str(error))]
    findings = [*asyncio.run(examine(servers, data)), *idle]
    print(to_json(findings) if as_json else render(findings))
    if any(finding.verdict is Verdict.FAIL for finding in findings):
        raise typer.Exit(1)


def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="The page docs/settings.md.")] = False,
) -> None:
    """List every setting: variable, value in force, default, meaning. Secrets are never shown."""
    from marketprism.settings_page import markdown_page, text_table

    print(markdown_page() if markdown else text_table())


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(status)
    app.command()(doctor)
    app.command()(settings)
