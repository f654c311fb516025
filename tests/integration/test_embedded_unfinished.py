"""A kill between an insert's note in the deduplication log and its part: a retry stores it once, in table and view."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from marketprism.embedded.unfinished import forget_unfinished
from tests.conftest import REPOSITORY
from tests.faults.engine_kills import Inserts
from tests.integration.embedded_process import EmbeddedServer


def newest_part(server: EmbeddedServer, table: str) -> Path:
    path = server.ask(
        f"SELECT path FROM system.parts WHERE database = 'w' AND table = '{table}' AND active "
        "ORDER BY min_block_number DESC LIMIT 1"
    )
    return Path(path)


@pytest.mark.faults
@pytest.mark.parametrize("unfinished", [("t",), ("s0",), ("t", "s0", "s4"), ()], ids="-".join)
def test_the_retry_stores_what_was_noted_and_not_finished(tmp_path: Path, unfinished: tuple[str, ...]) -> None:
    server = EmbeddedServer(tmp_path).start()
    inserts = Inserts(server)
    inserts.create()
    server.ask("SYSTEM STOP MERGES")
    for _ in range(3):
        inserts.next()
    parts = [newest_part(server, table) for table in unfinished]
    server.stop(signal.SIGKILL)
    for part in parts:  # as the engine leaves it: the token is in the log, the part has another name and number
        part.rename(part.with_name(f"tmp_insert_{part.name.split('_')[0]}_91_91_0"))
    server.start()
    try:
        assert len(inserts.wrong()) == len(unfinished)
        inserts.done = 0
        for _ in range(3):
            inserts.next()
        assert inserts.wrong() == []
    finally:
        assert server.stop() == 0


def test_only_the_tokens_of_unfinished_parts_go(tmp_path: Path) -> None:
    table = tmp_path / "store" / "abc" / "abc-1"
    logs = table / "deduplication_logs"
    logs.mkdir(parents=True)
    older, newer = logs / "deduplication_log_9.txt", logs / "deduplication_log_10.txt"

    def note(file: Path, *lines: tuple[int, str, str]) -> None:
        file.write_text("".join(f"{operation}\tday_{part}\t{token}\n" for operation, part, token in lines))

    note(older, (1, "1_1_0", "one"), (1, "2_2_0", "two"), (2, "2_2_0", "two"))
    note(newer, (1, "3_3_0", "three"), (1, "4_4_0", "four"), (1, "5_5_0", "five"))
    for folder in ("day_1_3_1", "day_5_5_0", "tmp_merge_day_1_3_1"):
        (table / folder).mkdir()
    before = older.read_text() + newer.read_text()
    assert forget_unfinished(tmp_path) == 0, "nothing was under way"
    (table / "tmp_insert_other_7_7_0").mkdir()
    assert forget_unfinished(tmp_path) == 0, "of another partition"
    (table / "tmp_insert_day_1_1_0").mkdir()
    assert forget_unfinished(tmp_path) == 1
    assert older.read_text() + newer.read_text() == before + "2\tday_4_4_0\tfour\n"
    assert forget_unfinished(tmp_path) == 0, "it is forgotten"
    with newer.open("a") as file:
        file.write("1\tday_6_6_0\tsix\n1\tday_7")  # the last one is torn
    (table / "day_8_8_0").mkdir()  # without a token: it replaced the partition
    assert forget_unfinished(tmp_path) == 0, "what was replaced is not lost"


def test_the_container_forgets_before_it_starts(tmp_path: Path) -> None:
    """monitors/clickhouse/start.sh with the one file that the image has beside it, and no package of ours."""
    table = tmp_path / "data" / "store" / "abc" / "abc-1"
    for folder in ("deduplication_logs", "day_1_1_0", "tmp_insert_day_9_9_0"):
        (table / folder).mkdir(parents=True)
    log = table / "deduplication_logs" / "deduplication_log_1.txt"
    log.write_text("1\tday_1_1_0\tone\n1\tday_2_2_0\ttwo\n")
    alone = tmp_path / "opt" / "unfinished.py"
    alone.parent.mkdir()
    shutil.copy(REPOSITORY / "marketprism" / "embedded" / "unfinished.py", alone)
    done = subprocess.run(
        [REPOSITORY / "monitors" / "clickhouse" / "start.sh", "--flag"],
        env={
            "PATH": os.environ["PATH"],
            "MARKETPRISM_UNFINISHED": str(alone),
            "CLICKHOUSE_DATA": str(tmp_path / "data"),
            "CLICKHOUSE_ENTRYPOINT": "/bin/echo",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["1 unfinished inserts forgotten", "--flag"], "then the server's own entry"
    assert log.read_text().endswith("\n2\tday_2_2_0\ttwo\n")
