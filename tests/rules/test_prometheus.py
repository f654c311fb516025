"""Prometheus and Alertmanager themselves read our configuration; every alert has its cases and its heading."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from tests.conftest import REPOSITORY
from tests.rules.programs import program

FOLDER = REPOSITORY / "monitors" / "prometheus"
RULES = sorted((FOLDER / "rules").glob("*.yml"))
CASES = sorted((Path(__file__).parent / "cases").glob("*.yml"))
RUNBOOK = (REPOSITORY / "monitors" / "RUNBOOK.md").read_text()


def _alerts() -> dict[str, dict[str, Any]]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


ALERTS = _alerts()


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_configuration_is_valid() -> None:
    _run(program("promtool"), "check", "config", FOLDER / "prometheus.yml")
    _run(program("promtool"), "check", "rules", *RULES)


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_alerts_fire_and_stay_silent(cases: Path) -> None:
    _run(program("promtool"), "test", "rules", cases)


def test_alertmanager_configuration_is_valid() -> None:
    _run(program("amtool"), "check-config", REPOSITORY / "monitors" / "alertmanager" / "alertmanager.yml")


def test_what_is_silenced_by_another_alert_exists() -> None:
    config = yaml.safe_load((REPOSITORY / "monitors" / "alertmanager" / "alertmanager.yml").read_text())
    matchers = [text for rule in config["inhibit_rules"] for text in rule["source_matchers"] + rule["target_matchers"]]
    patterns = [
        pattern
        for text in matchers
        if (found := re.fullmatch(r'alertname =~? "?([^"]*)"?', text))
        for pattern in found[1].split("|")
    ]
    assert len(patterns) > 20
    assert [pattern for pattern in patterns if not any(re.fullmatch(pattern, name) for name in ALERTS)] == []


def test_every_alert_has_a_case_that_fires() -> None:
    assert {path.stem for path in RULES} == {path.stem.partition(".")[0] for path in CASES}
    fired = {
        check["alertname"]
        for path in CASES
        for case in yaml.safe_load(path.read_text())["tests"]
        for check in case["alert_rule_test"]
        if check["exp_alerts"]
    }
    assert fired == set(ALERTS)


def test_every_alert_has_its_runbook_heading_and_nothing_else_has() -> None:
    sections = re.split(r"^### ", RUNBOOK, flags=re.MULTILINE)[1:]
    headings = [section.partition("\n")[0] for section in sections]
    assert sorted(headings) == sorted(ALERTS)
    for section in sections:
        assert re.findall(r"^- \*\*(\w+)\.\*\*", section, re.MULTILINE) == ["Means", "Look", "Do", "Over"], section
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"monitors/RUNBOOK.md#{name.lower()}"
        assert rule["labels"]["severity"] in ("critical", "warning", "none")


THRESHOLDS = {
    "BucketLengthHigh": "> 90", "BucketLengthCritical": "> 120", "ManyLongBuckets": "> 5", "BucketLagHigh": "> 60",
    "BucketLagCritical": "> 300", "BucketIdAnomaly": "> 0", "FeatureMissing": "> 0.05", "BooksCrossed": "> 0.001",
    "FeatureDrifts": "> 0.15", "FeatureDriftsFar": "> 0.25",
}  # fmt: skip


@pytest.mark.parametrize(("name", "threshold"), THRESHOLDS.items())
def test_the_thresholds_that_users_know(name: str, threshold: str) -> None:
    assert threshold in ALERTS[name]["expr"]


def test_every_metric_of_a_rule_is_exported(exported: set[str]) -> None:
    for name, rule in ALERTS.items():
        used = set(re.findall(r"\b(?:marketprism|ubt)_\w+", rule["expr"]))
        assert used <= exported, f"{name}: {sorted(used - exported)}"


def test_a_first_count_is_a_rise(registries: tuple[CollectorRegistry, CollectorRegistry]) -> None:
    """Prometheus sees no rise in a counter that appears with its first count: what wakes at the first begins at 0."""
    present = {sample.name for registry in registries for family in registry.collect() for sample in family.samples}
    watched = {
        metric
        for rule in ALERTS.values()
        if rule["expr"].endswith("> 0")
        for metric in re.findall(r"increase\((\w+)", rule["expr"])
    }
    assert len(watched) >= 7
    assert watched <= present, sorted(watched - present)


def test_metrics_follow_the_conventions(registries: tuple[CollectorRegistry, CollectorRegistry]) -> None:
    """promtool's own lint; a number of days that wait is no time."""
    for registry in registries:
        command = [program("promtool"), "check", "metrics"]
        done = subprocess.run(command, input=generate_latest(registry), capture_output=True, check=False)
        said = (done.stdout + done.stderr).decode().splitlines()
        assert [line for line in said if 'use base unit "seconds" instead of "days"' not in line] == []


def test_every_command_of_the_runbook_exists() -> None:
    from typer.main import get_command

    from marketprism.cli.commands import app

    root = get_command(app)
    for words in re.findall(r"`marketprism ([a-z-]+(?:\s+[a-z]+)?)", RUNBOOK):
        name, *rest = words.split()
        command = root.commands.get(name)  # type: ignore[attr-defined]
        assert command is not None, f"marketprism {name}"
        if rest and hasattr(command, "commands"):
            assert rest[0] in command.commands, f"marketprism {words}"


def test_every_service_of_ours_is_scraped() -> None:
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
    for name in ("collector", "storage", "monitors", "web"):
        assert name in compose
        (target,) = targets[name]
        assert f"127.0.0.1:{target.partition(':')[2]}/health" in str(compose[name]["healthcheck"])
