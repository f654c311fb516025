"""Room on ClickHouse's disk: inserts pause before it is full, because a full disk stops merges and every other table.

JetStream holds what is not stored meanwhile. Nothing has to be done by hand once there is room again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from marketprism.settings import StorageSettings
from storage_service.clickhouse_io import ClickHouseAway, InsertRefused, Warehouse
from storage_service.metrics import DISK_FREE

logger = logging.getLogger(__name__)

_FREE: Final = "SELECT count(), min(unreserved_space) FROM system.disks WHERE type = 'Local' AND NOT is_read_only"


async def watch_disk(warehouse: Warehouse, settings: StorageSettings, stop: asyncio.Event) -> None:
    """Look every ``disk_check_s``; ``warehouse.full_disk`` says why inserts wait. Returns when ``stop`` is set."""
    while not stop.is_set():
        try:
            disks, free = (await warehouse.rows(_FREE))[0]
        except (ClickHouseAway, InsertRefused) as error:
            logger.debug("free space is not known: %s", error)
        else:
            if disks:  # of a server without a local disk nothing is known, and nothing is short
                DISK_FREE.set(free)
                _decide(warehouse, int(free), settings.min_free_disk_mb)
        try:
            await asyncio.wait_for(stop.wait(), settings.disk_check_s)
        except TimeoutError:
            continue


def _decide(warehouse: Warehouse, free: int, wanted_mb: int) -> None:
    low = free < wanted_mb << 20
    if low and not warehouse.full_disk:
        warehouse.full_disk = (
            f"{free >> 20} MB are free on ClickHouse's disk, MARKETPRISM_STORAGE_MIN_FREE_DISK_MB is {wanted_mb}; "
            "make room, storing goes on by itself"
        )
        logger.error("storing pauses: %s", warehouse.full_disk)
    elif not low and warehouse.full_disk:
        warehouse.full_disk = ""
        logger.info("there is room on ClickHouse's disk again: storing goes on")
