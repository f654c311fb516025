"""The front's parts without an engine: routing of statements, compression, hand-over, sessions, the directory."""

from __future__ import annotations

import asyncio
import itertools
import threading
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism.embedded import compression
from marketprism.embedded.access import Access, is_loopback, refuse_foreign_page
from marketprism.embedded.directory import EngineDirectory, refuse_other_engine, serving_port
from marketprism.embedded.exceptions import EngineError
from marketprism.embedded.handoff import Abandoned, Handoff
from marketprism.embedded.options import engine_options
from marketprism.embedded.request import credentials, read_request
from marketprism.embedded.sessions import Sessions
from marketprism.embedded.statement import Kind, parse
from marketprism.embedded.text import strings
from marketprism.errors import DataDirectoryError, SettingsError
from marketprism.settings import EmbeddedSettings


@pytest.mark.parametrize(
    ("sql", "kind", "format"),
    [
        ("SELECT 1", Kind.SELECT, ""),
        (" -- c\n /* d */ ((SELECT 1)) FORMAT JSON ;", Kind.SELECT, "JSON"),
        ("SELECT format FROM t ORDER BY format", Kind.SELECT, ""),
        ("SELECT format AS x FROM t ORDER BY a, format DESC", Kind.SELECT, ""),
        ("SELECT a FROM t FORMAT CSV SETTINGS max_threads = 1", Kind.SELECT, "CSV"),
        ("SELECT 'FORMAT CSV' FROM (SELECT 1 AS b) format TSV", Kind.SELECT, "TSV"),
        ("SELECT format('{}', a) FROM t", Kind.SELECT, ""),
        ("WITH 1 AS a SELECT a", Kind.SELECT, ""),
        ("WITH 1 AS a INSERT INTO t SELECT a", Kind.INSERT_SELECT, ""),
        ("FROM t SELECT a", Kind.SELECT, ""),
        ("SHOW TABLES FORMAT JSON", Kind.SHOW, "JSON"),
        ("explain select 1", Kind.SHOW, ""),
        ("EXISTS TABLE t", Kind.SHOW, ""),
        ("SET a = 1", Kind.SESSION, ""),
        ("KILL QUERY WHERE 1", Kind.KILL, ""),
        ("CREATE TABLE t AS SELECT 1", Kind.ADMIN, ""),
        ("INSERT INTO t SELECT 1", Kind.INSERT_SELECT, ""),
        ("INSERT INTO t (a) WITH 1 AS x SELECT x", Kind.INSERT_SELECT, ""),
        ("INSERT INTO t (SELECT 1)", Kind.INSERT_SELECT, ""),
    ],
)
def test_statements_find_their_door(sql: str, kind: Kind, format: str) -> None:
    statement = parse(sql.encode())
    assert (statement.kind, statement.format) == (kind, format)


@pytest.mark.parametrize(
    ("raw", "sql", "format", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x00\xff", "INSERT INTO t ", "Native", b"\x00\xff"),
        (b"INSERT INTO t FORMAT CSV\r\n1,2", "INSERT INTO t ", "CSV", b"1,2"),
        (b"INSERT INTO t FORMAT CSV 1,2", "INSERT INTO t ", "CSV", b"1,2"),
        (b"INSERT INTO t FORMAT CSV\n\n1,2", "INSERT INTO t ", "CSV", b"\n1,2"),
        (b"INSERT INTO t FORMAT Values;(1)", "INSERT INTO t ", "Values", b"(1)"),
        (
            b"INSERT INTO t (format, `values`) VALUES (1, 'x')",
            "INSERT INTO t (format, `values`) ",
            "Values",
            b" (1, 'x')",
        ),
        (
            b"INSERT INTO t SETTINGS a = 'FORMAT CSV' FORMAT TSV\n1",
            "INSERT INTO t SETTINGS a = 'FORMAT CSV' ",
            "TSV",
            b"1",
        ),
        (b"INSERT INTO FUNCTION null('a Int8') FORMAT TSV\n1", "INSERT INTO FUNCTION null('a Int8') ", "TSV", b"1"),
    ],
)
def test_an_insert_ends_where_its_data_begin(raw: bytes, sql: str, format: str, data: bytes) -> None:
    statement = parse(raw)
    assert (statement.kind, statement.sql + statement.rest, statement.format) == (Kind.INSERT, sql, format)
    assert raw[statement.data :] == data


