"""A data directory has one holder, and the error names it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from marketprism.errors import DataDirectoryError
from marketprism.supervisor.directory import DataDirectory, Holder, holder_of


def test_second_holder_is_refused_by_name(tmp_path: Path) -> None:
    with (
        DataDirectory(tmp_path / "data", "up"),
        pytest.raises(DataDirectoryError, match=rf"in use by process {os.getpid()} \(marketprism up\); stop that one"),
        DataDirectory(tmp_path / "data", "demo"),
    ):
        pytest.fail("two supervisors share a directory")


def test_holder_is_known_while_it_holds(tmp_path: Path) -> None:
    assert holder_of(tmp_path) is None
    with DataDirectory(tmp_path, "up") as directory:
        directory.publish(Holder(pid=1, command="up", clickhouse_url="http://127.0.0.1:1"))
        holder = holder_of(tmp_path)
        assert holder is not None
        assert holder.clickhouse_url == "http://127.0.0.1:1"
    assert holder_of(tmp_path) is None


def test_a_leftover_lock_file_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "supervisor.lock").write_text("{broken")
    with DataDirectory(tmp_path, "up") as directory:
        assert directory.path == tmp_path
        assert holder_of(tmp_path) is not None


def test_a_path_that_cannot_be_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(DataDirectoryError, match="choose another with --data"),
        DataDirectory(tmp_path / "file" / "data", "up"),
    ):
        pytest.fail("a file became a directory")
