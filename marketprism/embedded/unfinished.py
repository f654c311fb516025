"""Inserts that a killed engine noted as done and did not finish are forgotten before it opens, so a retry stores them.

A MergeTree writes an insert's deduplication token into ``deduplication_logs`` before it renames the part from
``tmp_insert_<part>`` to ``<part>`` (strace of engine 26.9). A kill between the two leaves the token without its rows:
the retry would be taken for a duplicate and the rows would be lost, in a table or in one of its views. On its next
start the engine deletes ``tmp_insert_…`` and with it the trace, which is why this looks first. Replicated tables
commit both in one step of Keeper and need none of it.

``python -m marketprism.embedded.unfinished /var/lib/clickhouse`` does the same for a stopped server of yours.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

_UNFINISHED: Final = "tmp_insert_"
_LOGS: Final = "deduplication_logs"
_ADDED: Final = "1"
_DROPPED: Final = "2"


def forget_unfinished(engine: Path) -> int:
    """Drop the tokens of unfinished parts from the logs of a stopped engine's directory; how many. Raises OSError."""
    return sum(_forget(logs) for logs in engine.glob(f"store/*/*/{_LOGS}"))


def _forget(logs: Path) -> int:
    table = logs.parent
    parts = {path.name.removeprefix(_UNFINISHED) for path in table.glob(f"{_UNFINISHED}*")}
    parts = {part for part in parts if not (table / part).exists()}
    if not parts:
        return 0
    files = sorted(logs.glob("deduplication_log_*.txt"), key=lambda file: int(file.stem.rpartition("_")[2]))
    noted: dict[str, str] = {}  # token of a block → its part
    for file in files:
        for line in file.read_text().splitlines():
            operation, part, token, *_ = [*line.split("\t"), "", ""]  # a power cut may have torn the last one
            if operation == _ADDED:
                noted[token] = part
            else:
                noted.pop(token, None)
    gone = [f"{_DROPPED}\t{part}\t{token}\n" for token, part in noted.items() if part in parts]
    if gone:
        with files[-1].open("a") as newest:
            newest.writelines(gone)
        logger.warning("%s: %d inserts were noted and not finished when the engine was killed", table.name, len(gone))
    return len(gone)


if __name__ == "__main__":
    sys.stdout.write(f"{forget_unfinished(Path(sys.argv[1]))} unfinished inserts forgotten\n")
