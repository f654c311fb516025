"""Inserts that a killed engine noted as done and did not finish are forgotten before it opens, so a retry stores them.

A MergeTree writes an insert's deduplication token into ``deduplication_logs`` before it renames the part from
``tmp_insert_…`` to its own name (strace of engine 26.9). A kill between the two leaves the token without its rows: the
retry would be taken for a duplicate and the rows would be lost, in a table or in one of its views. On its next start
the engine deletes ``tmp_insert_…`` and with it the trace, which is why this looks first. Replicated tables commit
both in one step of Keeper and need none of it.

``python -m marketprism.embedded.unfinished /var/lib/clickhouse`` does the same for a stopped server of yours.
"""

from __future__ import annotations

import logging
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

logger = logging.getLogger(__name__)

_BEGUN: Final = "tmp_insert_"
_ADDED: Final = "1"
_DROPPED: Final = "2"
_NAME: Final = re.compile(r"([^_]+)_(\d+)_(\d+)_\d+(?:_\d+)?")


class _Part(NamedTuple):
    """Partition, and the numbers of the first and last insert that a part holds."""

    partition: str
    first: int
    last: int


def forget_unfinished(engine: Path) -> int:
    """Drop the tokens of unfinished parts from the logs of a stopped engine's directory; how many. Raises OSError."""
    return sum(_forget(logs) for logs in engine.glob("store/*/*/deduplication_logs"))


def _forget(logs: Path) -> int:
    names = [path.name for path in logs.parent.iterdir()]
    begun = {part.partition for part in _parts(name[len(_BEGUN) :] for name in names if name.startswith(_BEGUN))}
    if not begun:
        return 0
    files = sorted(logs.glob("deduplication_log_*.txt"), key=lambda file: int(file.stem.rpartition("_")[2]))
    noted = _noted(files)
    stored = _parts(names)
    gone = [token for partition in begun for token in _lacking(partition, noted, stored)]
    if gone:
        torn = not files[-1].read_bytes().endswith(b"\n")
        with files[-1].open("a") as newest:
            newest.write("\n" * torn)
            newest.writelines(f"{_DROPPED}\t{noted[token]}\t{token}\n" for token in gone)
        logger.warning("%s: %d inserts were noted and not finished at a kill", logs.parent.name, len(gone))
    return len(gone)


def _parts(names: Iterable[str]) -> list[_Part]:
    matches = map(_NAME.fullmatch, names)
    return [_Part(match[1], int(match[2]), int(match[3])) for match in matches if match]


def _noted(files: Iterable[Path]) -> dict[str, str]:
    """Token of a block → name of its part, of those that the engine would take for duplicates."""
    noted: dict[str, str] = {}
    for file in files:
        for line in file.read_text().splitlines():
            operation, name, token, *_ = [*line.split("\t"), "", ""]  # a power cut may have torn the last one
            if operation == _ADDED:
                noted[token] = name
            else:
                noted.pop(token, None)
    return noted


def _lacking(partition: str, noted: dict[str, str], stored: Iterable[_Part]) -> list[str]:
    """Tokens whose inserts no part holds. Not those that a replaced partition had: what replaced them came later, has
    no token, and its number is higher."""
    numbers = {
        token: part.first for token, name in noted.items() for part in _parts([name]) if part.partition == partition
    }
    held = sorted(part for part in stored if part.partition == partition)  # thousands, with those already merged
    known = set(numbers.values())
    replaced = max((part.last for part in held if part.last not in known), default=0)
    firsts, reach = [part.first for part in held], list(accumulate((part.last for part in held), max, initial=-1))
    return [
        token for token, number in numbers.items() if number > replaced and reach[bisect_right(firsts, number)] < number
    ]


if __name__ == "__main__":
    sys.stdout.write(f"{forget_unfinished(Path(sys.argv[1]))} unfinished inserts forgotten\n")
