"""``python -m tests.bench.part_log``: the embedded server, its engine keeping a log of parts.

A row is visible from the moment its part is committed; the log has that moment to the microsecond, by the system clock.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import marketprism.embedded.server as server
from marketprism.embedded.__main__ import main
from marketprism.embedded.options import CONFIGURATION, engine_options
from marketprism.settings import EmbeddedSettings

_LOGGED = "<part_log><database>system</database><table>part_log</table></part_log></clickhouse>"


def _with_part_log(settings: EmbeddedSettings, directory: Path) -> dict[str, str]:
    options = engine_options(settings, directory)
    file = Path(options.get("config-file", directory / CONFIGURATION))
    said = file.read_text() if "config-file" in options else "<clickhouse></clickhouse>"
    file.write_text(said.replace("</clickhouse>", _LOGGED))
    return {**options, "config-file": str(file)}


def committed_us(client: Any, tables: tuple[str, ...], since_us: int) -> dict[str, list[int]]:
    """When each table got a new part from an insert, ascending, µs since the epoch."""
    client.command("SYSTEM FLUSH LOGS")
    rows = client.query(
        "SELECT table, toUnixTimestamp64Micro(event_time_microseconds) AS at FROM system.part_log "
        "WHERE event_type = 'NewPart' AND table IN {tables:Array(String)} AND at >= {since:Int64} ORDER BY at",
        parameters={"tables": list(tables), "since": since_us},
    ).result_rows
    return {table: [at for name, at in rows if name == table] for table in tables}


if __name__ == "__main__":
    server.engine_options = _with_part_log  # type: ignore[attr-defined]
    sys.exit(main())
