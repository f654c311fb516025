"""``python -m collector``."""

from __future__ import annotations

import asyncio
import sys

from collector.service import run
from marketprism.errors import MarketPrismError
from marketprism.logs import configure_logging


def main() -> int:
    """Exit status: 0, or that of the error, which is one line on stderr."""
    configure_logging("collector")
    try:
        asyncio.run(run())
    except MarketPrismError as error:
        sys.stderr.write(f"collector: {error}\n")
        return error.exit_code
    return 0


sys.exit(main())
