"""Start-up options of the engine: memory, caches, fsync."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from marketprism.settings import EmbeddedSettings

CONFIGURATION: Final = "marketprism.xml"

# The engine takes defaults of MergeTree from a configuration file only; in the connection string they do nothing.
_FSYNC: Final = "<clickhouse><merge_tree><fsync_after_insert>1</fsync_after_insert></merge_tree></clickhouse>\n"


def engine_options(settings: EmbeddedSettings, directory: Path) -> dict[str, str]:
    """At most half of the machine's memory, a small mark cache, dropped tables gone after 5 s, fsync when asked for.

    Refreshable views drop a table at each refresh; with the engine's own 480 s hundreds of them would lie about.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    options = {
        "max_server_memory_usage": str(memory // 2),
        "mark_cache_size": str(256 << 20),
        "background_pool_size": str(max(2, (os.cpu_count() or 2) // 2)),
        "database_atomic_delay_before_drop_table_sec": "5",
    }
    if settings.fsync_after_insert:
        file = directory / CONFIGURATION
        file.write_text(_FSYNC)
        options["config-file"] = str(file)
    return options
