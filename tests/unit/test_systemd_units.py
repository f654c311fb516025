"""The units for systemd: commands that exist, restarts without end, no rights, passwords outside of them."""

from __future__ import annotations

import configparser

import pytest
from typer.main import get_command

from marketprism.cli.commands import app
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "monitors" / "systemd"
SERVICES = sorted(FOLDER.glob("*.service"))
LONG_RUNNING = [path for path in SERVICES if path.stem != "marketprism-drift"]


def _unit(path: object) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(str(path))
    return parser


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_commands_exist_and_secrets_are_elsewhere(path: object) -> None:
    service = _unit(path)["Service"]
    program, command = service["ExecStart"].split()
    assert program.endswith("/marketprism")
    assert command in get_command(app).commands  # type: ignore[attr-defined]
    assert service["User"] not in ("", "root")
    assert service["EnvironmentFile"].startswith("/etc/")
    assert "PASSWORD" not in service.get("Environment", "")
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"


@pytest.mark.parametrize("path", LONG_RUNNING, ids=lambda path: path.stem)
def test_services_come_back_and_have_time_to_stop(path: object) -> None:
    unit = _unit(path)
    assert unit["Service"]["Restart"] == "always"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert int(unit["Service"]["TimeoutStopSec"]) >= 10  # a flush is promised ten seconds
    assert unit["Service"]["CapabilityBoundingSet"] == ""


def test_the_timer_starts_a_unit_that_is_there() -> None:
    for path in FOLDER.glob("*.timer"):
        assert path.with_suffix(".service") in SERVICES
        assert "UTC" in _unit(path)["Timer"]["OnCalendar"]
