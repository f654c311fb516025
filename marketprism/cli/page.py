"""``page``: the web page of whatever servers the settings name, in this process."""

from __future__ import annotations

import asyncio

import typer

from marketprism.logs import configure_logging


def page() -> None:
    """Serve the web page until SIGTERM: loopback unless MARKETPRISM_WEB_HOST and a token say else."""
    from monitors.web.service import run  # what a command runs is imported by it: help is instant

    configure_logging("web")
    asyncio.run(run())


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(page)
