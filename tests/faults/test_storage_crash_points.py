"""Every row of DELIVERY.md's crash-point table: the storage process dies there by SIGKILL, and nothing shows after."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage_service.faultpoints import BEFORE_SEND, POINTS
from tests.migrated import Template
from tests.unit.storage.ledger import DAY_US, Ledger
from tests.unit.storage.rig import Rig, assert_equals_ledger, running

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("storage-faults")]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("storage-faults"), migrated) as rig:
        yield rig


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Starts five minutes before UTC midnight: batches of the first tests cross it."""
    return Ledger(seed=7, start_ms=(19_700 * DAY_US) // 1000 - 60_000)


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at(rig: Rig, ledger: Ledger, point: str) -> None:
    await rig.streams()
    await rig.publish(ledger.frames(120))
    process = rig.start_storage(MARKETPRISM_FAULT=f"{point}:trades:2", MARKETPRISM_STORAGE_BATCH_MAX_FRAMES="40")
    assert process.wait(60) == -9, f"the fault point was not reached: {rig.log('storage')[-2000:]}"
    rig.start_storage()
    await rig.publish(ledger.frames(60))
    await rig.until_stored()
    assert rig.stop("storage") == 0
    assert_equals_ledger(rig, ledger)


@pytest.mark.slow
async def test_killed_at_random_times(rig: Rig, ledger: Ledger) -> None:
    await rig.streams()
    chance = random.Random(11)
    for _ in range(6):
        frames = ledger.frames(150)
        rig.start_storage(MARKETPRISM_STORAGE_BATCH_MAX_FRAMES="10")
        await rig.publish(frames[:100])
        await rig.publish(frames[50:100], salt="a second collector")
        wait = chance.uniform(0.8, 2.2)
        try:
            rig.processes["storage"].wait(wait)
        except Exception:
            rig.kill("storage")
        await rig.publish(frames[100:])
    rig.start_storage()
    await rig.until_stored()
    assert_equals_ledger(rig, ledger)
    assert rig.stop("storage") == 0


async def test_clickhouse_killed_in_the_middle_of_inserts(rig: Rig, ledger: Ledger) -> None:
    await rig.streams()
    rig.start_storage(MARKETPRISM_STORAGE_BATCH_MAX_FRAMES="8")
    for _ in range(3):
        await rig.publish(ledger.frames(80))
        rig.kill("clickhouse")
        await rig.publish(ledger.frames(20))
        rig.start_clickhouse()
    await rig.until_stored()
    assert_equals_ledger(rig, ledger)
    assert rig.stop("storage") == 0


async def test_nats_killed_and_started_again(rig: Rig, ledger: Ledger) -> None:
    await rig.streams()
    rig.start_storage(MARKETPRISM_STORAGE_BATCH_MAX_FRAMES="8")
    for _ in range(2):
        await rig.publish(ledger.frames(80))
        rig.kill("nats")
        rig.start_nats()
        await rig.publish(ledger.frames(40))
    await rig.until_stored()
    assert_equals_ledger(rig, ledger)
    assert rig.stop("storage") == 0


async def test_everything_killed_at_once(rig: Rig, ledger: Ledger) -> None:
    await rig.streams()
    await rig.publish(ledger.frames(200))
    rig.start_storage(MARKETPRISM_STORAGE_BATCH_MAX_FRAMES="8", MARKETPRISM_FAULT="after_intent:trades:4")
    rig.processes["storage"].wait(60)
    for name in ("clickhouse", "nats"):
        rig.kill(name)
    rig.start_nats()
    rig.start_clickhouse()
    rig.start_storage()
    await rig.until_stored()
    assert_equals_ledger(rig, ledger)
    assert rig.stop("storage") == 0


def test_delivery_names_every_crash_point_and_only_tests_that_exist() -> None:
    repository = Path(__file__).resolve().parents[2]
    text = (repository / "storage_service" / "DELIVERY.md").read_text()
    for point in (*POINTS, BEFORE_SEND):
        assert f"`{point}`" in text
    tests = "".join(file.read_text() for file in (repository / "tests").rglob("test_*.py"))
    named = re.findall(r"\b(test_\w+)\b(?!\.py)", text)
    assert len(named) > 20
    assert [name for name in named if f"def {name}(" not in tests] == []
    rows = [
        line for line in text.partition("## The other faults")[2].partition("\n## ")[0].splitlines() if "| " in line
    ]
    assert [row for row in rows[2:] if "`test_" not in row] == [], "a fault without a test"
