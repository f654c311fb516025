"""``marketprism up`` end to end on the simulator: features, restarts, commands beside it, clean stop, and going on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import Running, marketprism

pytestmark = pytest.mark.slow

SECRETS = {
    "MARKETPRISM_EMBEDDED_PASSWORD": "Tr4gopan-default",
    "MARKETPRISM_EMBEDDED_READONLY_PASSWORD": "Tr4gopan-analyst",
    "MARKETPRISM_WEB_TOKEN": "Tr4gopan-page",
}
LOGS = {"MARKETPRISM_LOG_FLOW": "true", "MARKETPRISM_LOG_FORMAT": "json"}

FEATURES = ("spread_bps", "tob_imbalance", "poc_px", "bucket_id", "vol", "cut_trigger", "kyle_lambda", "vpin")

DOUBLED = "SELECT count() - uniqExact(exchange, market_type, symbol, sequence) FROM marketprism_hot.trades"
UNEQUAL = """
SELECT count() FROM (
    SELECT exchange, market_type, symbol, bucket_id, sum(quantity) AS raw FROM marketprism_hot.trades
    WHERE bucket_id != 0 GROUP BY ALL) AS t
FULL JOIN (
    SELECT exchange, market_type, symbol, bucket_id, sum(vol) AS vol FROM marketprism_features.bucket_flow
    GROUP BY ALL) AS b USING (exchange, market_type, symbol, bucket_id)
WHERE raw != vol"""


def _full(status: dict[str, Any]) -> bool:
    """Live values of every feature for at least two symbols, 50-bucket windows included."""
    shown = [row for row in status["symbols"] if row.get("window_buckets") == 50]
    return sum(all(row[name] is not None for name in FEATURES) for row in shown) >= 2


def _sql(running: Running, statement: str) -> str:
    headers = {"X-ClickHouse-Key": SECRETS["MARKETPRISM_EMBEDDED_PASSWORD"]}
    request = urllib.request.Request(running.clickhouse_url, data=statement.encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        return str(response.read().decode().strip())


def _local(statement: str, data: Path, cwd: Path) -> int:
    done = marketprism("query", statement, "--data", str(data), "--format", "TSV", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One run for the tests of this file, handed out when it shows every feature, within a minute."""
    run = Running(tmp_path_factory.mktemp("up"), "--simulate", "--history-hours", "0.7", **SECRETS, **LOGS)
    try:
        run.until(_full, timeout_s=60)
        yield run
    finally:
        run.kill()


def _readable_by_others(folder: Path) -> Iterator[tuple[Path, str]]:
    """Small files, and what they say, that not only their owner may read, of a folder that is written to meanwhile."""
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                of_file = path.stat()
                if of_file.st_mode & 0o077 and stat.S_ISREG(of_file.st_mode) and of_file.st_size < 1 << 16:
                    yield path, path.read_text(errors="replace")


def _log(running: Running, service: str, message: str) -> list[dict[str, Any]]:
    """Lines of a service's log with this message."""
    lines = (running.data / "logs" / f"{service}.log").read_text().splitlines()
    found = [json.loads(line) for line in lines if message in line and line.endswith("}")]
    return [line for line in found if line["message"] == message]


