"""Whether ClickHouse knows an insert token again: without that a replayed batch counts twice."""

from __future__ import annotations

from marketprism.clickhouse import DEDUPLICATION_WINDOW, HOT, WINDOWS
from marketprism.errors import StoreHalted
from storage_service.clickhouse_io import Warehouse


async def check_tokens(warehouse: Warehouse, data_type: str) -> None:
    """Raises StoreHalted when the table remembers none: RESET SETTING takes the engine's default, which is none."""
    found = await warehouse.rows(WINDOWS, {"tables": [data_type]})
    if found and not found[0][1]:
        raise StoreHalted(
            f"{HOT}.{data_type} remembers no insert token, so that a batch sent again would count twice: "
            f"ALTER TABLE {HOT}.{data_type} MODIFY SETTING non_replicated_deduplication_window = "
            f"{DEDUPLICATION_WINDOW} (replicated_deduplication_window on a cluster)"
        )
