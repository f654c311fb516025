"""The command line as a person meets it: help for each command, one clear line for what is wrong, exit codes."""

from __future__ import annotations

import errno
import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from marketprism.cli import app, main
from marketprism.supervisor.replay_report import ReplayReport
from marketprism.supervisor.run import RunOptions
from tests.integration.running import marketprism

COMMANDS = (
    "up", "demo", "replay", "migrate", "collect", "store", "monitor", "page", "query", "status", "doctor", "settings",
    "dead-letters", "features", "archive", "backfill", "buckets", "calibrate",
    "drift", "integrity", "serving", "import", "panel", "order-flow", "lint-sql",
)  # fmt: skip


def _one_line_error(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr
    return line


@pytest.mark.parametrize(
    "command",
    [
        ("dead-letters", "list"), ("dead-letters", "retry", "--all"), ("dead-letters", "drop", "--all"),
        ("serving", "list"), ("integrity", "--day", "2024-08-01"), ("archive",), ("migrate",), ("query", "SELECT 1"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_clickhouse_that_is_away_is_one_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = marketprism(*command, cwd=tmp_path, MARKETPRISM_CLICKHOUSE_URL="http://127.0.0.1:1")
    assert "ClickHouse at http://127.0.0.1:1 does not answer" in _one_line_error(done, 3)


def test_every_command_has_help() -> None:
    overview = CliRunner().invoke(app, ["--help"]).output
    for command in COMMANDS:
        assert command in overview
        shown = CliRunner().invoke(app, [command, "--help"])
        assert shown.exit_code == 0
        assert len(shown.output.splitlines()) > 4


def test_commands_in_help_are_all_listed_here() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    names |= {group.name for group in app.registered_groups if group.name}
    assert names == set(COMMANDS)


def test_wrong_setting_names_the_variable(tmp_path: Path) -> None:
    line = _one_line_error(marketprism("status", cwd=tmp_path, MARKETPRISM_EMBEDDED_NATS_PORT="seventy"), 2)
    assert line.startswith("error: MARKETPRISM_EMBEDDED_NATS_PORT: ")
    assert "(given: 'seventy')" in line


def test_port_in_use_names_the_setting_and_starts_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = marketprism("up", "--simulate", cwd=tmp_path, MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT=port)
    line = _one_line_error(done, 5)
    assert f"127.0.0.1:{port} is in use; " in line
    assert "MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT" in line
    assert not list((tmp_path / "data").glob("logs/*"))


def test_no_server_says_how_to_start_one(tmp_path: Path, free_port: object) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{unused.getsockname()[1]}"
        line = _one_line_error(marketprism("query", "SELECT 1", cwd=tmp_path, MARKETPRISM_CLICKHOUSE_URL=url), 3)
    assert "start it with `marketprism up`" in line
    assert "secret" not in line


def test_recording_that_is_absent(tmp_path: Path) -> None:
    line = _one_line_error(marketprism("replay", "nowhere.jsonl.zst", cwd=tmp_path), 7)
    assert "nowhere.jsonl.zst" in line


def test_impossible_speed(tmp_path: Path) -> None:
    line = _one_line_error(marketprism("replay", "x.zst", "--speed", "fast", cwd=tmp_path), 2)
    assert "--speed fast" in line


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = marketprism("replay", "x.zst", "--speed", "0", cwd=tmp_path, MARKETPRISM_LOG_LEVEL="debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_file_that_the_system_refuses_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def refused() -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/data/clickhouse")

    monkeypatch.setattr("marketprism.cli.app", refused)
    monkeypatch.setenv("MARKETPRISM_LOG_LEVEL", "info")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: /data/clickhouse: Permission denied; ")


@pytest.mark.parametrize("kept", [False, True])
def test_a_replay_names_only_data_that_is_kept(kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def played(files: object, factor: object, data: Path, *, look: bool) -> ReplayReport:
        return ReplayReport(files=[], seconds=1, recorded_seconds=1, frames=1, data=str(data), symbols=[])

    monkeypatch.setattr("marketprism.supervisor.replaying.replay_files", played)
    arguments = ["replay", "x.zst", "--json", *(["--data", str(tmp_path)] if kept else [])]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["data"] == (str(tmp_path) if kept else None)
    assert ("--data keeps it" in done.stderr) is not kept


@pytest.mark.parametrize("kept", [False, True])
def test_a_demo_knows_whether_its_data_stays(kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def run(options: RunOptions) -> bool:
        asked.append(options.temporary)
        return True

    monkeypatch.setattr("marketprism.supervisor.run.run", run)
    assert CliRunner().invoke(app, ["demo", *(["--data", str(tmp_path)] if kept else [])]).exit_code == 0
    assert asked == [not kept]


def test_nothing_on_stdin_is_no_statement(tmp_path: Path) -> None:
    assert "no statement given" in _one_line_error(marketprism("query", "-", cwd=tmp_path), 11)


def test_a_clean_lint_says_one_line(tmp_path: Path) -> None:
    done = marketprism("lint-sql", cwd=tmp_path)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_live_and_simulate_exclude_each_other(tmp_path: Path) -> None:
    _one_line_error(marketprism("up", "--live", "--simulate", cwd=tmp_path), 2)


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    done = marketprism("settings", cwd=tmp_path, MARKETPRISM_CLICKHOUSE_PASSWORD="hunter2")
    assert done.returncode == 0
    assert "hunter2" not in done.stdout + done.stderr
    assert "MARKETPRISM_CLICKHOUSE_PASSWORD" in done.stdout


@pytest.mark.parametrize("arguments", [["doctor", "--json"], ["doctor"]])
def test_doctor_says_what_to_do_when_nothing_runs(arguments: list[str], tmp_path: Path, free_port: object) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        done = marketprism(
            *arguments, cwd=tmp_path, MARKETPRISM_CLICKHOUSE_URL=f"http://127.0.0.1:{port}",
            MARKETPRISM_NATS_URL=f"nats://127.0.0.1:{port}",
        )  # fmt: skip
    assert done.returncode == 1
    assert "start it with `marketprism up`" in done.stdout
    assert "ClickHouse" in done.stdout
