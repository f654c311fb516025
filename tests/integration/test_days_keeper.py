"""The storage service looks after days by itself: a late trade is rebuilt while readers see whole days only."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest

from marketprism.events import Trade
from marketprism.feature_jobs import PERIODIC
from marketprism.kv import kv_stream
from marketprism.settings import ClickHouseSettings, StorageSettings
from marketprism.subjects import POSITIONS_BUCKET
from storage_service.days.engine import Engine
from storage_service.days.keeper import Answer, DayKeeper, command_runner, end, start
from storage_service.days.queue import RebuildQueue, Waiting
from storage_service.days.rebuild import Rebuilder
from storage_service.position import Positions
from tests.integration.embedded_process import EmbeddedServer
from tests.migrated import Template
from tests.unit.storage.ledger import Ledger
from tests.unit.storage.rig import Rig

MIDNIGHT = datetime(2025, 3, 2, tzinfo=UTC)
BEFORE = date(2025, 3, 1)
BUCKETS = (
    "SELECT symbol, sum(trades), sum(vol), count() FROM marketprism_features.unified_buckets GROUP BY symbol "
    "ORDER BY symbol"
)


@pytest.fixture
async def nats_only(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    rig.start_nats()
    await rig.streams()
    yield rig
    rig.close()


@pytest.fixture
def rig(nats_only: Rig, migrated: Template) -> Rig:
    migrated.seed(nats_only.data)
    nats_only.start_clickhouse()
    return nats_only


def frames(trades: list[Trade], size: int = 50) -> list[tuple[str, bytes]]:
    found = []
    for symbol in sorted({trade.symbol for trade in trades}):
        rows = [trade for trade in trades if trade.symbol == symbol]
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        found += [(f"md.trades.binance.spot.{symbol}", msgspec.json.Encoder().encode_lines(part)) for part in parts]
    return found


@contextmanager
def polled(rig: Rig | EmbeddedServer, query: str) -> Iterator[list[list[tuple[object, ...]]]]:
    """What a reader sees meanwhile, each different answer once, in order."""
    seen: list[list[tuple[object, ...]]] = []
    stop = threading.Event()

    def poll() -> None:
        client = rig.client()
        last = False
        while not last:
            last = stop.wait(0.05)  # once more after the end: what it left is seen, too
            rows = list(client.query(query).result_rows)
            if not seen or seen[-1] != rows:
                seen.append(rows)
        client.close()

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        yield seen
    finally:
        stop.set()
        reader.join(30)


def rebuilder(rig: Rig) -> Rebuilder:
    settings = ClickHouseSettings(url=f"http://127.0.0.1:{rig.clickhouse_port}", _env_file=None)
    return Rebuilder(Engine.open(settings), settings, StorageSettings(_env_file=None))


async def differences(tool: Rebuilder, day: date) -> tuple[str, ...]:
    return (await asyncio.to_thread(tool.verify, day)).differences


async def until_no_difference(tool: Rebuilder, day: date) -> None:
    """The keeper may be moving the day to cold at this moment; it does not verify then, and we look again."""
    deadline = time.monotonic() + 60
    while found := await differences(tool, day):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.2)


def metrics_page(rig: Rig) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{rig.metrics_port}/metrics") as answer:
        return str(answer.read().decode())


async def until_rebuilt(rig: Rig) -> None:
    nc, js = await rig.connect()
    queue = await RebuildQueue.open(js)
    deadline = time.monotonic() + 300
    while await queue.waiting():
        assert time.monotonic() < deadline, rig.log("storage")[-3000:]
        await asyncio.sleep(0.1)
    await nc.close()


@pytest.mark.timeout(600)
async def test_a_late_trade_is_rebuilt_by_itself_and_no_reader_sees_half_a_day(rig: Rig) -> None:
    ledger = Ledger(seed=4, start_ms=int(MIDNIGHT.timestamp() * 1000) - 200_000, step_ms=400)
    trades = [ledger.trade(symbol) for _ in range(700) for symbol in ledger.symbols]
    missing = next(t for t in trades if t.symbol == "ETHUSDT" and t.sequence == 100 and t.is_market)
    assert missing.timestamp < MIDNIGHT.timestamp() * 1000 < trades[-1].timestamp
    rig.start_storage(MARKETPRISM_STORAGE_DAYS_EVERY_S="0.3", MARKETPRISM_STORAGE_DAYS_QUIET_S="2")
    await rig.publish(frames([row for row in trades if row is not missing]))
    await rig.until_stored()
    tool = rebuilder(rig)
    await until_no_difference(tool, BEFORE)
    before = rig.rows(BUCKETS)
    with polled(rig, BUCKETS) as seen:
        await rig.publish(frames([missing]))
        await rig.until_stored()
        assert await differences(tool, BEFORE) != ()
        await until_rebuilt(rig)
        after = rig.rows(BUCKETS)
        deadline = time.monotonic() + 30
        while seen[-1] != after and time.monotonic() < deadline:  # the reader's next look
            await asyncio.sleep(0.05)
    assert seen == [before, after]
    assert {row[0]: (row[1], row[2]) for row in after} == {
        symbol: (count, volume) for symbol, (count, volume, _) in ledger.volumes().items()
    }
    assert rig.rows("SELECT countIf(bucket_id != 0) FROM marketprism_hot.trades WHERE late") == [(1,)]
    assert await differences(tool, BEFORE) == ()
    page = await asyncio.to_thread(metrics_page, rig)
    assert 'marketprism_storage_day_jobs_total{job="rebuild",result="done"} 1.0' in page
    assert "marketprism_storage_rebuild_queue_days 0.0" in page
    assert rig.stop("storage") == 0


async def test_a_queued_day_of_which_no_trade_is_left_is_done(rig: Rig) -> None:
    """Its partition was dropped, or its symbol deleted everywhere: there is nothing that trying again could find."""
    ledger = Ledger(seed=4, start_ms=int(MIDNIGHT.timestamp() * 1000) - 200_000)
    rig.start_storage()
    await rig.publish(frames([ledger.trade(name) for name in ("BTCUSDT", "ETHUSDT")]))
    await rig.until_stored()
    assert rig.stop("storage") == 0
    client = rig.client()
    client.command("ALTER TABLE marketprism_hot.trades DELETE WHERE symbol = 'BTCUSDT' SETTINGS mutations_sync = 1")
    client.close()
    nc, js = await rig.connect()
    positions = Positions(await js.key_value(POSITIONS_BUCKET))
    for symbol, day in (("BTCUSDT", 20_148), ("ETHUSDT", 20_000)):
        await positions.queue_rebuild("binance", "spot", symbol, day)
    await nc.close()
    rig.start_storage(MARKETPRISM_STORAGE_DAYS_EVERY_S="0.3", MARKETPRISM_STORAGE_DAYS_QUIET_S="1")
    await until_rebuilt(rig)
    await rig.until_says("storage", "nothing is left to rebuild")
    page = await asyncio.to_thread(metrics_page, rig)
    assert 'marketprism_storage_day_jobs_total{job="rebuild",result="failed"} 0.0' in page
    assert rig.stop("storage") == 0
    assert rig.log("storage").count("nothing is left to rebuild") == 2, "each is told once"
    command = [sys.executable, "-m", "marketprism", "buckets", "rebuild", "--day", "2024-10-04", "--symbol", "ETHUSDT"]
    named = await asyncio.to_thread(subprocess.run, command, env=rig.environment, capture_output=True)
    assert named.returncode == 12, "who names a symbol and a day is told that there is none"


async def test_a_key_put_again_during_the_rebuild_stays(nats_only: Rig) -> None:
    nc, js = await nats_only.connect()
    positions, queue = Positions(await js.key_value(POSITIONS_BUCKET)), await RebuildQueue.open(js)
    symbol = ("okx", "linear", "BTC-USDT.x_ü")
    await positions.queue_rebuild(*symbol, 20_148)
    [entry] = await queue.waiting()
    assert (entry.symbol, entry.day) == (symbol, BEFORE)
    await positions.queue_rebuild(*symbol, 20_148)
    assert not await queue.done(entry)
    [entry] = await queue.waiting()
    assert await queue.done(entry)
    for _ in range(3):
        assert await queue.waiting() == []
    info = await js.stream_info(kv_stream(POSITIONS_BUCKET))
    assert (info.state.messages, info.state.consumer_count) == (0, 0), "nothing is left of what is done"
    await positions.queue_rebuild(*symbol, 20_148)
    assert [each.symbol for each in await queue.waiting()] == [symbol]
    await nc.close()


async def test_a_key_says_whose_rows_ask_and_old_keys_are_read_as_trades(nats_only: Rig) -> None:
    nc, js = await nats_only.connect()
    bucket = await js.key_value(POSITIONS_BUCKET)
    positions, queue = Positions(bucket), await RebuildQueue.open(js)
    await bucket.put("rebuild.20148.okx.linear.OLD=2EUSDT", b"{}")
    await positions.queue_rebuild("okx", "linear", "NEW.USDT", 20_148)
    await positions.queue_rebuild("okx", "linear", "NEW.USDT", 20_148, "orderbooks")
    found = await queue.waiting()
    assert [(each.data_type, each.symbol[2]) for each in found] == [
        ("orderbooks", "NEW.USDT"), ("trades", "NEW.USDT"), ("trades", "OLD.USDT"),
    ]  # fmt: skip
    assert [await queue.done(each) for each in found] == [True] * 3
    assert await queue.waiting() == []
    await nc.close()


class Jobs:
    """Answers of commands, and what was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.code = 0

    async def __call__(self, arguments: list[str]) -> Answer:
        self.asked.append(list(arguments))
        lines = [{"day": "2025-03-01", "differences": ["one"]}] if "verify" in arguments else []
        return Answer(self.code, lines)


