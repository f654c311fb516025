"""``collect``, ``store`` and ``monitor``: one service in this process, settings from the environment."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from marketprism.logs import configure_logging


def collect() -> None:
    """Run the collector: exchanges to NATS, until SIGTERM."""
    from collector.service import run  # what a command runs is imported by it: help is instant

    configure_logging("collector")
    asyncio.run(run())


def store(
    partitions: Annotated[
        str, typer.Option(help="Such as 0-3,6, or auto: a fair share [MARKETPRISM_STORAGE_PARTITIONS].")
    ] = "",
) -> None:
    """Run the storage service: NATS to ClickHouse, until SIGTERM."""
    from storage_service.service import run

    configure_logging("storage")
    asyncio.run(run(partitions))


def monitor() -> None:
    """Run the monitors: ClickHouse and services to metrics and a status page, until SIGTERM."""
    from monitors.service import run

    configure_logging("monitors")
    asyncio.run(run())


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(collect)
    app.command()(store)
    app.command()(monitor)
