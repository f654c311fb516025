"""``python -m monitors.web``: the page, as ``marketprism page`` runs it."""

import asyncio
import sys

from marketprism.errors import MarketPrismError
from marketprism.logs import configure_logging
from monitors.web.service import run

if __name__ == "__main__":
    configure_logging("web")
    try:
        asyncio.run(run())
    except MarketPrismError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