class NothingQueued:
    async def waiting(self) -> list[object]:
        return []


class Queued:
    """Two symbols of a day, and which of them were done."""

    def __init__(self) -> None:
        self.left = [Waiting(name, 1, BEFORE, ("binance", "spot", name)) for name in ("HERE", "THERE")]

    async def waiting(self) -> list[Waiting]:
        return list(self.left)

    async def done(self, entry: Waiting) -> bool:
        self.left.remove(entry)
        return True


class Quiet:
    """Nothing has been stored for a day."""

    async def rows(self, _: str) -> list[tuple[int, int]]:
        return [(0, 0)]


async def test_a_shard_rebuilds_its_own_symbols_and_leaves_the_others_to_theirs() -> None:
    queue, jobs = Queued(), Jobs()
    keeper = DayKeeper(
        queue, Quiet(), StorageSettings(_env_file=None), jobs,
        clock=lambda: datetime(2025, 3, 2, 1, 30, tzinfo=UTC), owns=lambda symbol: symbol[2] == "HERE",
    )  # fmt: skip
    await keeper.look()
    rebuild = ["buckets", "rebuild", "--day", "2025-03-01", "--missing-ok", "--json", "--symbol", "HERE"]
    assert jobs.asked == [rebuild]
    assert [entry.symbol[2] for entry in queue.left] == ["THERE"]


