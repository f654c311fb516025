"""What a person does wrong against real servers: one clear line, an exit code, and nothing else is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest

from tests.integration.embedded_process import EmbeddedServer
from tests.integration.running import marketprism, port_environment


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """An embedded ClickHouse with a password and the whole schema."""
    embedded = EmbeddedServer(tmp_path_factory.mktemp("engine"), password="correct").start()
    yield embedded
    assert embedded.process is not None
    embedded.process.kill()
    embedded.process.wait()


def _error(folder: Path, code: int, *arguments: str, **environment: str) -> str:
    done = marketprism(*arguments, cwd=folder, **environment)
    assert done.returncode == code, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr
    return line


def test_wrong_password(server: EmbeddedServer, tmp_path: Path) -> None:
    line = _error(
        tmp_path, 3, "query", "SELECT 1",
        MARKETPRISM_CLICKHOUSE_URL=server.url, MARKETPRISM_CLICKHOUSE_PASSWORD="wrong",
    )  # fmt: skip
    assert line.endswith("check MARKETPRISM_CLICKHOUSE_USER and MARKETPRISM_CLICKHOUSE_PASSWORD")
    assert "wrong;" not in line


@pytest.mark.parametrize(
    ("url", "reason"), [("http://127.0.0.1:1", "Connection refused"), ("http://nowhere.invalid", "Name or service")]
)
def test_no_server_is_one_short_line(tmp_path: Path, url: str, reason: str) -> None:
    done = marketprism("query", "SELECT 1", cwd=tmp_path, MARKETPRISM_CLICKHOUSE_URL=url)
    assert done.returncode == 3
    assert done.stderr.startswith(f"error: ClickHouse at {url} does not answer: {reason}")
    assert done.stderr.endswith("or point MARKETPRISM_CLICKHOUSE_URL at a running server\n")
    assert len(done.stderr.splitlines()) == 1
    assert len(done.stderr) < 200


def test_schema_of_a_newer_version(server: EmbeddedServer, tmp_path: Path) -> None:
    environment = {"MARKETPRISM_CLICKHOUSE_URL": server.url, "MARKETPRISM_CLICKHOUSE_PASSWORD": "correct"}
    done = marketprism("migrate", cwd=tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "0001_create_databases.sql"
    assert marketprism("migrate", "--print", cwd=tmp_path, **environment).stdout == ""
    client = clickhouse_connect.get_client(host="127.0.0.1", port=server.port, password="correct")
    client.command(
        "INSERT INTO marketprism_hot.schema_versions (version, md5, script) VALUES (9999, 'x', 'SELECT 1')",
        settings={"async_insert": 0},
    )
    assert "9999, which this checkout does not know; update marketprism" in _error(
        tmp_path, 6, "migrate", **environment
    )


def test_data_directory_of_another_engine(tmp_path: Path) -> None:
    engine = tmp_path / "data" / "clickhouse"
    engine.mkdir(parents=True)
    (engine / "engine-version").write_text("99.1.1.1\n")
    assert "99.1" in _error(tmp_path, 4, "query", "SELECT 1", "--data", str(tmp_path / "data"))
    line = _error(tmp_path, 4, "up", "--simulate", "--data", str(tmp_path / "data"), **port_environment())
    assert "written by engine 99.1.1.1" in line
    assert (engine / "engine-version").read_text() == "99.1.1.1\n"


def test_directory_without_data(tmp_path: Path) -> None:
    assert "no ClickHouse data in" in _error(tmp_path, 4, "query", "SELECT 1", "--data", str(tmp_path / "nothing"))


def test_dead_letters_need_names_or_all(server: EmbeddedServer, tmp_path: Path) -> None:
    environment = {"MARKETPRISM_CLICKHOUSE_URL": server.url, "MARKETPRISM_CLICKHOUSE_PASSWORD": "correct"}
    assert "give --all" in _error(tmp_path, 2, "dead-letters", "drop", **environment)
