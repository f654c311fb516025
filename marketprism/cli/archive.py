"""``archive``: hot days into cold, verified; and what may go from hot."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from marketprism.addresses import http_address_or_none
from marketprism.errors import SettingsError


def archive(
    day: Annotated[list[str] | None, typer.Option(help="Only these days, YYYY-MM-DD (default: all closed).")] = None,
    table: Annotated[list[str] | None, typer.Option(help="Only these raw tables.")] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Drop hot days that are verified and old enough.")] = False,
    quiet_s: Annotated[int, typer.Option("--quiet", min=0, help="Leave days stored to within these seconds.")] = 0,
    remote: Annotated[
        str,
        typer.Option(
            help="URL of another, migrated ClickHouse for cold days [MARKETPRISM_STORAGE_ARCHIVE_REMOTE_URL]."
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    data: Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR].")] = None,
) -> None:
    """Copy closed hot days to cold, verify both sides, record it; --drop removes what is verified and old."""
    import msgspec

    from marketprism.settings import ClickHouseSettings, StorageSettings
    from marketprism.supervisor.attach import find_servers
    from storage_service.days.engine import Engine
    from storage_service.days.remote import RemoteArchivist
    from storage_service.days.tiers import TABLES, Archived, run_archive

    unknown = sorted(set(table or ()) - set(TABLES))
    if unknown:
        raise SettingsError(f"--table {', '.join(unknown)}: no such table; known: {', '.join(TABLES)}")
    days = [parsed_day(text) for text in day or ()]
    settings, now, quiet = StorageSettings(), datetime.now(UTC), timedelta(seconds=quiet_s)
    url = _remote(remote) or settings.archive_remote_url
    engine = Engine.open(find_servers(data).clickhouse)
    after = settings.archive_after_days if drop else None
    to = RemoteArchivist(engine, Engine.open(ClickHouseSettings(url=url)), now) if url else None

    def show(result: Archived) -> None:
        if as_json:
            print(msgspec.json.encode(asdict(result)).decode())
        else:
            print(f"{result.day}  {result.data_type:<20} {result.state:<10} {result.rows or ''} {result.why}".rstrip())

    run_archive(engine, now, days, table or (), drop_after=after, quiet=quiet, to=to, told=show)


def _remote(url: str) -> str:
    """Raises SettingsError: without its scheme an address would be taken for this machine's own server."""
    try:
        return http_address_or_none(url)
    except ValueError as error:
        raise SettingsError(f"--remote: {error}") from error


def parsed_day(text: str, option: str = "--day") -> date:
    """Raises SettingsError for what is no day; it names the ``option``."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{option} {text!r} is not YYYY-MM-DD; correct it") from error


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(archive)