async def test_books_of_a_day_are_rebuilt_beside_its_trades() -> None:
    """A table that fails is left alone for ten minutes, the other one is done."""
    queue, asked = Queued(), []
    queue.left = [Waiting(kind, 1, BEFORE, ("binance", "spot", "ANY"), kind) for kind in ("orderbooks", "trades")]

    async def fail_books(arguments: list[str]) -> Answer:
        asked.append(arguments[5:])
        return Answer(12 if "orderbooks" in arguments else 0, [])

    keeper = DayKeeper(
        queue, Quiet(), StorageSettings(_env_file=None), fail_books,
        clock=lambda: datetime(2025, 3, 2, 1, 30, tzinfo=UTC),
    )  # fmt: skip
    await keeper.look()
    await keeper.look()
    assert asked == [["--json", "--table", "orderbooks", "--symbol", "ANY"], ["--json", "--symbol", "ANY"]]
    assert [entry.data_type for entry in queue.left] == ["orderbooks"]


async def test_yesterday_is_verified_and_archived_once_after_its_quiet_hour() -> None:
    from storage_service import metrics

    now = datetime(2025, 3, 2, 1, 59, tzinfo=UTC)
    jobs = Jobs()
    settings = StorageSettings(_env_file=None, archive_drop=True)
    keeper = DayKeeper(NothingQueued(), None, settings, jobs, clock=lambda: now)
    await keeper.look()
    assert jobs.asked == []
    now = datetime(2025, 3, 2, 2, 0, tzinfo=UTC)
    jobs.code = 9
    await keeper.look()
    await keeper.look()  # what failed is left alone for ten minutes
    verify, archive = ["buckets", "verify", "--day", "2025-03-01", "--json"], ["archive", "--json", "--quiet", "3600"]
    assert jobs.asked == [verify, [*archive, "--drop"]]
    now = datetime(2025, 3, 2, 2, 10, tzinfo=UTC)
    jobs.code = 1  # verify says so when something differs: that is an answer, for archive it is a failure
    await keeper.look()
    assert metrics.VERIFY_MISMATCHES._value.get() == 1
    now = datetime(2025, 3, 2, 2, 20, tzinfo=UTC)
    jobs.code = 0
    await keeper.look()
    await keeper.look()
    assert jobs.asked[2:] == [verify, [*archive, "--drop"], [*archive, "--drop"]]


