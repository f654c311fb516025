"""Names, paths and directories that are wrong: never a success that did nothing, never another system's data."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from marketprism.panel import Panel
from marketprism.panel_export import export_panel
from tests.integration.embedded_process import EmbeddedServer
from tests.integration.running import marketprism
from tests.migrated import Template
from tests.unit.days.vision_files import AGG_HEADER, agg_rows, write_file

DAY = "2024-08-02"
FILE = ("um", "aggTrades", "BTCUSDT")


class Shell:
    """Commands against a server that has a day of BTCUSDT linear."""

    def __init__(self, server: EmbeddedServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.environment = {
            "MARKETPRISM_CLICKHOUSE_URL": server.url,
            "TMPDIR": str(folder),
            "MARKETPRISM_DATA_DIR": str(folder / "none"),
        }

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return marketprism(*arguments, cwd=self.folder, **self.environment)

    def error(self, code: int, *arguments: str) -> str:
        """The one line that the command ends with."""
        done = self(*arguments)
        assert done.returncode == code, done.stdout + done.stderr
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert "Traceback" not in done.stderr
        return line

    def backfill(self, base: str, *more: str) -> tuple[str, ...]:
        return (
            *("backfill", "binance-vision", "--market", "um", "--type", "aggTrades", "--symbols", "BTCUSDT"),
            *("--from", DAY, "--to", DAY, "--base-url", base, *more),
        )


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> Iterator[Shell]:
    from storage_service.days.vision import ArchiveFile

    folder = tmp_path_factory.mktemp("cli-names")
    migrated.seed(folder / "engine")
    server = EmbeddedServer(folder / "engine").stand_still().start()
    shell = Shell(server, folder)
    start = int(datetime(2024, 8, 2, tzinfo=UTC).timestamp() * 1000)
    write_file(folder / "mirror", ArchiveFile(*FILE, "", DAY), agg_rows(1, 3000, start), header=AGG_HEADER)
    done = shell(*shell.backfill(str(folder / "mirror")))
    assert done.returncode == 0, done.stderr
    yield shell
    server.stop()


def test_features_export_of_a_wrong_symbol(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "x.parquet"
    arguments = ("features", "export", "trades_1m", "--out", str(out))
    assert "no symbol BTCUDST stored" in shell.error(2, *arguments, "--symbol", "BTCUDST")
    assert shell(*arguments, "--symbol", "BTCUSDT").returncode == 0
    full = pq.read_table(out)
    assert full.num_rows > 30
    done = shell(*arguments, "--symbol", "BTCUSDT", "--end", "2020-01-01")
    assert done.stdout.startswith("0 rows")
    assert pq.read_table(out).num_rows == 0
    assert pq.read_schema(out).names == full.schema.names


def test_features_export_of_a_windowed_view_without_rows(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "x.parquet"
    done = shell("features", "export", "returns_1s", "--out", str(out), "--start", "2030-01-01", "--end", "2030-01-02")
    assert (done.returncode, done.stdout[:6]) == (0, "0 rows"), done.stderr
    assert "symbol" in pq.read_schema(out).names


def test_panels_of_wrong_names(shell: Shell, tmp_path: Path) -> None:
    export = ("panel", "export", "--from", DAY, "--to", f"{DAY}T00:01:00", "--out", str(tmp_path / "p"))
    assert "no symbol NOSUCH stored of binance linear" in shell.error(2, *export, "--symbols", "BTCUSDT,NOSUCH")
    assert "of binanse linear" in shell.error(2, *export, "--symbols", "BTCUSDT", "--exchange", "binanse")
    assert "of binance spot" in shell.error(2, *export, "--symbols", "BTCUSDT", "--market-type", "spot")
    assert not (tmp_path / "p").exists()
    assert shell(*export, "--symbols", "BTCUSDT").stdout.startswith("60 rows")
    universe = ("panel", "universe", "--from", DAY, "--to", DAY)
    assert "no rows stored of binance futures" in shell.error(2, *universe, "--market-type", "futures")
    assert shell(*universe).returncode == 0


def test_export_panel_takes_a_text(shell: Shell, tmp_path: Path) -> None:
    import clickhouse_connect

    client = clickhouse_connect.get_client(host="127.0.0.1", port=shell.server.port)
    panel = Panel(("BTCUSDT",), datetime(2024, 8, 2), datetime(2024, 8, 2, 0, 1))
    assert export_panel(client, panel, str(tmp_path / "panel")) == 60
    assert list((tmp_path / "panel").rglob("*.parquet"))


def test_buckets_of_a_wrong_symbol_or_day(shell: Shell) -> None:
    assert "no symbol NOSUCH" in shell.error(2, "buckets", "verify", "--day", DAY, "--symbol", "NOSUCH")
    for command in ("verify", "rebuild"):
        line = shell.error(12, "buckets", command, "--day", "2024-08-03", "--symbol", "BTCUSDT")
        assert "no trades of BTCUSDT on 2024-08-03" in line
    assert shell("buckets", "verify", "--day", DAY, "--symbol", "BTCUSDT").returncode == 0


def test_drift_of_a_wrong_view_report_or_reference(shell: Shell, tmp_path: Path) -> None:
    assert "--view nosuch: no such view" in shell.error(2, "drift", "--view", "nosuch")
    assert "x.html cannot be written" in shell.error(2, "drift", "--report", str(tmp_path / "none" / "x.html"))
    assert "--reference 'a' is not" in shell.error(2, "drift", "--reference", "a..b")
    assert shell("drift", "--day", DAY, "--view", "trades_1m").returncode == 0


def test_calibrate_refuses_what_is_to_come_and_who_did_not_trade(shell: Shell) -> None:
    window = ("calibrate", "--until", "2024-08-03", "--days", "1")
    assert "NOSUCH: no trades from 2024-08-02 00:00" in shell.error(12, *window, "--symbol", "NOSUCH")
    later = datetime.now(UTC) + timedelta(hours=1)
    assert "is still to come" in shell.error(2, "calibrate", "--until", later.isoformat())
    assert "is still to come" in shell.error(2, "calibrate", "--until", f"{later:%Y-%m-%dT%H:%M}")
    # 00:00 in Tokyo is 15:00 of the day before
    line = shell.error(12, *window[:2], "2024-08-03T00:00+09:00", *window[3:], "--symbol", "NOSUCH")
    assert "to 2024-08-02 15:00 UTC" in line
    shown = shell(*window, "--mode", "count", "--dry-run").stdout
    assert " trades " in shown
    assert "q " in shown


def test_a_wrong_data_directory_is_no_other_system(shell: Shell, tmp_path: Path) -> None:
    given = ("--data", str(tmp_path / "none"))
    for command in (
        ("dead-letters", "drop", "--all"), ("dead-letters", "list"), ("status",), ("serving", "list"), ("integrity",),
        ("calibrate", "--dry-run"), ("buckets", "verify", "--day", DAY),
    ):  # fmt: skip
        assert "error: nothing runs on " in shell.error(4, *command, *given)
    done = shell("doctor", *given)
    assert done.returncode == 1
    assert "nothing runs on " in done.stdout


def test_paths_that_cannot_be_written(shell: Shell, tmp_path: Path) -> None:
    assert "is a directory" in shell.error(2, "features", "export", "trades_1m", "--out", str(tmp_path))
    nowhere = str(tmp_path / "none" / "x")
    assert f"{nowhere} cannot be written" in shell.error(2, "features", "export", "trades_1m", "--out", nowhere)
    assert f"{nowhere} cannot be written" in shell.error(2, "status", "--svg", nowhere)
    panel = ("panel", "export", "--from", DAY, "--to", DAY, "--symbols", "BTCUSDT", "--out", "/proc/x")
    assert "/proc/x cannot be written" in shell.error(2, *panel)


def test_what_the_server_refuses_is_one_line(shell: Shell) -> None:
    assert "nosuch" in shell.error(11, "migrate", "--cluster", "nosuch")


def test_statements_that_begin_with_a_comment(shell: Shell) -> None:
    done = shell("query", "-- how many\nSELECT 1 AS n", "--format", "TSV")
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    assert "no statement given" in shell.error(11, "query", " ")


def test_one_look_has_no_rates(shell: Shell) -> None:
    assert "trades –/s · books –/s · quotes –/s" in shell("status").stdout


class _Slow(BaseHTTPRequestHandler):
    """States a checksum, then sends a file that never ends."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        if self.path.endswith(".CHECKSUM"):
            self.wfile.write(b"0" * 64)
            return
        try:
            while True:
                self.wfile.write(b"x" * 1000)
                time.sleep(0.05)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_a_backfill(shell: Shell, number: signal.Signals) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "marketprism", *shell.backfill(base)],
        cwd=shell.folder, env={**os.environ, **shell.environment}, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # who runs the tests may ignore it
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while not list(shell.folder.glob("marketprism-*/*.zip")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        began = time.monotonic()
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
        server.shutdown()
        server.server_close()
    assert time.monotonic() - began < 15
    assert process.returncode == 130
    assert told.splitlines()[-1] == "stopped; run the same command again to go on"
    assert not list(shell.folder.glob("marketprism-*"))
    assert shell(*shell.backfill(str(shell.folder / "mirror"))).returncode == 0  # its lock is gone, too


def test_an_archive_that_is_not_there(shell: Shell) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{unused.getsockname()[1]}"
        began = time.monotonic()
        line = shell.error(12, *shell.backfill(base))
    assert f"the archive at {base} cannot be reached" in line
    assert "Connection refused" in line
    assert time.monotonic() - began < 20


def test_an_archive_that_goes_away_ends_the_load(shell: Shell) -> None:
    """The first question is answered, nothing after it: the month's other files are not asked for."""

    class Once(_Slow):
        def do_GET(self) -> None:
            """The address goes with the first file."""
            server.shutdown()  # first: a loop over a closed socket never sleeps again
            server.server_close()
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Once)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    began = time.monotonic()
    arguments = list(shell.backfill(base))
    arguments[arguments.index("--to") + 1] = "2024-08-31"
    line = shell.error(12, *arguments)
    assert "cannot be reached" in line
    assert time.monotonic() - began < 40


def test_none_of_the_files_was_loaded(shell: Shell, tmp_path: Path) -> None:
    from storage_service.days.vision import ArchiveFile

    write_file(tmp_path, ArchiveFile("um", "aggTrades", "BTCUSDT", "", "2024-08-05"), [], checksum="0" * 64)
    arguments = ["2024-08-05" if part == DAY else part for part in shell.backfill(str(tmp_path))]
    done = shell(*arguments)
    assert done.returncode == 12
    assert "1 files failed, none was loaded" in done.stderr
    assert " ERROR " in done.stderr