class TestUp:
    def test_shows_every_feature_of_two_symbols(self, running: Running) -> None:
        status = running.until(_full, timeout_s=20)
        assert {part["name"] for part in status["parts"] if part["running"]} == {
            "nats", "clickhouse", "storage", "monitors", "web", "simulator", "collector",
        }  # fmt: skip
        assert status["tables"]["trades"] > 1000
        assert status["tables"].get("gaps", 0) == 0
        assert status["tables"].get("dead_letters", 0) == 0

    def test_answers_curl_and_the_query_command(self, running: Running) -> None:
        statement = "SELECT uniqExact(symbol) FROM marketprism_hot.trades"
        assert _sql(running, statement) == "2"
        done = running.command("query", "SELECT uniqExact(symbol) AS n FROM marketprism_hot.trades FORMAT JSONEachRow")
        assert done.returncode == 0, done.stderr
        assert int(json.loads(done.stdout)["n"]) == 2

    def test_status_and_doctor_find_the_run_by_its_directory(self, running: Running, tmp_path: Path) -> None:
        status = marketprism("status", "--json", "--data", str(running.data), cwd=tmp_path, **SECRETS)
        assert status.returncode == 0, status.stdout + status.stderr
        assert len(json.loads(status.stdout)["symbols"]) == 4
        doctor = marketprism("doctor", "--json", "--data", str(running.data), cwd=tmp_path, **SECRETS)
        assert doctor.returncode == 0, doctor.stdout
        findings = {finding["check"]: finding["verdict"] for finding in json.loads(doctor.stdout)}
        assert findings["schema"] == findings["NATS"] == findings["deduplication windows"] == "ok"

    def test_the_log_leads_from_a_block_to_its_frames_and_back(self, running: Running) -> None:
        blocks = _log(running, "storage", "block stored")
        assert sum(block["rows"] for block in blocks) > 1000
        asked = {name for block in blocks for name in block["frames"]}
        deadline = time.monotonic() + 10  # a frame may be stored before its acknowledgement has been read
        while (
            not asked <= (frames := {line["frame"]: line for line in _log(running, "collector", "frame taken")}).keys()
        ):
            assert time.monotonic() < deadline, f"{len(asked - frames.keys())} frames without a line"
            time.sleep(0.1)
        seen: set[str] = set()
        for block in blocks:
            of_block = [frames[name] for name in block["frames"]]
            assert [line["seq"] for line in of_block] == list(range(block["first"], block["last"] + 1))
            assert {line["stream"] for line in of_block} == {block["token"].split(":")[1]}
            assert sum(line["rows"] for line in of_block) == block["rows"] + block["duplicates"] + block["refused"]
            assert not seen & set(block["frames"]), "a frame is in two blocks"
            seen |= set(block["frames"])

    def test_secrets_are_nowhere_to_be_read(self, running: Running) -> None:
        """Logs, what commands print, what doors answer, command lines, files that others may read."""
        said = {path.name: path.read_text() for path in (running.data / "logs").glob("*.log*")} | {"up": running.stderr}
        for command in (["settings"], ["doctor", "--json"], ["status", "--json"]):
            done = running.command(*command)
            said[command[0]] = done.stdout + done.stderr
        for service in ("COLLECTOR", "STORAGE", "MONITOR"):
            for door in ("metrics", "ready", "status", "audits"):
                port = running.environment[f"MARKETPRISM_{service}_METRICS_PORT"]
                url = f"http://127.0.0.1:{port}/{door}"
                with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(url, timeout=20) as response:
                    said[f"{service} /{door}"] = response.read().decode()  # only the monitors have a status and audits
        for name, pid in running.pids().items():
            said[f"command line of {name}"] = Path(f"/proc/{pid}/cmdline").read_text()
        said |= {str(path): text for path, text in _readable_by_others(running.data) if path.parent.name != "logs"}
        assert {"collector.log", "MONITOR /status", "doctor", "command line of storage"} <= said.keys()
        for where, text in said.items():
            assert "Tr4gopan" not in text, where

    def test_a_statement_that_is_wrong_is_one_line(self, running: Running) -> None:
        done = running.command("query", "SELECT * FROM nowhere.nothing")
        assert (done.returncode, done.stdout) == (11, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert "nowhere" in line

    def test_a_second_run_is_refused_by_directory_and_by_port(self, running: Running, tmp_path: Path) -> None:
        same_data = marketprism("up", "--data", str(running.data), cwd=tmp_path)
        assert same_data.returncode == 4
        assert f"process {running.process.pid} (marketprism up)" in same_data.stderr
        same_port = marketprism("up", "--data", str(tmp_path / "d"), cwd=tmp_path, **{
            name: value for name, value in running.environment.items() if name.endswith("_PORT")
        })  # fmt: skip
        assert same_port.returncode == 5
        assert "MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT" in same_port.stderr

    @pytest.mark.parametrize("name", ["storage", "collector", "clickhouse", "nats"])
    def test_what_is_killed_comes_back_and_stores_on(self, running: Running, name: str) -> None:
        before = running.pids()
        rows = int(_sql(running, "SELECT count() FROM marketprism_hot.trades"))
        os.kill(before[name], signal.SIGKILL)
        status = running.until(
            lambda status: (
                any(
                    part["name"] == name and part["running"] and part["pid"] != before[name] for part in status["parts"]
                )
                and status["tables"].get("trades", 0) > rows + 20
                and not status["problems"]
            ),
            timeout_s=60,
        )
        assert {part["name"] for part in status["parts"] if part["restarts"]} >= {name}
        assert f"{name} ended with SIGKILL" in running.stderr

    def test_stops_in_ten_seconds_with_nothing_lost_and_goes_on(self, running: Running, tmp_path: Path) -> None:
        pids = running.pids()
        assert running.stop(signal.SIGINT) < 10
        assert running.process.returncode == 0, running.stderr[-1000:]
        assert [name for name, pid in pids.items() if Path(f"/proc/{pid}").exists()] == []
        for statement in (DOUBLED, UNEQUAL):  # nothing serves the directory now: its engine is opened in process
            assert _local(statement, running.data, tmp_path) == 0
        stored = _local("SELECT count() FROM marketprism_hot.trades", running.data, tmp_path)
        assert stored > 1000

        again = Running(running.folder, "--simulate", **running.environment)
        try:
            again.until(lambda status: status["tables"].get("trades", 0) > stored + 20)
            assert "migrations applied" not in again.stderr.rpartition("starting in")[2]
            assert again.stop(signal.SIGTERM) < 10
            assert again.process.returncode == 0, again.stderr[-1000:]
        finally:
            again.kill()
        assert _local(DOUBLED, running.data, tmp_path) == 0
