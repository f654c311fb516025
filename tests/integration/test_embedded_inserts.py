"""Inserts through the front: whole or not at all, each with its own settings, never behind readers."""

from __future__ import annotations

import gzip
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import lz4.frame
import numpy as np
import pyarrow as pa
import pytest
import zstandard

from tests.integration.embedded_process import EmbeddedServer, eventually


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    started = EmbeddedServer(tmp_path_factory.mktemp("embedded-inserts"), max_readers="4").start()
    yield started
    assert started.stop() == 0, started.log()
    assert "Traceback" not in started.log(), started.log()


@pytest.fixture
def table(server: EmbeddedServer, request: pytest.FixtureRequest) -> str:
    name = "t_" + "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
    server.ask("CREATE DATABASE IF NOT EXISTS w")
    server.ask(
        f"CREATE TABLE w.{name} (a UInt64, s String) ENGINE = MergeTree ORDER BY a "
        "SETTINGS non_replicated_deduplication_window = 1000"
    )
    return f"w.{name}"


def arrow(rows: int, first: int = 0) -> bytes:
    numbers = np.arange(first, first + rows, dtype="uint64")
    batch = pa.record_batch({"a": pa.array(numbers), "s": pa.array([f"row {number}" for number in numbers])})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def counted(server: EmbeddedServer, table: str) -> int:
    return int(server.ask(f"SELECT count() FROM {table}"))


ENCODERS = {
    "identity": lambda data: data,
    "lz4": lz4.frame.compress,
    "zstd": zstandard.compress,
    "gzip": gzip.compress,
    "two frames of zstd": lambda data: zstandard.compress(data[:1000]) + zstandard.compress(data[1000:]),
    "two frames of lz4": lambda data: lz4.frame.compress(data[:1000]) + lz4.frame.compress(data[1000:]),
}


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("in_url", [True, False], ids=["statement in the URL", "statement in the body"])
def test_an_insert_arrives_compressed(server: EmbeddedServer, table: str, encoding: str, in_url: bool) -> None:
    statement = f"INSERT INTO {table} FORMAT ArrowStream"
    body = arrow(5000)
    sent = ENCODERS[encoding](body if in_url else statement.encode() + b"\n" + body)
    headers = {} if encoding == "identity" else {"Content-Encoding": encoding.rpartition(" ")[2]}
    response = server.post(sent, headers, **({"query": statement} if in_url else {}))
    assert response.status == 200, response.data
    assert '"written_rows":"5000"' in response.headers["X-ClickHouse-Summary"]
    assert server.ask(f"SELECT count(), sum(a), min(s) FROM {table}") == f"5000\t{4999 * 2500}\trow 0"


