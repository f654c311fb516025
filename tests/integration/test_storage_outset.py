"""A session begins where rows, cell and stream agree: also when one of them has gone back in time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from marketprism.events import Trade
from marketprism.kv import kv_stream
from marketprism.settings import ClickHouseSettings
from marketprism.subjects import POSITIONS_BUCKET, stream_name
from storage_service.clickhouse_io import Warehouse
from storage_service.days.queue import RebuildQueue
from storage_service.deadletters import drop_letters, list_letters
from storage_service.duplicates import WINDOW_ROWS
from storage_service.position import Cell, Holes, Positions
from tests.migrated import Template
from tests.unit.storage.ledger import Ledger
from tests.unit.storage.rig import Rig, assert_equals_ledger, running
from tests.unit.storage.samples import MS, quotes, row

pytestmark = [pytest.mark.slow]

SUBJECT = "md.trades.binance.spot.BTCUSDT"


@pytest.fixture
def rig(tmp_path: Path, migrated: Template) -> Iterator[Rig]:
    with running(tmp_path, migrated) as rig:
        yield rig


async def stored(rig: Rig, frames: list[tuple[str, bytes]], salt: str = "", data_type: str = "trades") -> None:
    """Publish to a storage service that runs until all of it is stored."""
    await rig.publish(frames, salt=salt)
    rig.start_storage()
    await rig.until_stored(data_type)
    assert rig.stop("storage") == 0


def frames_of(*groups: list[Trade]) -> list[tuple[str, bytes]]:
    return [(SUBJECT, msgspec.json.Encoder().encode_lines(group)) for group in groups]


async def create_again(rig: Rig) -> None:
    nc, js = await rig.connect()
    await js.delete_stream(stream_name("trades"))
    await nc.close()
    await rig.streams()


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
async def test_a_hole_of_a_stream_that_was_created_again(rig: Rig, closed: bool) -> None:
    """Open: what closes it is stored. Closed before: it is not stored twice."""
    await rig.streams()
    ledger = Ledger(seed=3)
    trades = [ledger.trade("BTCUSDT") for _ in range(10)]
    await stored(rig, frames_of(trades[:3]))
    await stored(rig, frames_of(trades[4:7]))
    if closed:
        await stored(rig, frames_of([trades[3]]))
    await create_again(rig)
    await stored(rig, frames_of([trades[3]], trades[7:]), salt="a second collector")
    await create_again(rig)
    await stored(rig, frames_of(trades[2:5]), salt="a third")
    assert sequences(rig) == list(range(1, 11))


@pytest.mark.parametrize("forget", ["delete", "purge"])
async def test_a_cell_that_was_deleted_stores_nothing_twice(rig: Rig, forget: str) -> None:
    """A hole was opened and closed in the batches that are read again: the record of before its closing is no truth."""
    await rig.streams()
    ledger = Ledger(seed=3)
    trades = [ledger.trade("BTCUSDT") for _ in range(9)]
    await stored(rig, frames_of(trades[:2]))
    await stored(rig, frames_of(trades[3:5], trades[6:7]))  # 3 and 6 are missing
    await stored(rig, frames_of([trades[2]]))
    nc, js = await rig.connect()
    bucket = await js.key_value(POSITIONS_BUCKET)
    await getattr(bucket, forget)("cell.trades.0")
    await nc.close()
    await stored(rig, frames_of(trades[7:]))
    assert sequences(rig) == [1, 2, 3, 4, 5, 7, 8, 9]
    await stored(rig, frames_of([trades[2]], [trades[5]]), salt="a second collector")
    assert sequences(rig) == list(range(1, 10)), "the hole that is open is still open, the closed one is not"


async def test_contents_of_before_the_window_are_not_stored_twice(rig: Rig) -> None:
    """A second of funding is a row: what is remembered of a symbol is minutes, and the whole stream is read again."""
    await rig.streams()
    rates = [row("funding_rates", timestamp=MS + 1000 * n, sequence=n) for n in range(3 * WINDOW_ROWS)]
    lines = [msgspec.json.encode(each) + b"\n" for each in rates]
    subject = "md.funding_rates.binance.linear.BTCUSDT"
    frames = [(subject, b"".join(lines[at : at + 64])) for at in range(0, len(lines), 64)]
    await stored(rig, frames[:-1], data_type="funding_rates")
    nc, js = await rig.connect()
    await (await js.key_value(POSITIONS_BUCKET)).delete("cell.funding_rates.0")
    await nc.close()
    await stored(rig, [*frames[:2], *frames[-1:]], salt="a second collector", data_type="funding_rates")
    assert sequences(rig, "funding_rates") == list(range(3 * WINDOW_ROWS))


async def test_holes_of_a_position_that_went_back_are_those_of_the_rows(rig: Rig) -> None:
    """Only the KV bucket is an older copy: it knows neither of the row that closed a hole nor of those opened since."""
    await rig.streams()
    ledger = Ledger(seed=3)
    trades = [ledger.trade("BTCUSDT") for _ in range(12)]
    await stored(rig, frames_of(trades[:2], trades[3:5]))  # 3 is missing
    [folder] = (rig.directory / "nats").rglob(kv_stream(POSITIONS_BUCKET))
    older = keep(rig, folder)
    await stored(rig, frames_of([trades[2]]))
    await stored(rig, frames_of(trades[6:8], trades[10:11]))  # 6, 9 and 10 are missing
    put_back(rig, older, folder)
    await stored(rig, frames_of([trades[11]]))
    assert "rows are stored that no cell tells of" in rig.log("storage")
    assert sequences(rig) == [1, 2, 3, 4, 5, 7, 8, 11, 12]
    await stored(rig, frames_of(trades[2:3], trades[5:6], trades[8:10]), salt="a second collector")
    assert sequences(rig) == list(range(1, 13))


def sequences(rig: Rig, table: str = "trades") -> list[int]:
    return [line[0] for line in rig.rows(f"SELECT sequence FROM marketprism_hot.{table} ORDER BY sequence")]


async def test_a_second_death_after_messages_of_an_interrupted_batch_expired(rig: Rig) -> None:
    await rig.streams()
    await rig.publish(quotes("GONEUSDT", 1, 20))
    assert rig.start_storage(MARKETPRISM_FAULT="after_insert:best_quotes:1").wait(60) == -9
    cell = await rig.cell("best_quotes")
    assert cell is not None
    assert (cell.state, cell.first, cell.last) == ("intent", 1, 20)
    nc, js = await rig.connect()
    await js.purge_stream(stream_name("best_quotes"), seq=6)
    await nc.close()
    await rig.publish(quotes("GONEUSDT", 21, 5))
    died = rig.start_storage(MARKETPRISM_FAULT="after_done:best_quotes:1", MARKETPRISM_STORAGE_BATCH_MAX_FRAMES="4")
    assert died.wait(60) == -9
    await stored(rig, [], data_type="best_quotes")
    assert sequences(rig, "best_quotes") == list(range(1, 26))


async def test_the_days_of_a_lost_batch_of_trades_wait_for_a_rebuild(rig: Rig) -> None:
    """Its stream is gone, so that nothing can complete what its views may lack."""
    await rig.streams()
    ledger = Ledger(seed=3, symbols=("BTCUSDT",))
    await rig.publish(ledger.frames(5))
    assert rig.start_storage(MARKETPRISM_FAULT="after_insert:trades:1").wait(60) == -9
    await create_again(rig)
    await stored(rig, ledger.frames(5))
    assert_equals_ledger(rig, ledger)
    nc, js = await rig.connect()
    waiting = await (await RebuildQueue.open(js)).waiting()
    await nc.close()
    day = datetime.fromtimestamp(ledger.start_ms / 1000, UTC).date()
    assert [(entry.day, entry.symbol) for entry in waiting] == [(day, ("binance", "spot", "BTCUSDT"))]


def gone_back(rig: Rig) -> list[tuple[str, int, int]]:
    return rig.rows("SELECT of_type, from_sequence, to_sequence FROM marketprism_hot.gaps WHERE cause = 'stream_hole'")


@pytest.mark.parametrize("later", [4, 30], ids=["shorter", "longer"])
async def test_an_older_copy_of_nats(rig: Rig, later: int) -> None:
    """Cell and stream are of before what ClickHouse has: new messages have numbers of rows that are stored."""
    await rig.streams()
    ledger = Ledger(seed=3)
    await stored(rig, ledger.frames(20))
    older = keep(rig, rig.directory / "nats")
    await stored(rig, ledger.frames(10))
    put_back(rig, older, rig.directory / "nats")
    await stored(rig, ledger.frames(later))
    assert_equals_ledger(rig, ledger)
    assert "rows are stored that no cell tells of" in rig.log("storage")
    await stored(rig, ledger.frames(3))
    assert_equals_ledger(rig, ledger)


async def lost_newest(rig: Rig) -> tuple[Ledger, Path, Path]:
    """Of 30 stored frames the stream has the first 20 again. The ledger, the older copy, and where it belongs."""
    await rig.streams()
    ledger = Ledger(seed=3)
    await stored(rig, ledger.frames(20))
    [folder] = (rig.directory / "nats").rglob(stream_name("trades"))
    older = keep(rig, folder)
    await stored(rig, ledger.frames(10))
    put_back(rig, older, folder)
    return ledger, older, folder


@pytest.mark.parametrize("later", [4, 30], ids=["shorter", "longer"])
async def test_a_stream_that_lost_its_newest_messages(rig: Rig, later: int) -> None:
    """Only the stream is older: its new messages have numbers that the cell has behind it. A gap says what may lack."""
    ledger, _, _ = await lost_newest(rig)
    await stored(rig, ledger.frames(later))
    assert_equals_ledger(rig, ledger)
    assert gone_back(rig) == [("trades", 21, 30)]
    await stored(rig, ledger.frames(3))
    assert_equals_ledger(rig, ledger)
    assert len(gone_back(rig)) == 1


async def test_a_stream_that_lost_the_same_messages_twice(rig: Rig) -> None:
    """Each loss is told, also where it has the numbers of one before: other trades bore them."""
    ledger, older, folder = await lost_newest(rig)
    await stored(rig, ledger.frames(9))
    await stored(rig, ledger.frames(1))
    put_back(rig, older, folder)
    await stored(rig, ledger.frames(4))
    assert_equals_ledger(rig, ledger)
    assert gone_back(rig) == [("trades", 21, 30)] * 2


@pytest.mark.parametrize("handled", [False, True], ids=["open", "dropped"])
async def test_a_row_is_refused_under_a_number_that_another_had(rig: Rig, handled: bool) -> None:
    """The stream went back and gave the number again: neither dead letter hides the other."""
    await rig.streams()
    ledger = Ledger(seed=3)
    await stored(rig, ledger.frames(5))
    [folder] = (rig.directory / "nats").rglob(stream_name("trades"))
    older = keep(rig, folder)
    await stored(rig, [(SUBJECT, b'{"first": 1}\n')])
    warehouse = Warehouse(ClickHouseSettings(url=rig.environment["MARKETPRISM_CLICKHOUSE_URL"], _env_file=None))
    [first] = await list_letters(warehouse)
    if handled:
        await drop_letters(warehouse, [first])
    put_back(rig, older, folder)
    await stored(rig, [(SUBJECT, b'{"second": 1}\n'), *ledger.frames(3)])
    letters = await list_letters(warehouse)
    await warehouse.close()
    assert [(letter.stream_seq, letter.payload) for letter in letters] == [
        (first.stream_seq, payload) for payload in (b'{"first": 1}', b'{"second": 1}')[handled:]
    ]


def keep(rig: Rig, folder: Path) -> Path:
    rig.stop("nats")
    older = rig.directory / "older"
    shutil.copytree(folder, older)
    rig.start_nats()
    return older


def put_back(rig: Rig, older: Path, folder: Path) -> None:
    rig.stop("nats")
    shutil.rmtree(folder)
    shutil.copytree(older, folder)
    rig.start_nats()


async def test_a_sleeper_writes_neither_cell_nor_holes(tmp_path: Path) -> None:
    from nats.js.errors import KeyWrongLastSequenceError

    rig = Rig(tmp_path)
    rig.start_nats()
    try:
        await rig.streams()
        nc, js = await rig.connect()
        bucket = await js.key_value(POSITIONS_BUCKET)
        sleeper, heir = Positions(bucket), Positions(bucket)
        of = {"stream": "s", "stream_created": 1, "partition": 0, "epoch": 1, "first": 1, "last": 10, "rows": 1}
        cell = msgspec.convert({**of, "dead": 0, "digest": "", "token": "t", "state": "done"}, Cell)
        holes = Holes(before=11, holes_before={}, holes_after={"a|b|C": [(1, 2)]})
        await sleeper.claim("trades", 0)
        await sleeper.write("trades", cell)
        await sleeper.write_holes("trades", 0, holes)
        assert await heir.claim("trades", 0) == (cell, holes)
        with pytest.raises(KeyWrongLastSequenceError):
            await sleeper.write("trades", cell)
        with pytest.raises(KeyWrongLastSequenceError):
            await sleeper.write_holes("trades", 0, holes)
        await heir.write_holes("trades", 0, holes)
        await nc.close()
    finally:
        rig.close()
