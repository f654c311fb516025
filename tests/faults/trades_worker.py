"""``python -m tests.faults.trades_worker``: the storage service with the workers of trades only, settings as usual."""

from __future__ import annotations

import asyncio
import signal
import sys

from marketprism.errors import MarketPrismError
from marketprism.logs import configure_logging
from marketprism.settings import ClickHouseSettings, NatsSettings, StorageSettings
from storage_service.service import StorageService


async def run() -> None:
    """Until SIGTERM."""
    configure_logging("storage")
    service = StorageService(ClickHouseSettings(), NatsSettings(), StorageSettings(), ("trades",))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, service.stop.set)
    await service.run()


def main() -> int:
    try:
        asyncio.run(run())
    except MarketPrismError as error:
        sys.stderr.write(f"storage: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
