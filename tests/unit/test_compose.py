"""The compose files: images pinned, containers without rights, every variable known, health commands that work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from marketprism.metrics import HealthServer, serve_health
from marketprism.settings import ALL_SETTINGS, CollectorSettings, MonitorSettings, StorageSettings
from tests.conftest import REPOSITORY

FILES = sorted(REPOSITORY.glob("docker-compose*.yml"))
OURS = ("collector", "storage", "monitors", "web", "receiver")
COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())


def _services() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in FILES:
        for name, service in yaml.safe_load(path.read_text())["services"].items():
            yield f"{path.stem}:{name}", service


SERVICES = dict(_services())
KNOWN = {
    f"{settings.model_config['env_prefix']}{name}".upper()
    for settings in ALL_SETTINGS
    for name in settings.model_fields
}


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_and_services_restart(name: str) -> None:
    service = SERVICES[name]
    if "image" in service:
        assert re.search(r":v?\d+\.\d+[\w.-]*$", service["image"]), service["image"]
    assert service.get("restart") in ("unless-stopped", "on-failure", "always", "no", None)


@pytest.mark.parametrize("name", SERVICES)
def test_every_variable_is_a_setting(name: str) -> None:
    environment = SERVICES[name].get("environment") or {}
    names = environment if isinstance(environment, dict) else [line.partition("=")[0] for line in environment]
    ours = {variable for variable in names if variable.startswith("MARKETPRISM_")}
    assert ours <= KNOWN, sorted(ours - KNOWN)


def test_every_variable_that_is_asked_for_is_in_the_example() -> None:
    example = (REPOSITORY / ".env.example").read_text()
    for path in FILES:
        for variable in re.findall(r"\$\{(\w+):\?", path.read_text()):
            assert re.search(rf"^{variable}=", example, re.MULTILINE), variable


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_gains_rights_fills_the_disk_with_logs_or_dies_unnoticed(name: str) -> None:
    service = SERVICES[name]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"] == {"max-size": "16m", "max-file": "4"}
    assert service["restart"] == ("on-failure" if name.endswith(":migrate") else "unless-stopped")
    assert name.endswith(":migrate") or service["healthcheck"]["retries"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_rights_and_bounded_logs(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"]["max-size"]
    assert service["restart"] == "unless-stopped"


def test_what_the_runbook_asks_answers_on_this_machine_and_no_other() -> None:
    """``marketprism status`` and ``doctor`` come first in the runbook; they ask the ports of the settings' defaults."""
    published = {port for name in OURS for port in COMPOSE["services"][name].get("ports", [])}
    asked = set(
        re.findall(r"curl (?:http://127\.0\.0\.1)?:(\d+)", (REPOSITORY / "monitors" / "RUNBOOK.md").read_text())
    )
    defaults = {
        str(settings.model_fields["metrics_port"].default)
        for settings in (CollectorSettings, StorageSettings, MonitorSettings)
    }
    assert "9101" in asked
    assert {f"127.0.0.1:{port}:{port}" for port in asked | defaults} <= published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_image_does_not_run_as_root() -> None:
    users = re.findall(r"^USER (\S+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    assert users
    assert users[-1] not in ("root", "0")


def test_who_looks_may_only_read() -> None:
    """The page and Grafana come as a user of its own, which has no right but SELECT."""
    user = ElementTree.parse(REPOSITORY / "monitors" / "clickhouse" / "analyst.xml").getroot()
    grants = [str(grant.text) for grant in user.iterfind("users/analyst/grants/query")]
    assert grants
    assert all(re.fullmatch(r"GRANT SELECT ON (marketprism_\w+\.\*|system\.\w+)", grant) for grant in grants)
    assert user.findtext("profiles/analyst/readonly") == "2"
    assert COMPOSE["services"]["web"]["environment"]["MARKETPRISM_WEB_CLICKHOUSE_USER"] == "analyst"
    sources = yaml.safe_load((REPOSITORY / "monitors/grafana/provisioning/datasources/datasources.yml").read_text())
    (clickhouse,) = [source for source in sources["datasources"] if source["name"] == "ClickHouse"]
    assert clickhouse["jsonData"]["username"] == "analyst"


def test_the_servers_own_logs_have_an_end() -> None:
    """ClickHouse keeps query_log and its kin for ever by default: in months they are larger than what is collected."""
    logs = ElementTree.parse(REPOSITORY / "monitors" / "clickhouse" / "logs.xml").getroot()
    assert {"query_log", "query_views_log", "part_log", "trace_log", "text_log", "metric_log"} <= {
        log.tag for log in logs
    }
    assert {log.findtext("ttl") for log in logs} == {"event_date + INTERVAL 7 DAY DELETE"}
    servers = {name: service for name, service in SERVICES.items() if ":clickhouse" in name}
    assert len(servers) == 5
    for name, service in servers.items():
        mounted = [
            *(volume.split(":")[1] for volume in service.get("volumes", []) if volume.startswith("./")),
            *(config["target"] for config in service.get("configs", [])),
        ]
        assert "/etc/clickhouse-server/config.d/logs.xml" in mounted, name


def test_every_mounted_file_is_there() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            if volume.startswith("./"):
                assert (REPOSITORY / volume.split(":")[0]).exists(), volume


@pytest.fixture
async def door() -> AsyncIterator[HealthServer]:
    server = await serve_health(0, ready=lambda: {"ready": True}, host="127.0.0.1")
    yield server
    await server.close()


HEALTH = {name: service["healthcheck"]["test"] for name, service in SERVICES.items() if "healthcheck" in service}


@pytest.mark.parametrize("name", HEALTH)
async def test_health_commands_tell_up_from_down(name: str, door: HealthServer, tmp_path: Path) -> None:
    """Each command, asked of a door that answers and of a port where nobody listens."""
    import asyncio

    kind, program, *arguments = HEALTH[name]
    assert kind in ("CMD", "CMD-SHELL")
    if kind == "CMD-SHELL":
        pytest.skip("a line for the shell of its image")
    found = sys.executable if program == "python" else shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed here; the image has it")
    if not any("http://" in argument for argument in arguments):
        pytest.skip(f"{program} asks no HTTP door")

    async def code(port: int) -> int:
        there = [re.sub(r"http://[\w.]+:\d+/[^'\s]*", f"http://127.0.0.1:{port}/health", text) for text in arguments]
        done = await asyncio.to_thread(
            subprocess.run, [found, *there], cwd=tmp_path, env=dict(os.environ), capture_output=True, timeout=20
        )
        return int(done.returncode)

    assert await code(door.port) == 0
    assert await code(1) != 0
