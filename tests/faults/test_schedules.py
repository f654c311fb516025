"""A short plan of random kills over the whole chain; ``make faults`` runs the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.schedules import run
from tests.migrated import Template

SEED = 55

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(400)]


def test_nothing_is_lost_or_doubled(tmp_path: Path, migrated: Template) -> None:
    """A batch across UTC midnight is torn; each of the four processes dies at least once."""
    migrated.seed(tmp_path / "chain-0" / "data")
    killed: set[str] = set()
    midnights = 0
    for outcome in run(tmp_path, seed=SEED, count=3):
        verdict = outcome.verdict
        assert verdict.exact, f"schedule {outcome.number}, {[str(kill) for kill in outcome.kills]}: {verdict}"
        assert verdict.rows > 500
        killed |= {kill.part for kill in outcome.kills}
        midnights = outcome.midnights
    assert midnights
    assert killed == {"collector", "storage", "clickhouse", "nats"}
