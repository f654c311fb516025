"""``python -m marketprism.embedded``: the embedded ClickHouse as a process."""

from __future__ import annotations

import asyncio
import sys

from marketprism.embedded.server import run
from marketprism.errors import MarketPrismError
from marketprism.logs import configure_logging
from marketprism.settings import AppSettings, EmbeddedSettings


def main() -> int:
    """Serve until SIGTERM or SIGINT; the exit code is the error's."""
    app = AppSettings()
    configure_logging("clickhouse", app)
    try:
        asyncio.run(run(app, EmbeddedSettings()))
    except MarketPrismError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