async def test_who_no_longer_looks_after_days_alarms_no_more() -> None:
    """The first partition went to another process: its keeper tells how many days wait and what differs."""
    from storage_service import metrics

    jobs, looked = Jobs(), asyncio.Event()
    jobs.code = 1  # the rebuild fails, verify finds a difference

    async def run(arguments: list[str]) -> Answer:
        if "archive" in arguments:
            looked.set()
        return await jobs(arguments)

    settings = StorageSettings(_env_file=None, days_every_s=0.01)
    keeper = DayKeeper(Queued(), Quiet(), settings, run, clock=lambda: datetime(2025, 3, 2, 2, 30, tzinfo=UTC))
    task = start(keeper)
    await asyncio.wait_for(looked.wait(), 20)
    assert (metrics.REBUILD_QUEUE._value.get(), metrics.VERIFY_MISMATCHES._value.get()) == (2, 1)
    await end(task)
    assert (metrics.REBUILD_QUEUE._value.get(), metrics.VERIFY_MISMATCHES._value.get()) == (0, 0)


async def test_feature_jobs_run_when_they_are_due() -> None:
    now = datetime(2025, 3, 2, 5, 0, tzinfo=UTC)
    jobs = Jobs()
    keeper = DayKeeper(NothingQueued(), None, StorageSettings(_env_file=None), jobs, clock=lambda: now)

    async def at(moment: datetime) -> list[str]:
        nonlocal now
        now = moment
        jobs.asked.clear()
        await keeper.run_features()
        assert all(asked == ["features", "job", asked[2], "--json"] for asked in jobs.asked)
        return [asked[2] for asked in jobs.asked]

    clusters = ["footprint_candidates", "footprint_clusters", "trade_clusters"]
    assert await at(now) == ["feature_registry", *clusters]
    assert await at(datetime(2025, 3, 2, 5, 4, 59, tzinfo=UTC)) == []
    assert await at(datetime(2025, 3, 2, 5, 5, tzinfo=UTC)) == clusters
    assert await at(datetime(2025, 3, 2, 4, 0, tzinfo=UTC)) == ["feature_registry", *clusters], "the clock was put back"
    jobs.code = 13
    assert await at(datetime(2025, 3, 3, 4, 0, tzinfo=UTC)) == ["feature_registry", *clusters]
    assert await at(datetime(2025, 3, 3, 4, 1, tzinfo=UTC)) == ["feature_registry"], "it does not wait for a day"
    off = StorageSettings(_env_file=None, feature_jobs_every_s=0)
    keeper = DayKeeper(NothingQueued(), None, off, jobs, clock=lambda: now)
    assert await at(now) == []


async def test_the_storage_service_runs_the_feature_jobs(rig: Rig) -> None:
    """Clusters and registry of a system that nobody looks after."""
    rig.start_storage(MARKETPRISM_STORAGE_DAYS_EVERY_S="0.3")
    await rig.until_says("storage", "features job trade_clusters --json", timeout=90)
    assert rig.stop("storage") == 0
    runs = rig.rows("SELECT job, state FROM marketprism_features.job_runs ORDER BY job")
    assert runs == [(name, "done") for name in ("feature_registry", *PERIODIC)]
    assert rig.rows("SELECT count() > 100 FROM marketprism_features.feature_registry") == [(1,)]


