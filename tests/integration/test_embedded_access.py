"""Who gets in and what they may do; who holds a directory; what a start refuses."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.integration.embedded_process import EmbeddedServer

ANALYST = {"username": "analyst", "password": "look"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    started = EmbeddedServer(
        tmp_path_factory.mktemp("embedded-access"),
        password="s3cret",
        readonly_password="look",
        max_readers="4",
        reader_max_execution_time_s="3",
        reader_max_memory_mb="64",
    ).start()
    owner = started.client(password="s3cret")
    owner.command("CREATE DATABASE marketprism_hot")
    owner.command(
        "CREATE TABLE marketprism_hot.trades (symbol String, price Float64) ENGINE = MergeTree ORDER BY symbol"
    )
    owner.command("CREATE TABLE default.private (a Int8) ENGINE = MergeTree ORDER BY a")
    owner.insert("marketprism_hot.trades", [["BTCUSDT", 1.5]], column_names=["symbol", "price"])
    yield started
    assert started.stop() == 0, started.log()
    assert "Traceback" not in started.log(), started.log()


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_four_ways_to_say_who_one_is(server: EmbeddedServer) -> None:
    assert server.post("SELECT 1", basic("default", "s3cret")).status == 200
    assert server.post("SELECT 1", {"X-ClickHouse-User": "default", "X-ClickHouse-Key": "s3cret"}).status == 200
    assert server.post("SELECT 1", user="default", password="s3cret").status == 200
    assert server.post("SELECT 1", {"X-ClickHouse-Key": "s3cret"}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("default", "wrong"),
        basic("nobody", "s3cret"),
        basic("analyst", "s3cret"),
        basic("default", "look"),
        {"X-ClickHouse-User": "default"},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Bearer s3cret"},
    ],
)
def test_a_wrong_password_is_error_516(server: EmbeddedServer, headers: dict[str, str]) -> None:
    response = server.post("SELECT 1", headers)
    assert (response.status, response.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
    assert b"s3cret" not in response.data


def test_ping_needs_no_password(server: EmbeddedServer) -> None:
    assert server._http.request("GET", server.url + "/ping").data == b"Ok.\n"
    assert json.loads(server._http.request("GET", server.url + "/ready").data)["ready"] is True


def test_an_analyst_reads(server: EmbeddedServer) -> None:
    client = server.client(**ANALYST)
    assert client.query("SELECT symbol, price FROM marketprism_hot.trades").result_rows == [("BTCUSDT", 1.5)]
    sql = "SELECT count() FROM marketprism_hot.trades WHERE symbol = {s:String}"
    assert client.query(sql, parameters={"s": "BTCUSDT"}).result_rows == [(1,)]
    assert client.query("SHOW TABLES FROM marketprism_hot").result_rows == [("trades",)]
    assert client.query("DESCRIBE TABLE marketprism_hot.trades").result_rows[0][0] == "symbol"
    assert client.query("SELECT symbol FROM trades", settings={"database": "marketprism_hot"}).result_rows
    assert client.query_arrow("SELECT price FROM marketprism_hot.trades").num_rows == 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM default.private",
        "SELECT * FROM private",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "INSERT INTO marketprism_hot.trades VALUES ('x', 1)",
        "DROP TABLE marketprism_hot.trades",
        "SET max_threads = 64",
        "KILL QUERY WHERE 1",
        "SYSTEM STOP MERGES",
        "SELECT 1 SETTINGS readonly = 0",
        "CREATE TEMPORARY TABLE x (a Int8)",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_analyst_changes_nothing(server: EmbeddedServer, sql: str, method: str) -> None:
    headers = basic("analyst", "look")
    response = server.get(sql, headers) if method == "GET" else server.post(sql, headers)
    assert (response.status, response.headers["X-ClickHouse-Exception-Code"]) == (403, "497"), response.data
    assert response.data.count(b"\n") == 1


def test_a_table_cannot_come_in_by_a_parameter_or_a_form(server: EmbeddedServer) -> None:
    headers = basic("analyst", "look")
    by_parameter = server.post("SELECT * FROM {t:Identifier}", headers, param_t="default.private")
    assert by_parameter.headers["X-ClickHouse-Exception-Code"] == "497"
    function = server.post("SELECT dictGet({d:String}, 'a', 1)", headers, param_d="x")
    assert function.headers["X-ClickHouse-Exception-Code"] == "497"
    form = server._http.request(
        "POST", server.url + "/?query=SELECT+*+FROM+t&t_structure=a+Int8", headers=headers, fields={"t": ("t", b"1\n")}
    )
    assert form.headers["X-ClickHouse-Exception-Code"] == "497"
    assert server.post("SELECT 1", headers, default_format="Template").headers["X-ClickHouse-Exception-Code"] == "497"


def test_an_analysts_limits_cannot_be_lifted(server: EmbeddedServer) -> None:
    headers = basic("analyst", "look")
    values = (
        "SELECT name, value FROM system.settings WHERE name IN ('max_execution_time', 'max_memory_usage', 'readonly')"
    )
    lifted = {"max_execution_time": 0, "max_memory_usage": 0, "readonly": 0}
    for asked in (lifted, {"max_execution_time": 1e9, "max_memory_usage": -1}):
        answer = dict(line.split("\t") for line in server.post(values, headers, **asked).data.decode().splitlines())
        assert answer == {"max_execution_time": "3", "max_memory_usage": str(64 << 20), "readonly": "1"}
    assert server.post("SELECT 1", headers, max_execution_time=1).status == 200
    refused = server.post("SELECT 1", headers, allow_ddl=1)
    assert refused.headers["X-ClickHouse-Exception-Code"] == "452"
    memory = server.post("SELECT groupArray(number) FROM numbers(100000000)", headers)
    assert memory.headers["X-ClickHouse-Exception-Code"] == "241"
    late = server.post("SELECT sum(cityHash64(number)) FROM numbers(100000000000)", headers)
    assert (late.status, late.headers["X-ClickHouse-Exception-Code"]) == (408, "159")


def test_analysts_cannot_take_all_readers(server: EmbeddedServer) -> None:
    """Two of the four slots: the services' own reads go on."""
    sql = "SELECT+number+FROM+numbers(100000000000)"
    silent = []
    for _ in range(3):
        connection = server.connect()
        connection.sendall(f"GET /?user=analyst&password=look&query={sql} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        silent.append(connection)
    assert server.post("SELECT 1", user="default", password="s3cret").data == b"1\n"
    for connection in silent:
        connection.close()


def test_the_driver_tells_a_wrong_password(server: EmbeddedServer) -> None:
    with pytest.raises(DatabaseError, match="AUTHENTICATION_FAILED"):
        server.client(password="wrong")


# -- starting ----------------------------------------------------------------------------------------------------------


def refused(server: EmbeddedServer, **environment: str) -> tuple[int, str]:
    """Exit code and last line of a process that must not start."""
    process = server.spawn(**environment)
    code = process.wait(30)
    return code, server.log().strip().splitlines()[-1]


def test_one_holder_a_directory(server: EmbeddedServer) -> None:
    assert server.process is not None
    code, line = refused(server, MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT="0")
    assert code == 4
    assert f"in use by process {server.process.pid}" in line
    assert f"HTTP port {server.port}" in line


def test_a_port_in_use(server: EmbeddedServer, tmp_path: Path) -> None:
    other = EmbeddedServer(tmp_path)
    other.port = server.port
    code, line = refused(other)
    assert code == 5
    assert "MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT" in line


def test_open_to_others_needs_a_password(tmp_path: Path) -> None:
    code, line = refused(EmbeddedServer(tmp_path, host="0.0.0.0"))
    assert code == 2
    assert "MARKETPRISM_EMBEDDED_PASSWORD" in line
    assert not (tmp_path / "clickhouse").exists()


def test_an_analyst_without_a_password_is_for_this_machine_only(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, host="0.0.0.0", password="p").start()
    try:
        assert server.post("SELECT 1", user="analyst").headers["X-ClickHouse-Exception-Code"] == "516"
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize("written", ["26.11.1.1", "27.3.1.1", "25.8.1.1", "nonsense"])
def test_a_directory_of_another_engine(tmp_path: Path, written: str) -> None:
    (tmp_path / "clickhouse").mkdir()
    (tmp_path / "clickhouse" / "engine-version").write_text(written)
    code, line = refused(EmbeddedServer(tmp_path))
    assert code == 4
    assert written in line
    assert (tmp_path / "clickhouse" / "engine-version").read_text() == written


def test_views_stand_still_until_they_are_started(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, refresh_views="false").start()
    try:
        with server.client() as client:
            client.command("CREATE DATABASE d")
            client.command("CREATE MATERIALIZED VIEW d.v REFRESH EVERY 1 DAY ENGINE = Memory AS SELECT 1 AS one")
            assert client.command("SELECT status FROM system.view_refreshes") == "Disabled"
            assert client.command("SELECT count() FROM d.v") == 0
            client.command("SYSTEM START VIEWS")
            client.command("SYSTEM WAIT VIEW d.v")
            assert client.command("SELECT count() FROM d.v") == 1
    finally:
        server.stop()


def test_fsync_reaches_the_engine(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, fsync_after_insert="true").start()
    try:
        assert server.ask("SELECT value FROM system.merge_tree_settings WHERE name = 'fsync_after_insert'") == "1"
        half = int(server.ask("SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'"))
        assert half == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    finally:
        assert server.stop() == 0


def test_a_directory_that_nobody_serves_opens_in_process(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path).start()
    server.ask("CREATE DATABASE d")
    server.ask("CREATE TABLE d.t ENGINE = MergeTree ORDER BY number AS SELECT number FROM numbers(1000)")
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from marketprism.embedded.inprocess import open_engine
        with open_engine(Path(sys.argv[1])) as engine:
            sys.stdout.buffer.write(engine.query("SELECT count() AS n FROM d.t", "JSONEachRow"))
            sys.stdout.buffer.write(engine.query("SELECT 1 AS a FORMAT CSVWithNames"))
            sys.stdout.buffer.write(engine.query("SHOW TABLES FROM d"))
        """
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    served = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "DataDirectoryError" in served.stderr
    assert str(server.port) in served.stderr
    assert server.stop(signal.SIGINT) == 0
    free = subprocess.run(command, capture_output=True, text=True, check=True)
    assert free.stdout == '{"n":1000}\n"a"\n1\nt\n'
