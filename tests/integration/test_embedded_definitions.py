"""Definitions that a full disk has cut: the engine opens, what was defined before is there, views go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketprism.embedded.definitions import COPIES, Room, copy_definitions, mend_definitions
from marketprism.embedded.exceptions import EngineError
from tests.integration.embedded_process import EmbeddedServer, eventually


@pytest.fixture
def definition(tmp_path: Path) -> Iterator[Path]:
    """Of a table, written whole and copied."""
    file = tmp_path / "store" / "abc" / "abc-1" / "t.sql"
    file.parent.mkdir(parents=True)
    file.write_text("ATTACH TABLE _ UUID 'x' (`a` Int64)\nENGINE = Memory\n")
    copy_definitions(tmp_path)
    return file


@pytest.mark.parametrize("left", [0, 20], ids=["empty", "cut"])
def test_what_was_cut_is_put_back(tmp_path: Path, definition: Path, left: int) -> None:
    whole = definition.read_text()
    definition.write_text(whole[:left])
    copy_definitions(tmp_path)  # never of what is cut
    mend_definitions(tmp_path)
    assert definition.read_text() == whole
    assert [path.name for path in definition.parent.iterdir()] == ["t.sql"]


def test_what_was_never_whole_is_laid_aside(tmp_path: Path, definition: Path) -> None:
    made_on_a_full_disk = definition.with_name("lock.sql")
    made_on_a_full_disk.touch()
    mend_definitions(tmp_path)
    assert [path.name for path in definition.parent.iterdir()] == ["t.sql"]
    assert [path.name for path in tmp_path.rglob("lock.sql")] == ["lock.sql"]


def test_copies_are_as_new_as_what_is_there(tmp_path: Path, definition: Path) -> None:
    [copy] = (tmp_path / COPIES).rglob("*.sql")
    definition.write_text("ATTACH TABLE _ UUID 'y' (`b` Int64)\nENGINE = Memory\n")
    copy_definitions(tmp_path)
    assert copy.read_text() == definition.read_text()
    definition.unlink()
    copy_definitions(tmp_path)
    assert not copy.exists()


def test_without_room_nothing_is_defined_and_partitions_may_go(tmp_path: Path) -> None:
    full, empty = Room(tmp_path, reserve=2**62), Room(tmp_path, reserve=0)
    for sql in ("ALTER TABLE w.t ADD CONSTRAINT c CHECK a > 1", " create table w.x (a Int8) ENGINE = Null"):
        with pytest.raises(EngineError, match="MB are free on the disk") as refused:
            full.check(sql)
        assert refused.value.code == 243
        empty.check(sql)
    for sql in ("ALTER TABLE w.t DROP PARTITION ID '20240801'", "DROP TABLE w.t", "SYSTEM STOP VIEWS"):
        full.check(sql)


def test_an_engine_whose_disk_was_full_opens_again(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path).start()
    server.ask("CREATE DATABASE w")
    server.ask("CREATE TABLE w.t (a Int64) ENGINE = MergeTree ORDER BY a")
    server.ask("INSERT INTO w.t VALUES (7)")
    for engine in ("Memory", "MergeTree ORDER BY a"):
        name = engine.partition(" ")[0].lower()
        server.ask(
            f"CREATE MATERIALIZED VIEW w.{name} REFRESH EVERY 1 SECOND (a Int64) ENGINE = {engine} AS SELECT a FROM w.t"
        )
    eventually(lambda: server.ask("SELECT (SELECT sum(a) FROM w.memory), (SELECT sum(a) FROM w.mergetree)") == "7\t7")
    assert server.stop() == 0
    copy_definitions(tmp_path / "clickhouse")
    store = tmp_path / "clickhouse" / "store"
    cut = [*store.glob("*/*/t.sql"), *store.glob("*/*/%2Einner_id*.sql")]
    assert len(cut) == 3
    for file in cut:
        file.write_text(file.read_text()[:40] if "inner" in file.name else "")
    server.start()
    try:
        server.ask("INSERT INTO w.t VALUES (8)")
        eventually(
            lambda: server.ask("SELECT (SELECT sum(a) FROM w.memory), (SELECT sum(a) FROM w.mergetree)") == "15\t15"
        )
    finally:
        assert server.stop() == 0