@pytest.mark.parametrize(
    ("raw", "sql"),
    [
        (b"INSERT INTO t FORMAT CSV 1", "INSERT INTO t \nFROM INFILE '/f' \nFORMAT CSV"),
        (
            b"INSERT INTO t (a) SETTINGS b = 1 FORMAT CSV 1",
            "INSERT INTO t (a) \nFROM INFILE '/f' SETTINGS b = 1 \nFORMAT CSV",
        ),
        (b"INSERT INTO settings VALUES (1)", "INSERT INTO settings \nFROM INFILE '/f' \nFORMAT Values"),
        (
            b"INSERT INTO d.settings (settings) VALUES (1)",
            "INSERT INTO d.settings (settings) \nFROM INFILE '/f' \nFORMAT Values",
        ),
    ],
)
def test_data_in_a_file_stand_before_the_settings(raw: bytes, sql: str) -> None:
    assert parse(raw).from_file("/f") == sql


@pytest.mark.parametrize(
    "sql",
    ["", "  ", "-- c", "SELECT 1; SELECT 2", "SELECT 1 INTO OUTFILE 'x'", "INSERT INTO t FROM INFILE 'x' FORMAT CSV"],
)
def test_what_is_not_one_statement_over_http(sql: str) -> None:
    with pytest.raises(EngineError):
        parse(sql.encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_routed_or_refused(raw: bytes) -> None:
    try:
        statement = parse(raw)
    except EngineError:
        return
    assert 0 <= statement.data <= len(raw)


def test_a_read_into_a_pipe_keeps_its_settings() -> None:
    statement = parse(b"SELECT 1 AS a FORMAT JSON SETTINGS max_threads = 1;")
    assert statement.into_file("/dev/fd/9", "JSON").split() == (
        [
            "SELECT",
            "1",
            "AS",
            "a",
            "INTO",
            "OUTFILE",
            "'/dev/fd/9'",
            "APPEND",
            "FORMAT",
            "JSON",
            "SETTINGS",
            "max_threads",
            "=",
            "1",
        ]
    )


@given(
    st.sampled_from(["lz4", "zstd", "gzip", "deflate"]),
    st.lists(st.binary(max_size=2000), max_size=5),
    st.integers(1, 500),
)
def test_what_is_encoded_in_pieces_is_decoded_in_other_pieces(name: str, frames: list[bytes], step: int) -> None:
    packed = b""
    for frame in frames:  # several frames one after the other are one body
        encoder = compression.encoder(name)
        packed += encoder.encode(frame[:100]) + encoder.encode(frame[100:]) + encoder.finish()
    decoder = compression.decoder(name)
    plain = b"".join(decoder.decode(packed[at : at + step]) for at in range(0, len(packed), step))
    decoder.finish()
    assert plain == b"".join(frames)


@given(st.sampled_from(["lz4", "zstd", "gzip", "deflate"]), st.binary(min_size=1, max_size=2000), st.data())
def test_a_cut_compressed_body_is_noticed(name: str, body: bytes, data: st.DataObject) -> None:
    encoder = compression.encoder(name)
    packed = encoder.encode(body) + encoder.finish()
    decoder = compression.decoder(name)
    cut = packed[: data.draw(st.integers(1, len(packed) - 1))]
    noticed = False
    try:
        decoder.decode(cut)
        decoder.finish()
    except EngineError:
        noticed = True
    assert noticed


def test_encodings_are_negotiated() -> None:
    assert compression.accepted("gzip, deflate, br") == "gzip"
    assert compression.accepted("gzip, lz4;q=0.1") == "lz4"
    assert compression.accepted("lz4;q=0, zstd") == "zstd"
    assert compression.accepted("br, *") == ""
    with pytest.raises(EngineError, match="snappy"):
        compression.decoder("snappy")


@given(st.lists(st.text(), max_size=20))
def test_row_binary_strings(values: list[str]) -> None:
    raw = b""
    for value in values:
        data = value.encode("utf-8", "surrogatepass")
        length = len(data)
        while length >= 0x80:
            raw += bytes([length & 0x7F | 0x80])
            length >>= 7
        raw += bytes([length]) + data
    assert list(strings(raw)) == [
        value.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape") for value in values
    ]


async def test_a_slow_taker_holds_back_the_thread() -> None:
    handoff = Handoff(limit=1000)
    given_bytes = 0
    full = threading.Event()

    def give() -> None:
        nonlocal given_bytes
        for _ in range(100):
            handoff.put(b"x" * 100)
            given_bytes += 100
            if given_bytes >= 1000:
                full.set()
        handoff.close()

    giver = asyncio.get_running_loop().run_in_executor(None, give)
    await asyncio.to_thread(full.wait, 10)
    assert given_bytes == 1000
    taken = 0
    while (piece := await handoff.get()) is not None:
        taken += len(piece)
        assert given_bytes - taken <= 1100
    await giver
    assert taken == 10_000


async def test_either_side_can_leave() -> None:
    loop = asyncio.get_running_loop()
    handoff = Handoff(limit=1)
    handoff.put(b"full")
    waiting = loop.run_in_executor(None, handoff.put, b"more")
    handoff.abandon()
    with pytest.raises(Abandoned):
        await waiting
    starved = Handoff()
    waiting_taker = asyncio.create_task(starved.get())
    await asyncio.sleep(0)
    starved.abandon()
    with pytest.raises(Abandoned):
        await waiting_taker
    stalled = Handoff(limit=1)
    stalled.put(b"full")
    with pytest.raises(Abandoned):
        await loop.run_in_executor(None, stalled.put, b"more", 0.05)


class FakeHandle:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_sessions_are_forgotten_when_nobody_uses_them() -> None:
    now = itertools.count(0.0, 10.0)
    sessions = Sessions(FakeHandle, clock=lambda: next(now))  # type: ignore[arg-type]
    first = sessions.take("default", "a", 15, must_exist=False)  # at 0
    with pytest.raises(EngineError) as locked:
        sessions.take("default", "a", 15, must_exist=False)
    assert locked.value.code == 373
    sessions.give_back(first)  # at 20: until 35
    assert sessions.take("default", "a", 15, must_exist=True) is first  # at 30
    sessions.give_back(first)  # at 40: until 55
    sessions.expire()  # at 50
    assert not first.handle.closed  # type: ignore[attr-defined]
    sessions.expire()  # at 60
    assert first.handle.closed  # type: ignore[attr-defined]
    with pytest.raises(EngineError) as gone:
        sessions.take("default", "a", 15, must_exist=True)
    assert gone.value.code == 372
    other = sessions.take("analyst", "a", 15, must_exist=False)
    assert other is not first


@pytest.mark.parametrize(
    ("text", "code", "name", "message"),
    [
        (
            "Code: 60. DB::Exception: Table a.b does not exist. (UNKNOWN_TABLE)",
            60,
            "UNKNOWN_TABLE",
            "Table a.b does not exist",
        ),
        (
            "Code: 115. DB::Exception: Code: 115. DB::Exception: Unknown setting 'x'. (UNKNOWN_SETTING) "
            "(version 26.9.2.1). (UNKNOWN_SETTING)",
            115,
            "UNKNOWN_SETTING",
            "Unknown setting 'x'. (UNKNOWN_SETTING)",
        ),
        ("Streaming insert finish failed: Code: 27. DB::Exception: Cannot parse. (X_Y)", 27, "X_Y", "Cannot parse"),
        ("something else", 1002, "UNKNOWN_EXCEPTION", "something else"),
    ],
)
def test_the_engines_errors_are_read(text: str, code: int, name: str, message: str) -> None:
    error = EngineError.of(RuntimeError(text))
    assert (error.code, error.name) == (code, name)
    assert error.message.startswith(message)
    assert error.line("1.2").startswith(f"Code: {code}. DB::Exception: ")


def test_url_parameters_are_sorted() -> None:
    url = {
        "query": "SELECT 1",
        "param_a": "1",
        "max_threads": "2",
        "database": "d",
        "wait_end_of_query": "1",
        "t_format": "CSV",
    }
    request = read_request({}, url)
    assert (request.params, request.settings, request.database, request.wait_end) == (
        {"a": "1"},
        {"max_threads": "2"},
        "d",
        True,
    )
    assert request.query_id != read_request({}, url).query_id
    for bad in ({"compress": "1"}, {"decompress": "1"}, {"session_timeout": "x"}, {"session_timeout": "99999"}):
        with pytest.raises(EngineError):
            read_request({}, bad)


def test_credentials_default_to_the_user_default() -> None:
    assert credentials({}, {}) == ("default", "")
    assert credentials({"X-ClickHouse-User": "a", "X-ClickHouse-Key": "b"}, {"user": "c"}) == ("a", "b")
    assert credentials({"Authorization": "Basic YTpiOmM="}, {}) == ("a", "b:c")


@pytest.mark.parametrize(
    ("headers", "answered"),
    [
        ({}, True),
        ({"Origin": "http://127.0.0.1:8080"}, True),
        ({"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, True),
        ({"Origin": "https://example.com"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
    ],
)
def test_a_web_page_elsewhere_is_not_answered(headers: dict[str, str], answered: bool) -> None:
    if answered:
        refuse_foreign_page(headers)
    else:
        with pytest.raises(EngineError):
            refuse_foreign_page(headers)


def test_fsync_is_written_for_the_engine(tmp_path: Path) -> None:
    assert "config-file" not in engine_options(EmbeddedSettings(), tmp_path)
    file = engine_options(EmbeddedSettings(fsync_after_insert=True), tmp_path)["config-file"]
    assert "<fsync_after_insert>1<" in Path(file).read_text()


def test_views_that_stand_still_are_written_for_the_engine(tmp_path: Path) -> None:
    folder = tmp_path / "a & b"
    folder.mkdir()
    settings = EmbeddedSettings(fsync_after_insert=True, refresh_views=False)
    root = ElementTree.parse(engine_options(settings, folder)["config-file"]).getroot()
    assert root.findtext("merge_tree/fsync_after_insert") == "1"
    users = ElementTree.parse(root.findtext("users_config") or "").getroot()
    assert users.findtext("profiles/default/stop_refreshable_materialized_views_on_startup") == "1"


def test_an_open_server_needs_a_password() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.1", "example.com", "")))
    with pytest.raises(SettingsError, match="MARKETPRISM_EMBEDDED_PASSWORD"):
        Access.of(EmbeddedSettings(host="0.0.0.0"))
    with pytest.raises(SettingsError, match="default"):
        Access.of(EmbeddedSettings(readonly_user="default"))


@pytest.mark.parametrize("asked", ["0", "-1", "1e99", "nan", "", "x", "999999999999"])
def test_a_limit_is_never_lifted(asked: str) -> None:
    access = Access.of(EmbeddedSettings(reader_max_execution_time_s=7, reader_max_memory_mb=64))
    settings = access.analyst_settings({"max_execution_time": asked, "max_memory_usage": asked, "readonly": "0"})
    assert (settings["max_execution_time"], settings["max_memory_usage"], settings["readonly"]) == (
        "7",
        str(64 << 20),
        "1",
    )


def test_one_process_holds_a_directory(tmp_path: Path) -> None:
    assert serving_port(tmp_path) is None
    with EngineDirectory(tmp_path, engine="26.9.2.1") as held:
        held.publish(8123)
        assert serving_port(tmp_path) == 8123
        with (
            pytest.raises(DataDirectoryError, match=r"process \d+ .*HTTP port 8123"),
            EngineDirectory(tmp_path, engine="26.9.2.1"),
        ):
            pass
    assert serving_port(tmp_path) is None
    with EngineDirectory(tmp_path, engine="26.10.1.1"):
        assert (tmp_path / "engine-version").read_text() == "26.10.1.1\n"


@pytest.mark.parametrize(
    ("written", "engine", "opens"),
    [
        ("26.9.2.1", "26.9.2.1", True),
        ("26.3.1.1", "26.9.2.1", True),
        ("26.9.9.9", "26.9.2.1", True),
        ("26.10.1.1", "26.9.2.1", False),
        ("25.12.1.1", "26.1.1.1", False),
        ("27.1.1.1", "26.9.2.1", False),
        ("x", "26.9.2.1", False),
    ],
)
def test_which_engines_open_a_directory(tmp_path: Path, written: str, engine: str, opens: bool) -> None:
    if opens:
        refuse_other_engine(tmp_path, written=written, engine=engine)
    else:
        with pytest.raises(DataDirectoryError):
            refuse_other_engine(tmp_path, written=written, engine=engine)
