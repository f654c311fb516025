"""``python -m storage_service``: the service alone, as the supervisor and containers start it."""

from __future__ import annotations

import asyncio
import sys

from marketprism.errors import MarketPrismError
from storage_service.service import run

if __name__ == "__main__":
    try:
        asyncio.run(run())
    except MarketPrismError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
