"""What people and services use in front of the embedded engine: clickhouse-connect, clickhouse-migrations, curl."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import clickhouse_connect
import lz4.frame
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import zstandard
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

from tests.conftest import missing
from tests.integration.embedded_process import EmbeddedServer, eventually

COMPRESSIONS = [False, True, "lz4", "zstd", "gzip"]
ENDLESS = "SELECT+max(cityHash64(number))+FROM+numbers(2000000000000)"
THOUSANDS = "SELECT number, toString(number) AS text FROM numbers(300000)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    started = EmbeddedServer(tmp_path_factory.mktemp("embedded-clients")).start()
    yield started
    assert started.stop() == 0, started.log()
    assert "Traceback" not in started.log(), started.log()


@pytest.fixture
def table(server: EmbeddedServer) -> Iterator[str]:
    server.ask("CREATE DATABASE IF NOT EXISTS c")
    server.ask(
        "CREATE TABLE c.t (a UInt64, b Nullable(String), at DateTime64(3, 'UTC'), d Decimal(38, 12)) "
        "ENGINE = MergeTree ORDER BY a"
    )
    yield "c.t"
    server.ask("DROP TABLE c.t SYNC")


ROWS = [
    (1, "x", dt.datetime(2024, 8, 8, 1, 2, 3, 456000, tzinfo=dt.UTC), Decimal("0.000000000001")),
    (2, None, dt.datetime(2024, 8, 8, tzinfo=dt.UTC), Decimal("12345678901234567890.5")),
]


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_the_sync_client(server: EmbeddedServer, table: str, compress: bool | str) -> None:
    client = server.client(compress=compress)
    assert client.ping()
    client.insert(table, ROWS, column_names=["a", "b", "at", "d"])
    client.insert_df(
        table,
        pd.DataFrame({"a": np.array([3, 4], "uint64"), "b": ["p", "q"], "at": pd.to_datetime(["2024-01-01"] * 2)}),
    )
    client.insert_arrow(table, pa.table({"a": pa.array([5], pa.uint64()), "b": ["r"]}))
    client.raw_insert(table, ["a", "b"], b"6,s\n7,t\n", fmt="CSV")
    client.raw_insert(table, ["a", "b"], (piece for piece in (b"8,", b"u\n")), fmt="CSV")
    assert client.command(f"SELECT count() FROM {table}") == 8
    stored = client.query(f"SELECT a, b, at, d FROM {table} WHERE a <= 2 ORDER BY a", query_tz="UTC").result_rows
    assert [(a, b, at.replace(tzinfo=dt.UTC), d) for a, b, at, d in stored] == ROWS
    assert client.query_df(f"SELECT sum(a) AS s FROM {table}")["s"].tolist() == [36]
    assert client.query_arrow(THOUSANDS).num_rows == 300_000
    assert client.query_np("SELECT number FROM numbers(5)").sum() == 10
    assert json.loads(client.raw_query("SELECT 1 AS a", fmt="JSON"))["data"] == [{"a": 1}]
    assert client.query(f"SELECT a, b FROM {table} LIMIT 0").column_names == ("a", "b")
    assert client.query(f"SELECT a FROM {table} WHERE a > 100").result_rows == []
    with client.query_row_block_stream(THOUSANDS) as stream:
        assert sum(len(block) for block in stream) == 300_000
    with client.query_df_stream(THOUSANDS) as stream:
        assert sum(len(frame) for frame in stream) == 300_000
    with client.query_arrow_stream(THOUSANDS) as stream:
        assert sum(batch.num_rows for batch in stream) == 300_000
    with client.raw_stream(THOUSANDS, fmt="CSVWithNames") as stream:
        raw = b"".join(stream)
    assert raw.count(b"\n") == 300_001
    assert raw.startswith(b'"number","text"\n')
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE") as failed:
        client.query("SELECT * FROM c.nothing")
    assert failed.value.code == 60
    with pytest.raises(StreamFailureError, match="too far"):
        _ = client.query("SELECT number, throwIf(number = 3000000, 'too far') FROM numbers(4000000)").result_rows
    client.close()


@pytest.mark.parametrize("compress", COMPRESSIONS)
async def test_the_async_client(server: EmbeddedServer, table: str, compress: bool | str) -> None:
    client = await clickhouse_connect.get_async_client(host="127.0.0.1", port=server.port, compress=compress)
    try:
        assert await client.ping()
        await client.insert(table, [[1, "x"], [2, None]], column_names=["a", "b"])
        await client.insert_df(table, pd.DataFrame({"a": np.array([3], "uint64"), "b": ["p"]}))
        await client.insert_arrow(table, pa.table({"a": pa.array([5], pa.uint64()), "b": ["r"]}))
        await client.raw_insert(table, ["a", "b"], b"6,s\n", fmt="CSV")
        assert await client.command(f"SELECT count() FROM {table}") == 5
        assert (await client.query(f"SELECT sum(a) FROM {table}")).result_rows == [(17,)]
        assert (await client.query_df(THOUSANDS)).shape == (300_000, 2)
        assert (await client.query_arrow(THOUSANDS)).num_rows == 300_000
        rows = 0
        async with await client.query_row_block_stream(THOUSANDS) as stream:
            async for block in stream:
                rows += len(block)
        assert rows == 300_000
        assert (await client.raw_query("SELECT 1 AS a", fmt="JSONEachRow")) == b'{"a":1}\n'
        with pytest.raises(DatabaseError, match="SYNTAX_ERROR"):
            await client.query("SELEC 1")
    finally:
        await client.close()


def test_parameters_of_every_kind(server: EmbeddedServer) -> None:
    client = server.client()
    awkward = 'it\'s\ta \\ "quoted" \n line – ü'
    values = {"s": awkward, "n": -5, "d": dt.date(2024, 8, 8), "l": ["a'b", "c"], "none": None}
    sql = "SELECT {s:String}, {n:Int32}, {d:Date}, {l:Array(String)}, {none:Nullable(UInt8)}"
    assert client.query(sql, parameters=values).result_rows == [(awkward, -5, dt.date(2024, 8, 8), ["a'b", "c"], None)]
    long = "x" * 200_000
    assert client.query("SELECT length({s:String})", parameters={"s": long}).result_rows == [(200_000,)]
    formed = server.client(form_encode_query_params=True)
    assert formed.query("SELECT {s:String}", parameters={"s": awkward}).result_rows == [(awkward,)]
    assert server.ask("SELECT {t:Identifier}.number FROM numbers(1) AS x", param_t="x") == "0"


def test_external_data_is_a_table_of_the_request(server: EmbeddedServer) -> None:
    ours = ExternalData(file_name="ours", data=b"1,a\n2,b\n", fmt="CSV", structure=["x UInt32", "y String"])
    rows = server.client().query("SELECT sum(x), max(y) FROM ours", external_data=ours).result_rows
    assert rows == [(3, "b")]


def test_settings_belong_to_their_request(server: EmbeddedServer) -> None:
    client = server.client()
    assert client.query("SELECT getSetting('max_threads')", settings={"max_threads": 1}).result_rows == [(1,)]
    assert client.query("SELECT getSetting('max_block_size')", settings={"max_block_size": 77}).result_rows == [(77,)]
    assert client.query("SELECT getSetting('max_block_size')").result_rows != [(77,)]
    with pytest.raises(DatabaseError, match="UNKNOWN_SETTING"):
        server.client(session_id="s").raw_query("SELECT 1 SETTINGS no_such_setting = 1")
    assert server.post("SELECT 1", no_such_setting=1).headers["X-ClickHouse-Exception-Code"] == "115"


def test_a_session_keeps_its_tables_its_database_and_what_was_set(server: EmbeddedServer) -> None:
    client = server.client(session_id="one")
    client.command("CREATE TEMPORARY TABLE mine (a Int32)")
    client.insert("mine", [[1], [2]], column_names=["a"])
    client.command("SET max_block_size = 99")
    client.command("USE system")
    ask = "SELECT getSetting('max_block_size'), currentDatabase(), (SELECT sum(a) FROM mine)"
    assert client.query(ask).result_rows == [(99, "system", 3)]
    assert client.query(ask, settings={"max_block_size": 5}).result_rows == [(5, "system", 3)]
    assert client.query(ask).result_rows == [(99, "system", 3)]
    assert server.post("SELECT currentDatabase()", session_id="one", database="default").data == b"default\n"
    assert server.post("SELECT currentDatabase()", session_id="one").data == b"system\n"
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        server.client(session_id="two").query("SELECT * FROM mine")


def test_sessions_are_locked_and_checked(server: EmbeddedServer) -> None:
    missing_session = server.post("SELECT 1", session_id="never", session_check=1)
    assert (missing_session.status, missing_session.headers["X-ClickHouse-Exception-Code"]) == (404, "372")
    with server.connect() as connection:
        target = f"/?session_id=busy&query_id=holder&query={ENDLESS}"
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        eventually(lambda: "holder" in running_ids(server))
        locked = server.post("SELECT 1", session_id="busy")
        assert locked.headers["X-ClickHouse-Exception-Code"] == "373"
    eventually(lambda: server.post("SELECT 1", session_id="busy", session_check=1).status == 200)


@pytest.mark.parametrize(
    "format",
    [
        "Native",
        "JSON",
        "JSONCompact",
        "CSVWithNames",
        "Parquet",
        "ArrowStream",
        "Arrow",
        "PrettyCompact",
        "RowBinaryWithNamesAndTypes",
        "XML",
        "Values",
        "Vertical",
    ],
)
def test_a_long_result_is_one_document_in_any_format(server: EmbeddedServer, format: str) -> None:
    """Headers and footers once, though the engine hands over many blocks: the same as the engine writes to a file."""
    sql = "SELECT number AS a, toString(number) AS b FROM numbers(200000) ORDER BY a"
    unclocked = f"{sql} SETTINGS output_format_write_statistics = 0"
    body = server.post(f"{unclocked} FORMAT {format}").data
    if format == "JSON":
        assert [row["a"] for row in json.loads(body)["data"][-2:]] == [199998, 199999]
    elif format in ("Arrow", "ArrowStream"):
        reader = pa.ipc.open_file(body) if format == "Arrow" else pa.ipc.open_stream(body)
        assert reader.read_all()["a"].to_pylist() == list(range(200_000))
    else:
        expected = subprocess.run(
            [
                sys.executable,
                "-c",
                f"import chdb,sys; sys.stdout.buffer.write(chdb.query({unclocked!r}, {format!r}).bytes())",
            ],
            capture_output=True,
            check=True,
        ).stdout
        if format != "Native":  # blocks of another size are the same rows
            assert body == expected
        else:
            assert server.client().query(sql).result_rows[-1] == (199999, "199999")


def test_an_error_in_the_middle_is_seen_by_a_client_that_knows_no_tag(server: EmbeddedServer) -> None:
    with server.connect() as connection:
        sql = "SELECT+number,throwIf(number=5000000)+FROM+numbers(6000000)+FORMAT+CSV"
        connection.sendall(f"GET /?query={sql} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = b""
        while piece := connection.recv(1 << 20):
            received += piece
    assert received.startswith(b"HTTP/1.1 200")
    assert b"__exception__\r\n" in received[-2000:]
    assert b"FUNCTION_THROW_IF_VALUE_IS_NON_ZERO" in received[-2000:]
    assert not received.endswith(b"0\r\n\r\n")


def test_headers_of_an_answer(server: EmbeddedServer) -> None:
    response = server.get("SELECT 1 AS a FORMAT JSONEachRow", query_id="my-query")
    assert response.headers["X-ClickHouse-Query-Id"] == "my-query"
    assert response.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert response.headers["X-ClickHouse-Server-Display-Name"]
    assert response.headers["X-ClickHouse-Timezone"]
    assert json.loads(response.headers["X-ClickHouse-Summary"])["result_rows"] == "1"
    assert server.get("SELECT 1", default_format="JSONCompactEachRow").data == b"[1]\n"
    assert server._http.request("GET", server.url + "/replicas_status").data == b"Ok.\n"
    assert server._http.request("GET", server.url + "/").data == b"Ok.\n"


def test_get_only_reads(server: EmbeddedServer) -> None:
    for sql in (
        "CREATE DATABASE no",
        "INSERT INTO FUNCTION null('a Int8') VALUES (1)",
        "KILL QUERY WHERE 1",
        "SYSTEM FLUSH LOGS",
    ):
        response = server.get(sql)
        assert response.headers["X-ClickHouse-Exception-Code"] == "164", sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "INSERT INTO t FROM INFILE '/etc/passwd'",
        b"SELECT '\xff'",
        "SELECT 1 FORMAT Nope",
    ],
)
def test_what_http_does_not_take(server: EmbeddedServer, sql: str | bytes) -> None:
    response = server.post(sql, query_id="refused") if sql else server.post(" ")
    assert response.status in (400, 404, 501), response.data
    assert response.headers["X-ClickHouse-Exception-Code"]


def test_a_cancelled_query_is_gone(server: EmbeddedServer) -> None:
    with server.connect() as connection:
        connection.sendall(f"GET /?query_id=victim&query={ENDLESS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        eventually(lambda: "victim" in running_ids(server))
        again = server.post("SELECT 1", query_id="victim")
        assert again.headers["X-ClickHouse-Exception-Code"] == "216"
    eventually(lambda: "victim" not in running_ids(server))


def test_kill_query_knows_the_clients_query_id(server: EmbeddedServer) -> None:
    with server.connect() as connection:
        connection.sendall(f"GET /?query_id=killed&query={ENDLESS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        eventually(lambda: "killed" in running_ids(server))
        server.ask("KILL QUERY WHERE query_id = 'killed' ASYNC")
        assert b"QUERY_WAS_CANCELLED" in connection.recv(4000)


def running_ids(server: EmbeddedServer) -> list[str]:
    return server.ask("SELECT Settings['log_comment'] FROM system.processes").split()


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip", "deflate", "br, gzip;q=0.5", "identity", "br"])
@pytest.mark.parametrize("rows", [3, 1_000_000], ids=["whole", "streamed"])
def test_answers_are_encoded_as_asked(server: EmbeddedServer, encoding: str, rows: int) -> None:
    headers = {"Accept-Encoding": encoding}
    url = f"{server.url}/?enable_http_compression=1&query=SELECT+number+FROM+numbers({rows})"
    response = server._http.request("GET", url, headers=headers, decode_content=False)
    used = response.headers.get("Content-Encoding", "identity")
    assert used == {"br, gzip;q=0.5": "gzip", "br": "identity"}.get(encoding, encoding)
    plain = {"identity": bytes, "lz4": lz4.frame.decompress, "gzip": gzip.decompress, "deflate": zlib.decompress}
    plain["zstd"] = lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)
    assert plain[used](response.data) == b"".join(b"%d\n" % number for number in range(rows))
    unasked = server._http.request("GET", url.replace("enable_http_compression=1&", ""), headers=headers)
    assert "Content-Encoding" not in unasked.headers


def test_a_large_result_is_never_held_whole(server: EmbeddedServer) -> None:
    server.ask("SELECT 1")
    before = server.resident_mb()
    peak = 0
    for format in ("Native", "JSON"):
        response = server._http.request(
            "GET",
            server.url + f"/?query=SELECT+number,toString(number)+FROM+numbers(20000000)+FORMAT+{format}",
            preload_content=False,
        )
        total = 0
        for piece in response.stream(1 << 20):
            total += len(piece)
            peak = max(peak, server.resident_mb())
        assert total > 300_000_000
    assert peak - before < 250


def test_the_migrations_command(server: EmbeddedServer, tmp_path: Path) -> None:
    (tmp_path / "0001_create.sql").write_text(
        "CREATE TABLE IF NOT EXISTS m.events (id UInt64, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY id;\n"
        "-- a comment; with a semicolon\n"
        "CREATE MATERIALIZED VIEW m.by_id ENGINE = AggregatingMergeTree ORDER BY id "
        "AS SELECT id, countState() AS n FROM m.events GROUP BY id;\n"
    )
    (tmp_path / "0002_insert.sql").write_text("INSERT INTO m.events (id) VALUES (1), (2);\n")
    command = [
        str(Path(sys.executable).parent / "clickhouse-migrations"),
        *("--driver", "clickhouse-connect", "--db-host", "127.0.0.1", "--db-port", str(server.port)),
        *("--db-name", "m", "--migrations-dir", str(tmp_path), "--multi-statement"),
    ]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    assert server.ask("SELECT countMerge(n) FROM m.by_id") == "2"
    assert server.ask("SELECT count() FROM m.schema_versions") == "2"


def test_curl(server: EmbeddedServer, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        missing("curl is not installed")
    rows = tmp_path / "rows.csv"
    rows.write_text("".join(f"{number},{number}\n" for number in range(1000)))

    def run(*arguments: str) -> str:
        return subprocess.run(
            [str(curl), "--silent", "--fail-with-body", *arguments], capture_output=True, text=True, check=True
        ).stdout

    assert run(f"{server.url}/?query=SELECT%201") == "1\n"
    assert run(server.url, "--data-binary", "SELECT 1, 2 FORMAT CSV") == "1,2\n"
    assert run("-u", "default:", server.url, "-d", "SELECT currentUser()") == "default\n"
    assert run("--compressed", f"{server.url}/?enable_http_compression=1", "-d", "SELECT 3") == "3\n"
    run(server.url, "-d", "CREATE TABLE default.fromcurl (a UInt32, b UInt32) ENGINE = MergeTree ORDER BY a")
    run(f"{server.url}/?query=INSERT%20INTO%20fromcurl%20FORMAT%20CSV", "--data-binary", f"@{rows}")
    run(f"{server.url}/?query=INSERT%20INTO%20fromcurl%20FORMAT%20CSV", "-T", str(rows))
    run(
        f"{server.url}/?query=INSERT%20INTO%20fromcurl%20FORMAT%20CSV",
        "-T",
        str(rows),
        "-H",
        "Transfer-Encoding: chunked",
    )
    assert run(server.url, "-d", "SELECT count() FROM fromcurl") == "3000\n"