@pytest.mark.parametrize("rows", [50_000, 1_700_000], ids=["1 MB", "in a file"])
@pytest.mark.parametrize("how", ["short content length", "no last chunk", "cut zstd frame", "cut lz4 frame"])
def test_a_cut_body_stores_nothing_and_its_retry_stores_all(
    server: EmbeddedServer, table: str, rows: int, how: str
) -> None:
    body = arrow(rows)
    token = {"insert_deduplication_token": f"{how} {rows}", "max_insert_block_size": "2000000"}
    target = f"/?query=INSERT+INTO+{table}+FORMAT+ArrowStream&" + "&".join(
        f"{name}={value.replace(' ', '-')}" for name, value in token.items()
    )
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\n"
    if how.startswith("cut"):
        codec = how.split()[1]
        packed = ENCODERS[codec](body)
        cut = packed[: len(packed) * 2 // 3]
        message = f"{head}Content-Encoding: {codec}\r\nContent-Length: {len(cut)}\r\n\r\n".encode() + cut
    elif how == "short content length":
        message = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) * 2 // 3]
    else:
        part = body[: len(body) * 2 // 3]
        message = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + b"%x\r\n" % len(part) + part + b"\r\n"
    with server.connect() as connection:
        connection.sendall(message)
        if how.startswith("cut"):
            assert b" 400 " in connection.recv(200)
    eventually(lambda: server.ask("SELECT count() FROM system.processes WHERE query LIKE 'INSERT%'") == "0")
    assert counted(server, table) == 0
    for _ in range(2):  # the same token: the retry is stored, its own retry is not
        response = server.post(
            body,
            query=f"INSERT INTO {table} FORMAT ArrowStream",
            **{name: value.replace(" ", "-") for name, value in token.items()},
        )
        assert response.status == 200, response.data
        assert counted(server, table) == rows


def test_settings_of_one_insert_reach_no_other(server: EmbeddedServer, table: str) -> None:
    statement = f"INSERT INTO {table} FORMAT ArrowStream"
    for _ in range(3):
        server.post(arrow(10), query=statement, insert_deduplication_token="same")
    assert counted(server, table) == 10
    server.post(arrow(10, first=100), query=statement, insert_deduplication_token="other")
    assert counted(server, table) == 20
    assert server.ask("SELECT count() FROM system.settings WHERE changed AND name LIKE '%token%'") == "0"


def test_a_block_is_cut_where_its_settings_say(server: EmbeddedServer, table: str) -> None:
    """One Arrow batch is one block is one part, whatever the chunks it travelled in."""
    explicit = {
        "max_insert_block_size": 200_000,
        "min_insert_block_size_rows": 200_000,
        "min_insert_block_size_bytes": 1 << 30,
        "async_insert": 0,
        "deduplicate_blocks_in_dependent_materialized_views": 1,
    }
    server.ask(f"SYSTEM STOP MERGES {table}")
    server.post(arrow(100_000), query=f"INSERT INTO {table} FORMAT ArrowStream", **explicit)
    assert server.ask(f"SELECT count() FROM system.parts WHERE active AND database || '.' || table = '{table}'") == "1"


def test_bad_rows_are_refused_whole(server: EmbeddedServer, table: str) -> None:
    response = server.post(f"INSERT INTO {table} FORMAT CSV\n1,a\nnot a number,b\n")
    assert (response.status, response.headers["X-ClickHouse-Exception-Code"]) == (400, "27")
    assert counted(server, table) == 0


def test_an_error_early_in_a_long_body_reaches_the_client(server: EmbeddedServer, table: str) -> None:
    body = b"bad,row\n" + b"1,a\n" * 6_000_000
    response = server.post(body, query=f"INSERT INTO {table} FORMAT CSV")
    assert response.headers["X-ClickHouse-Exception-Code"] == "27"
    assert counted(server, table) == 0


def test_a_cancelled_request_in_the_middle_of_an_insert_stores_nothing(server: EmbeddedServer, table: str) -> None:
    """An upload that is not whole holds no writer: another insert passes it, and nothing of it is begun."""
    body = arrow(1_700_000)
    before = cut_off(server)
    with server.connect() as connection:
        head = f"POST /?query=INSERT+INTO+{table}+FORMAT+ArrowStream HTTP/1.1\r\nHost: x\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-1000])
        assert server.post(arrow(10), query=f"INSERT INTO {table} FORMAT ArrowStream").status == 200
    eventually(lambda: cut_off(server) == before + 1)
    assert counted(server, table) == 10


def cut_off(server: EmbeddedServer) -> int:
    (line,) = [
        line for line in metrics(server).splitlines() if "cut_inserts_total " in line and not line.startswith("#")
    ]
    return int(float(line.split()[-1]))


REFUSED = {
    "a view throws": (
        "395",
        120,  # as on a server: the table has them, and the writer sends the block again by its token
        "CREATE MATERIALIZED VIEW {table}_mv ENGINE = MergeTree ORDER BY x AS SELECT throwIf(a = 7) AS x FROM {table}",
    ),
    "a constraint fails": ("469", 0, "ALTER TABLE {table} ADD CONSTRAINT small CHECK a < 7"),
    "more than 100 partitions": ("252", 0, ""),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_engine_refuses_is_an_error(server: EmbeddedServer, table: str, what: str) -> None:
    """chDB's own streamed insert would say that all is well."""
    code, stored, statement = REFUSED[what]
    target = table
    if statement:
        server.ask(statement.format(table=table))
    else:
        target = f"{table}_parted"
        server.ask(f"CREATE TABLE {target} AS {table} ENGINE = MergeTree PARTITION BY a ORDER BY a")
    response = server.post(arrow(120), query=f"INSERT INTO {target} FORMAT ArrowStream")
    assert response.headers.get("X-ClickHouse-Exception-Code") == code, response.data
    assert counted(server, target) == stored


@pytest.mark.parametrize(
    "body",
    [
        "INSERT INTO {table} VALUES (1, 'a'), (2, 'b;c')",
        "INSERT INTO {table} (a, s) VALUES (1, 'a'), (2, 'FORMAT CSV');",
        "INSERT INTO {table} SELECT number, 'x' FROM numbers(2)",
        "INSERT INTO {table} WITH 2 AS n SELECT number, 'x' FROM numbers(n)",
        '-- why\nINSERT INTO {table} FORMAT JSONEachRow {{"a": 1, "s": "x"}}\n{{"a": 2}}',
        "/* FORMAT TSV */ insert into {table} format TSV\n1\tx\n2\t-- y\n",
        "INSERT INTO {table} SETTINGS async_insert = 0 FORMAT CSV\r\n1,x\r\n2,y\r\n",
    ],
)
def test_every_form_of_insert(server: EmbeddedServer, table: str, body: str) -> None:
    server.ask(body.format(table=table))
    assert counted(server, table) == 2


def test_readers_do_not_hold_up_a_writer(server: EmbeddedServer, table: str) -> None:
    """All slots taken by clients that read nothing of a large result, and by long aggregations: inserts go on."""
    silent = []
    for sql in 2 * [
        "SELECT+number,toString(number)+FROM+numbers(2000000000)",
        "SELECT+sum(cityHash64(number))+FROM+numbers(200000000000)",
    ]:
        connection = server.connect()
        connection.sendall(f"GET /?query={sql} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        silent.append(connection)
    eventually(lambda: 'marketprism_clickhouse_queries_running{kind="select"} 4.0' in metrics(server))
    before = server.resident_mb()
    took = []
    for number in range(30):
        begun = time.perf_counter()
        assert server.post(arrow(1, first=number), query=f"INSERT INTO {table} FORMAT ArrowStream").status == 200
        took.append(time.perf_counter() - begun)
    refused = server.post("SELECT 1")
    assert (refused.status, refused.headers["X-ClickHouse-Exception-Code"]) == (429, "202")
    for connection in silent:
        connection.close()
    eventually(lambda: 'marketprism_clickhouse_queries_running{kind="select"} 0.0' in metrics(server))
    assert counted(server, table) == 30
    assert statistics.median(took) < 0.25, took
    assert server.resident_mb() - before < 300


def metrics(server: EmbeddedServer) -> str:
    return server._http.request("GET", server.url + "/metrics").data.decode()


@pytest.mark.faults
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path).start()
    server.ask("CREATE DATABASE w")
    server.ask(
        "CREATE TABLE w.t (a UInt64, s String) ENGINE = MergeTree ORDER BY a "
        "SETTINGS non_replicated_deduplication_window = 1000"
    )
    server.ask("CREATE TABLE w.n (n UInt64) ENGINE = MergeTree ORDER BY n")
    server.ask("CREATE MATERIALIZED VIEW w.v REFRESH EVERY 1 SECOND TO w.n AS SELECT count() AS n FROM w.t")
    acknowledged: list[int] = []

    def write() -> None:
        for number in range(10_000):
            try:
                response = server.post(
                    arrow(100, first=number * 100),
                    query="INSERT INTO w.t FORMAT ArrowStream",
                    insert_deduplication_token=f"batch {number}",
                )
            except Exception:
                return
            assert response.status == 200
            acknowledged.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    eventually(lambda: len(acknowledged) > 40)
    server.stop(signal.SIGKILL)
    writer.join()
    server.start()
    try:
        stored = int(server.ask("SELECT count() FROM w.t"))
        assert stored in (len(acknowledged) * 100, len(acknowledged) * 100 + 100)
        for number in (0, acknowledged[-1]):
            server.post(
                arrow(100, first=number * 100),
                query="INSERT INTO w.t FORMAT ArrowStream",
                insert_deduplication_token=f"batch {number}",
            )
        assert int(server.ask("SELECT count() FROM w.t")) == stored
        eventually(lambda: server.ask("SELECT n FROM w.n") == str(stored))
    finally:
        assert server.stop() == 0


def test_sigterm_lets_an_insert_end(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path).start()
    server.ask("CREATE DATABASE w")
    server.ask("CREATE TABLE w.t (a UInt64, s String) ENGINE = MergeTree ORDER BY a")
    answers: list[int] = []
    long_insert = (
        "INSERT INTO w.t SELECT number, toString(sleepEachRow(0.2)) FROM numbers(10) SETTINGS max_block_size = 1"
    )
    writer = threading.Thread(target=lambda: answers.append(server.post(long_insert).status))
    writer.start()
    eventually(lambda: server.ask("SELECT count() FROM system.processes WHERE query LIKE 'INSERT%'") == "1")
    assert server.stop() == 0, server.log()
    writer.join()
    assert answers == [200]
    server.start()
    assert server.ask("SELECT count() FROM w.t") == "10"
    assert server.stop(signal.SIGINT) == 0
