"""Prometheus itself reads our configuration: promtool checks what docker-compose.yml mounts."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import yaml

from tests.conftest import REPOSITORY, missing

FOLDER = REPOSITORY / "monitors" / "prometheus"


@pytest.fixture(scope="session")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        missing("promtool is not installed (Debian: apt-get install prometheus)")
    assert found is not None
    return found


def test_configuration_is_valid(promtool: str) -> None:
    done = subprocess.run(
        [promtool, "check", "config", str(FOLDER / "prometheus.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_service_of_ours_is_scraped() -> None:
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
    for name in ("collector", "storage", "monitors"):
        assert name in compose
        (target,) = targets[name]
        assert f"127.0.0.1:{target.partition(':')[2]}/health" in str(compose[name]["healthcheck"])