async def test_a_crashed_verify_is_a_failure_although_its_exit_code_is_that_of_differences() -> None:
    from storage_service import metrics

    now = datetime(2025, 3, 2, 2, 0, tzinfo=UTC)
    asked: list[str] = []

    async def crash(arguments: list[str]) -> Answer:
        asked.append(arguments[1])
        return Answer(1 if "verify" in arguments else 0, [])

    def counted(result: str) -> float:
        return float(metrics.DAY_JOBS.labels("verify", result)._value.get())

    before = counted("failed"), counted("done")
    keeper = DayKeeper(NothingQueued(), None, StorageSettings(_env_file=None), crash, clock=lambda: now)
    for minute in range(11):
        now = datetime(2025, 3, 2, 2, minute, tzinfo=UTC)
        await keeper.look()
    assert asked.count("verify") == 2, "once, and once more after ten minutes"
    assert (counted("failed"), counted("done")) == (before[0] + 2, before[1])


async def test_a_day_that_cannot_be_rebuilt_does_not_hold_up_the_days_after_it() -> None:
    queue = Queued()
    days = [date(2025, 2, 1), date(2025, 2, 2), date(2025, 2, 3)]
    queue.left = [Waiting(str(day), 1, day, ("binance", "spot", "ANY")) for day in days]
    asked: list[str] = []

    async def fail_the_first(arguments: list[str]) -> Answer:
        if "rebuild" in arguments:
            asked.append(arguments[3])
            return Answer(12 if arguments[3] == "2025-02-01" else 0, [])
        return Answer(0, [{"differences": [], "state": "unchanged"}])

    now = datetime(2025, 3, 2, 2, 0, tzinfo=UTC)
    keeper = DayKeeper(queue, Quiet(), StorageSettings(_env_file=None), fail_the_first, clock=lambda: now)
    await keeper.look()
    await keeper.look()
    assert asked == [str(day) for day in days]
    assert [entry.day for entry in queue.left] == days[:1]
    now = datetime(2025, 3, 2, 2, 10, tzinfo=UTC)
    await keeper.look()
    assert asked[3:] == ["2025-02-01"]


async def test_a_failure_of_a_clock_that_was_ahead_is_tried_again_when_it_is_put_back() -> None:
    queue, asked = Queued(), []
    queue.left = [Waiting("1", 1, date(2025, 2, 1), ("binance", "spot", "ANY"))]

    async def fail(arguments: list[str]) -> Answer:
        asked.append(arguments[0])
        return Answer(12, [])

    now = datetime(2025, 4, 2, 1, 0, tzinfo=UTC)
    keeper = DayKeeper(queue, Quiet(), StorageSettings(_env_file=None), fail, clock=lambda: now)
    await keeper.look()
    now = datetime(2025, 3, 2, 1, 0, tzinfo=UTC)
    await keeper.look()
    assert asked == ["buckets", "buckets"]


async def test_table_days_that_were_archived_count_although_others_failed() -> None:
    from storage_service import metrics

    counter = metrics.TABLE_DAYS.labels("trades", "archived")._value
    before = counter.get()

    async def fail_in_the_end(arguments: list[str]) -> Answer:
        return Answer(12, [{"data_type": "trades", "day": "2025-03-01", "state": "archived"}])

    now = datetime(2025, 3, 2, 2, 0, tzinfo=UTC)
    keeper = DayKeeper(NothingQueued(), None, StorageSettings(_env_file=None), fail_in_the_end, clock=lambda: now)
    await keeper.look()
    assert counter.get() == before + 1


async def test_half_a_line_of_a_killed_command_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = tmp_path / "python"
    killed.write_text("""#!/bin/sh\necho '{"day": "2025-03-01"}'\nprintf '{"data_ty'\nexit 12\n""")
    killed.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killed))
    answer = await command_runner(ClickHouseSettings(_env_file=None))(["archive"])
    assert answer == Answer(12, [{"day": "2025-03-01"}])


@pytest.mark.parametrize(("days", "expected"), [(0, []), (7, [["calibrate", "--days", "7", "--json"]])])
async def test_calibration_runs_once_before_midnight_when_it_is_wanted(days: int, expected: list[list[str]]) -> None:
    now = datetime(2025, 3, 2, 22, 59, tzinfo=UTC)
    jobs = Jobs()
    settings = StorageSettings(_env_file=None, calibrate_days=days)
    keeper = DayKeeper(NothingQueued(), None, settings, jobs, clock=lambda: now)
    await keeper.look()
    jobs.asked.clear()  # what was due after midnight
    now = datetime(2025, 3, 2, 23, 0, tzinfo=UTC)
    await keeper.look()
    await keeper.look()
    assert jobs.asked == expected
