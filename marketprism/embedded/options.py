"""Start-up options of the engine: memory, caches, fsync, whether views refresh themselves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from marketprism.settings import EmbeddedSettings

CONFIGURATION: Final = "marketprism.xml"
USERS: Final = "marketprism_users.xml"

# The engine takes defaults of MergeTree and of its user from configuration files only; in the connection string they do
# nothing.
_FSYNC: Final = "<merge_tree><fsync_after_insert>1</fsync_after_insert></merge_tree>"
_STOPPED: Final = (
    "<clickhouse><profiles><default>"
    "<stop_refreshable_materialized_views_on_startup>1</stop_refreshable_materialized_views_on_startup>"
    "</default></profiles><quotas><default/></quotas><users><default><password/><networks><ip>::/0</ip></networks>"
    "<profile>default</profile><quota>default</quota></default></users></clickhouse>\n"
)


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
    configured = _FSYNC if settings.fsync_after_insert else ""
    if not settings.refresh_views:
        (directory / USERS).write_text(_STOPPED)
        configured += f"<users_config>{escape(str(directory / USERS))}</users_config>"
    if configured:
        file = directory / CONFIGURATION
        file.write_text(f"<clickhouse>{configured}</clickhouse>\n")
        options["config-file"] = str(file)
    return options
