"""A kill between an insert's note in the deduplication log and its part: a retry stores it once, in table and view."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from marketprism.embedded.unfinished import forget_unfinished
from tests.integration.embedded_process import EmbeddedServer

WINDOW = "SETTINGS non_replicated_deduplication_window = 1000"


def insert(server: EmbeddedServer, number: int) -> None:
    server.ask(
        f"INSERT INTO w.t SETTINGS insert_deduplication_token = 'batch {number}', "
        f"deduplicate_blocks_in_dependent_materialized_views = 1 SELECT {number}, number FROM numbers(10)"
    )


def newest_part(server: EmbeddedServer, table: str) -> Path:
    path = server.ask(
        f"SELECT path FROM system.parts WHERE database = 'w' AND table = '{table}' AND active "
        "ORDER BY min_block_number DESC LIMIT 1"
    )
    return Path(path)


@pytest.mark.faults
@pytest.mark.parametrize("unfinished", [("t",), ("sums",), ("t", "sums"), ()], ids="-".join)
def test_the_retry_stores_what_was_noted_and_not_finished(tmp_path: Path, unfinished: tuple[str, ...]) -> None:
    server = EmbeddedServer(tmp_path).start()
    server.ask("CREATE DATABASE w")
    server.ask(f"CREATE TABLE w.t (b UInt64, a UInt64) ENGINE = MergeTree PARTITION BY b % 1 ORDER BY a {WINDOW}")
    server.ask(f"CREATE TABLE w.sums (b UInt64, n UInt64) ENGINE = SummingMergeTree ORDER BY b {WINDOW}")
    server.ask("CREATE MATERIALIZED VIEW w.mv TO w.sums AS SELECT b, count() AS n FROM w.t GROUP BY b")
    server.ask("SYSTEM STOP MERGES")
    for number in range(3):
        insert(server, number)
    parts = [newest_part(server, table) for table in unfinished]
    server.stop(signal.SIGKILL)
    for part in parts:  # as the engine leaves it: the token is in the log, the part has not got its name
        part.rename(part.with_name(f"tmp_insert_{part.name}"))
    server.start()
    try:
        for number in range(3):
            insert(server, number)
        assert server.ask("SELECT b, count() FROM w.t GROUP BY b ORDER BY b FORMAT CSV") == "0,10\n1,10\n2,10"
        assert server.ask("SELECT b, sum(n) FROM w.sums GROUP BY b ORDER BY b FORMAT CSV") == "0,10\n1,10\n2,10"
    finally:
        assert server.stop() == 0


def test_only_the_tokens_of_unfinished_parts_go(tmp_path: Path) -> None:
    table = tmp_path / "store" / "abc" / "abc-1"
    logs = table / "deduplication_logs"
    logs.mkdir(parents=True)
    (logs / "deduplication_log_9.txt").write_text(
        "1\t20260101_1_1_0\tone\n1\t20260101_2_2_0\ttwo\n2\t20260101_2_2_0\ttwo\n"
    )
    (logs / "deduplication_log_10.txt").write_text("1\t20260101_3_3_0\tthree\n1\t20260101_4_4_0\tfour\n")
    for folder in (
        "20260101_1_3_1",
        "tmp_insert_20260101_2_2_0",
        "tmp_insert_20260101_4_4_0",
        "tmp_merge_20260101_1_3_1",
    ):
        (table / folder).mkdir()
    before = (logs / "deduplication_log_9.txt").read_text()
    assert forget_unfinished(tmp_path) == 1
    assert (logs / "deduplication_log_10.txt").read_text().splitlines()[2:] == ["2\t20260101_4_4_0\tfour"]
    assert (logs / "deduplication_log_9.txt").read_text() == before
    assert forget_unfinished(tmp_path) == 0
    (table / "20260101_5_5_0").mkdir()
    (table / "tmp_insert_20260101_5_5_0").mkdir()  # its part is there: what is left over means nothing
    (logs / "deduplication_log_10.txt").write_text("1\t20260101_5_5_0\tfive\n1\t2026")
    assert forget_unfinished(tmp_path) == 0
