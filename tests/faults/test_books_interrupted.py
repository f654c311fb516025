"""A batch of books dies between its table and its views, and its messages are gone: nothing can replay it.

Its day is rebuilt from what is stored.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from marketprism.settings import ClickHouseSettings, StorageSettings
from marketprism.subjects import stream_name
from storage_service.days.engine import Engine
from storage_service.days.queue import RebuildQueue
from storage_service.days.rebuild import Rebuilder
from tests.migrated import Template
from tests.unit.storage.rig import Rig, running
from tests.unit.storage.samples import row

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
VIEW = "marketprism_features.mid_1m_mv"


@pytest.fixture
def rig(tmp_path: Path, migrated: Template) -> Iterator[Rig]:
    with running(tmp_path, migrated) as rig:
        yield rig


def books(first: int, count: int) -> list[tuple[str, bytes]]:
    """(subject, payload) of books with rising sequences, ten seconds apart, a frame each."""
    frames = []
    for sequence in range(first, first + count):
        at = int(NOON.timestamp() * 1000) + sequence * 10_000
        changed = {"timestamp": at, "received_at": at * 1000, "sequence": sequence, "best_ask_price": f"{2 + sequence}"}
        frames.append(
            ("md.orderbooks.binance.linear.BTCUSDT", msgspec.json.encode(row("orderbooks", **changed)) + b"\n")
        )
    return frames


def number(rig: Rig, query: str) -> int:
    return int(rig.rows(query)[0][0])


def sleepy(rig: Rig) -> str:
    """Let one view sleep for two seconds in each insert; its statement as it was."""
    statement = str(
        rig.rows(f"SELECT create_table_query FROM system.tables WHERE database || '.' || name = '{VIEW}'")[0][0]
    )
    slow = re.sub(r"\bWHERE\b", "WHERE sleep(2) = 0 AND", statement, count=1)
    assert slow != statement
    recreate(rig, slow)
    return statement


def recreate(rig: Rig, statement: str) -> None:
    client = rig.client()
    client.command(f"DROP VIEW {VIEW} SYNC")
    client.command(statement)
    client.close()


async def until(true: Any, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not await asyncio.to_thread(true):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_the_views_of_a_lost_batch_of_books_are_rebuilt(rig: Rig) -> None:
    await rig.streams()
    await rig.publish(books(1, 20))
    rig.start_storage()
    await rig.until_stored("orderbooks")
    assert rig.stop("storage") == 0
    statement = sleepy(rig)
    await rig.publish(books(21, 30))
    rig.start_storage()
    stored = "SELECT count() FROM marketprism_hot.orderbooks"
    viewed = "SELECT sum(books) FROM marketprism_features.mid_1m_state"
    await until(lambda: number(rig, stored) > 20)
    rig.kill("clickhouse")
    rig.kill("storage")
    rig.start_clickhouse()
    recreate(rig, statement)
    behind = number(rig, stored), number(rig, viewed)
    assert behind[0] > behind[1], "the kill was to come between the table and its view"
    nc, js = await rig.connect()
    await js.purge_stream(stream_name("orderbooks"))
    await rig.publish(books(51, 5))
    rig.start_storage(MARKETPRISM_STORAGE_DAYS_EVERY_S="0.3", MARKETPRISM_STORAGE_DAYS_QUIET_S="1")
    await rig.until_stored("orderbooks")
    queue = await RebuildQueue.open(js)
    await rig.until_says("storage", "job on days done", timeout=120)
    deadline = time.monotonic() + 60
    while await queue.waiting():
        assert time.monotonic() < deadline, rig.log("storage")[-3000:]
        await asyncio.sleep(0.1)
    await nc.close()
    assert rig.stop("storage") == 0
    sequences = [line[0] for line in rig.rows("SELECT sequence FROM marketprism_hot.orderbooks ORDER BY sequence")]
    assert sequences == [*range(1, behind[0] + 1), *range(51, 56)], "stored rows stay, each once"
    minutes = "SELECT toStartOfMinute(toDateTime(timestamp, 'UTC')) AS m, count(), sum(best_bid_price + best_ask_price)"
    recomputed = rig.rows(f"{minutes} FROM marketprism_hot.orderbooks GROUP BY m ORDER BY m")
    states = (
        "SELECT ts_1m, sum(books), sum(best_sum) FROM marketprism_features.mid_1m_state GROUP BY ts_1m ORDER BY ts_1m"
    )
    assert rig.rows(states) == recomputed
    tops = rig.rows("SELECT sequence FROM marketprism_features.lob_top5 ORDER BY sequence")
    assert [line[0] for line in tops] == sequences
    server = ClickHouseSettings(url=f"http://127.0.0.1:{rig.clickhouse_port}", _env_file=None)
    tool = Rebuilder(Engine.open(server), server, StorageSettings(_env_file=None), data_type="orderbooks")
    assert (await asyncio.to_thread(tool.verify, NOON.date())).differences == ()
