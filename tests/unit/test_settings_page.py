"""The settings page is current, and every variable that a file of ours sets is one that somebody reads."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from pydantic_settings import BaseSettings

from marketprism.settings import ALL_SETTINGS, known_variables, variable_of
from marketprism.settings_page import markdown_page
from marketprism.unknown_settings import NOT_SETTINGS
from tests.conftest import REPOSITORY

_VARIABLE = re.compile(r"\bMARKETPRISM_[A-Z0-9_]+\b")


def test_page_is_current() -> None:
    page = (REPOSITORY / "docs" / "settings.md").read_text()
    assert page == markdown_page() + "\n", "run: make docs"


def test_every_setting_is_described() -> None:
    rows = [line for line in markdown_page().splitlines() if line.startswith("| `")]
    assert len(rows) == len(known_variables())
    assert all(re.fullmatch(r"\| `MARKETPRISM_\w+` \| .+ \| .{5,} \|", row) for row in rows)


@pytest.mark.parametrize("settings", ALL_SETTINGS)
def test_every_default_can_be_said_in_the_environment(
    settings: type[BaseSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment has text only: a choice between numbers is none of its own accord."""
    plain = settings(_env_file=None)  # type: ignore[call-arg]
    for name in settings.model_fields:
        value = getattr(plain, name)
        if isinstance(value, bool | int | float | str | list | dict):
            said = value if isinstance(value, str) else json.dumps(value)
            monkeypatch.setenv(variable_of(settings, name), said)
    assert settings(_env_file=None) == plain  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "name", ["docker-compose*.yml", ".env.example", "README.md", "Dockerfile", "monitors/nats/nats.conf", "docs/*.md"]
)
def test_variables_in_our_files_exist(name: str) -> None:
    files = sorted(REPOSITORY.glob(name))
    assert files
    for file in files:
        assert set(_VARIABLE.findall(file.read_text())) <= known_variables() | NOT_SETTINGS, file


def _compose() -> dict[str, dict[str, object]]:
    services: dict[str, dict[str, object]] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
    return services


def test_images_are_pinned() -> None:
    for name, service in _compose().items():
        image = str(service["image"])
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-\w+)?", image), f"{name}: {image}"
    stages = [line for line in (REPOSITORY / "Dockerfile").read_text().splitlines() if line.startswith("FROM")]
    assert len(stages) == 2
    assert re.fullmatch(r"FROM clickhouse/clickhouse-server:\d+\.\d+ AS clickhouse", stages[0])
    assert re.fullmatch(r"FROM python:3\.\d+\.\d+-slim-\w+", stages[1]), "the last one is what `build: .` makes"
    version = stages[0].split()[1].partition(":")[2]
    assert _compose()["clickhouse"]["image"] == f"marketprism-clickhouse:{version}"


def test_services_are_watched_and_restarted() -> None:
    for name, service in _compose().items():
        assert service["restart"] in ("unless-stopped", "on-failure")
        if name != "migrate":  # ends by itself
            test = service["healthcheck"]["test"]  # type: ignore[index]
            assert test[0] == "CMD"
            assert re.search(r"https?://127\.0\.0\.1:\d+/", " ".join(test))


def test_health_commands_ask_the_port_of_their_service() -> None:
    from marketprism.settings import CollectorSettings, MonitorSettings, StorageSettings

    ports = {"collector": CollectorSettings, "storage": StorageSettings, "monitors": MonitorSettings}
    for name, settings in ports.items():
        default = settings.model_fields["metrics_port"].default
        assert f"127.0.0.1:{default}/health" in str(_compose()[name]["healthcheck"])


def test_our_containers_are_not_root_and_read_only() -> None:
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users == ["10001"]
    for name in ("migrate", "collector", "storage", "monitors"):
        service = _compose()[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_only_loopback_is_published() -> None:
    for service in _compose().values():
        for port in service.get("ports", []):  # type: ignore[attr-defined]
            assert port.startswith("127.0.0.1:")
