"""A variable MARKETPRISM_… that nothing reads is told once, with the nearest one that is read; nothing else changes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from marketprism.settings import known_variables
from marketprism.unknown_settings import NOT_SETTINGS, tell_unknown, unknown
from tests.conftest import REPOSITORY

_USED = re.compile(r"\bMARKETPRISM_[A-Z][A-Z0-9_]*[A-Z0-9]\b")


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("MARKETPRISM_MONITORS_METRICS_PORT", "MARKETPRISM_MONITOR_METRICS_PORT"),
        ("MARKETPRISM_CLICKHOUSE_URI", "MARKETPRISM_CLICKHOUSE_URL"),
        ("MARKETPRISM_COLLECTOR_SYMBOL", "MARKETPRISM_COLLECTOR_SYMBOLS"),
        ("marketprism_datadir", "MARKETPRISM_DATA_DIR"),
        ("MARKETPRISM_QQQQQQQ", ""),
    ],
)
def test_the_nearest_variable_is_named(given: str, nearest: str) -> None:
    assert unknown([given, "MARKETPRISM_NATS_URL", "marketprism_nats_user", "HOME", *NOT_SETTINGS]) == {given: nearest}


def test_what_is_read_elsewhere_is_in_one_list() -> None:
    """Every variable of our name in the code is a setting, or in NOT_SETTINGS; and that list has nothing else."""
    used = set()
    for folder in ("marketprism", "collector", "storage_service", "monitors", "tests/faults", "tests/integration"):
        for file in (*(REPOSITORY / folder).rglob("*.py"), *(REPOSITORY / folder).rglob("*.sh")):
            used |= set(_USED.findall(file.read_text()))
    used |= set(_USED.findall((REPOSITORY / "tests" / "conftest.py").read_text()))
    families = {name.rsplit("_", 1)[0] for name in known_variables()}
    assert used - known_variables() - families == NOT_SETTINGS


def test_a_file_env_is_read_too_and_children_are_silent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("MARKETPRISM_NATS_PASWORD=hunter2\nGRAFANA_PASSWORD=x\n")
    environment = {"MARKETPRISM_DATADIR": "elsewhere", "PATH": "/bin"}
    tell_unknown(environment, tmp_path / ".env")
    assert [record.getMessage() for record in caplog.records] == [
        "MARKETPRISM_DATADIR is no setting and has no effect; did you mean MARKETPRISM_DATA_DIR?",
        "MARKETPRISM_NATS_PASWORD is no setting and has no effect; did you mean MARKETPRISM_NATS_PASSWORD?",
    ]
    tell_unknown(environment, tmp_path / ".env")  # as a child of that process does
    assert len(caplog.records) == 2


def test_a_command_says_it_on_stderr_and_is_otherwise_the_same(tmp_path: Path) -> None:
    def run(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "marketprism", "status", "--json"],
            cwd=tmp_path, env={**os.environ, "MARKETPRISM_CLICKHOUSE_URL": "http://127.0.0.1:1",
                               "MARKETPRISM_NATS_URL": "nats://127.0.0.1:1", **more},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    plain, misspelt = run(), run(MARKETPRISM_WEB_TOKN="hunter2")
    assert json.loads(misspelt.stdout).keys() == json.loads(plain.stdout).keys()
    assert (misspelt.returncode, plain.stderr) == (plain.returncode, "")
    (line,) = misspelt.stderr.splitlines()
    assert line.endswith("MARKETPRISM_WEB_TOKN is no setting and has no effect; did you mean MARKETPRISM_WEB_TOKEN?")
