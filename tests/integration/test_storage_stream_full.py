"""A stream that is full gives up its oldest messages, read or not (the production policy): told as what it is."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from marketprism.subjects import stream_name
from tests.migrated import Template
from tests.unit.storage.ledger import Ledger
from tests.unit.storage.rig import Rig, running
from tests.unit.storage.samples import quotes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FRAME_ROWS = 60
SUBJECT = "md.trades.binance.spot.BTCUSDT"


@pytest.fixture
def rig(tmp_path: Path, migrated: Template) -> Iterator[Rig]:
    with running(tmp_path, migrated) as rig:
        smallest = 1 << 20
        rig.nats_settings = rig.nats_settings.model_copy(update={"stream_max_bytes": smallest})
        rig.environment["MARKETPRISM_NATS_STREAM_MAX_BYTES"] = str(smallest)
        yield rig


def frames(ledger: Ledger, count: int) -> list[tuple[str, bytes]]:
    """Some 25 KB each: forty fill the stream."""
    encode = msgspec.json.Encoder().encode_lines
    return [(SUBJECT, encode([ledger.trade("BTCUSDT") for _ in range(FRAME_ROWS)])) for _ in range(count)]


def holes(rig: Rig) -> list[tuple[int, int]]:
    return rig.rows(
        "SELECT from_sequence, to_sequence FROM marketprism_hot.gaps WHERE cause = 'stream_hole' ORDER BY sequence"
    )


def stored(rig: Rig) -> dict[int, int]:
    """Stream sequence → rows."""
    return dict(rig.rows("SELECT stream_seq, count() FROM marketprism_hot.trades GROUP BY stream_seq"))


async def state(rig: Rig, data_type: str) -> tuple[int, int]:
    nc, js = await rig.connect()
    found = (await js.stream_info(stream_name(data_type))).state
    await nc.close()
    return found.first_seq, found.last_seq


async def until_told(rig: Rig, expected: list[tuple[int, int]]) -> None:
    deadline = time.monotonic() + 40
    while await asyncio.to_thread(holes, rig) != expected:
        assert time.monotonic() < deadline, (holes(rig), expected, rig.log("storage")[-2000:])
        await asyncio.sleep(0.2)


async def test_what_a_full_stream_gave_up_unread_is_told_and_nothing_else_is_missing(rig: Rig) -> None:
    await rig.streams()
    ledger = Ledger(seed=12)
    rig.start_storage()
    await rig.publish(frames(ledger, 10))
    await rig.until_stored()
    assert rig.stop("storage") == 0
    await rig.publish(frames(ledger, 100))
    first, last = await state(rig, "trades")
    assert 11 < first < last == 110, "messages 11 and some after it have to be gone"
    rig.start_storage()
    await rig.until_stored()
    assert holes(rig) == [(11, first - 1)]
    whole = [*range(1, 11), *range(first, 111)]
    assert stored(rig) == dict.fromkeys(whole, FRAME_ROWS), "each row that the stream had, once"
    page = await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{rig.metrics_port}/metrics")
    assert 'marketprism_storage_stream_holes_total{data_type="trades"} 1.0' in page.read().decode()
    # While ClickHouse is away a batch is held and others have been delivered: what else comes pushes the rest out.
    rig.kill("clickhouse")
    await rig.publish(frames(ledger, 150))
    rig.start_clickhouse()
    await rig.publish(frames(ledger, 5))
    await rig.until_stored(timeout=120)
    assert rig.stop("storage") == 0
    lost = [sequence for start, end in holes(rig) for sequence in range(start, end + 1)]
    kept = stored(rig)
    assert sorted([*lost, *kept]) == list(range(1, 266)), "stored or told, and never both"
    assert set(kept.values()) == {FRAME_ROWS}


async def test_a_hole_is_told_although_nothing_comes_after_it(rig: Rig) -> None:
    await rig.streams()
    await rig.publish(quotes("QUIETUSDT", 1, 10))
    rig.start_storage()
    await rig.until_stored("best_quotes")
    assert rig.stop("storage") == 0
    await rig.publish(quotes("QUIETUSDT", 11, 10))
    await purge(rig, "best_quotes")
    rig.start_storage()
    await until_told(rig, [(11, 20)])
    await rig.until_stored("best_quotes")  # the hole is on record: a start does not tell it again
    assert rig.stop("storage") == 0
    await rig.publish(quotes("QUIETUSDT", 21, 5))
    await purge(rig, "best_quotes")
    rig.start_storage()
    await until_told(rig, [(11, 20), (21, 25)])
    await rig.publish(quotes("QUIETUSDT", 26, 5))
    await rig.until_stored("best_quotes")
    assert rig.stop("storage") == 0
    assert holes(rig) == [(11, 20), (21, 25)]
    found = rig.rows("SELECT sequence FROM marketprism_hot.best_quotes ORDER BY sequence")
    assert [line[0] for line in found] == [*range(1, 11), *range(26, 31)]


async def test_a_replay_whose_messages_are_gone_does_not_wait_for_the_next_one(rig: Rig) -> None:
    await rig.streams()
    await rig.publish(quotes("QUIETUSDT", 1, 10))
    died = rig.start_storage(MARKETPRISM_FAULT="after_insert:best_quotes:1")
    assert died.wait(60) == -9
    await purge(rig, "best_quotes")
    rig.start_storage()
    await until_told(rig, [(1, 10)])
    await rig.until_stored("best_quotes")
    await rig.publish(quotes("QUIETUSDT", 8, 5))  # three of them are stored
    await rig.until_stored("best_quotes")
    assert rig.stop("storage") == 0
    found = rig.rows("SELECT sequence FROM marketprism_hot.best_quotes ORDER BY sequence")
    assert [line[0] for line in found] == list(range(1, 13))


async def purge(rig: Rig, data_type: str) -> None:
    nc, js = await rig.connect()
    await js.purge_stream(stream_name(data_type))
    await nc.close()
