"""The storage service as a process: dead letters, late rows, holes, a re-created stream, a throwing view, stopping."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from marketprism.settings import ClickHouseSettings, StorageSettings
from marketprism.subjects import stream_name
from storage_service import duplicates, known
from storage_service.buckets import book
from storage_service.clickhouse_io import Warehouse
from storage_service.days.engine import Engine
from storage_service.days.queue import RebuildQueue
from storage_service.days.rebuild import Rebuilder
from storage_service.days.tiers import Archivist
from storage_service.deadletters import list_letters
from storage_service.service import StorageService
from tests.faults.chain import VIEWS
from tests.migrated import Template
from tests.unit.storage.ledger import Ledger, headers
from tests.unit.storage.rig import REPOSITORY, Rig, assert_equals_ledger, running
from tests.unit.storage.samples import MS, quotes, row

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("storage-service")]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("storage-service"), migrated) as rig:
        yield rig


@pytest.fixture
def server(rig: Rig) -> ClickHouseSettings:
    return ClickHouseSettings(url=f"http://127.0.0.1:{rig.clickhouse_port}", _env_file=None)


@pytest.fixture
async def warehouse(server: ClickHouseSettings) -> AsyncIterator[Warehouse]:
    warehouse = Warehouse(server)
    yield warehouse
    await warehouse.close()


@pytest.fixture
async def storage(rig: Rig) -> AsyncIterator[Rig]:
    await rig.streams()
    rig.start_storage()
    yield rig
    if "storage" in rig.processes:
        assert rig.stop("storage") == 0


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger(seed=3)


async def rebuild_queue(rig: Rig) -> list[str]:
    nc, js = await rig.connect()
    try:
        return [entry.key for entry in await (await RebuildQueue.open(js)).waiting()]
    finally:
        await nc.close()


async def test_two_collectors_and_a_restart(storage: Rig, ledger: Ledger) -> None:
    frames = ledger.frames(80)
    await storage.publish(frames)
    await storage.publish(frames, salt="a second collector")
    await storage.until_stored()
    assert storage.stop("storage") == 0
    await storage.publish(frames[::-1], salt="a third, from the end")
    storage.start_storage()
    await storage.publish(ledger.frames(20))
    await storage.until_stored()
    assert_equals_ledger(storage, ledger)


async def test_a_symbol_that_was_forgotten_goes_on_where_it_was(
    rig: Rig, server: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every batch forgets all that is known: watermarks, open buckets and plans come back from what is stored."""
    monkeypatch.setattr(known, "_DAY_S", 0.0)
    for module in (duplicates, book):
        monkeypatch.setattr(module, "SILENT_DAYS", -1)
    await rig.streams()
    market = Ledger(seed=9, symbols=("FADEDUSDT", "BACKUSDT"), step_ms=3_000)  # some twenty buckets
    frames = market.frames(40)
    settings = StorageSettings(batch_max_frames=3, _env_file=None)
    service = StorageService(server, rig.nats_settings, settings, ("trades",))
    running = asyncio.create_task(service.run())
    await rig.publish([*frames, *market.frames(10)])
    await rig.publish(frames, salt="a second collector")
    await rig.until_stored()
    service.stop.set()
    await running
    stored = Counter({line: n for line, n in stored_rows(rig).items() if line[0] in market.symbols})
    assert stored == market.expected_rows()
    day = datetime.fromtimestamp(market.start_ms / 1000, UTC).date()
    rebuilder = Rebuilder(Engine.open(server), server, StorageSettings(_env_file=None))
    compared = await asyncio.to_thread(rebuilder.verify, day, market.symbols)
    assert (compared.symbols, compared.differences) == (2, ())
    for table in ("hot.trades", *(f"features.{view}" for view in VIEWS)):
        rig.client().command(f"DELETE FROM marketprism_{table} WHERE symbol IN ('FADEDUSDT', 'BACKUSDT')")


async def test_a_late_row_is_stored_marked_and_queues_its_day(storage: Rig, ledger: Ledger) -> None:
    subject = "md.trades.binance.spot.BTCUSDT"
    encoder = msgspec.json.Encoder()
    known, missing, *rest = [ledger.trade("BTCUSDT") for _ in range(6)]
    await storage.publish([(subject, encoder.encode_lines([known])), (subject, encoder.encode_lines(rest))])
    await storage.until_stored()
    assert storage.stop("storage") == 0  # the open hole must survive a restart
    storage.start_storage()
    await storage.publish([(subject, encoder.encode_lines([missing]))])
    await storage.until_stored()
    late = storage.rows("SELECT sequence, bucket_id FROM marketprism_hot.trades WHERE late")
    assert late == [(missing.sequence, 0)]
    assert any(key.endswith(".binance.spot.BTCUSDT") for key in await rebuild_queue(storage))
    await storage.publish([(subject, encoder.encode_lines([missing]))], salt="again")
    await storage.until_stored()
    assert storage.rows("SELECT count() FROM marketprism_hot.trades WHERE late") == [(1,)]
    assert ledger.expected_rows() == stored_rows(storage)
    ledger.rows.remove(missing)  # it bears no bucket until its day is rebuilt
    assert_buckets(storage, ledger)
    storage.client().command(f"DELETE FROM marketprism_hot.trades WHERE late AND sequence = {missing.sequence}")


def stored_rows(rig: Rig) -> Counter[tuple[Any, ...]]:
    return Counter(rig.rows("SELECT symbol, sequence, price, quantity, side FROM marketprism_hot.trades"))


def assert_buckets(rig: Rig, ledger: Ledger) -> None:
    flow = {r[0]: r[1] for r in rig.rows("SELECT symbol, sum(trades) FROM marketprism_features.bucket_flow GROUP BY 1")}
    assert flow == {symbol: values[0] for symbol, values in ledger.volumes().items()}


async def test_dead_letters_are_listed_retried_and_dropped(storage: Rig, warehouse: Warehouse) -> None:
    nc, js = await storage.connect()
    good, bad = row("open_interests", timestamp=MS + 1), row("open_interests", timestamp=MS + 2, open_interest="x")
    newer = row("open_interests", timestamp=MS + 3)
    subject = "md.open_interests.binance.linear.BTCUSDT"
    await js.publish(subject, b"\n".join(msgspec.json.encode(r) for r in (good, bad)), headers={"Mp-Contract": "1"})
    await js.publish(subject, msgspec.json.encode(newer), headers={"Mp-Contract": "2"})
    await storage.until_stored("open_interests")
    assert storage.rows("SELECT count() FROM marketprism_hot.open_interests") == [(1,)]
    letters = await list_letters(warehouse, data_type="open_interests")
    assert [(letter.stream_seq, letter.row_number, letter.attempts) for letter in letters] == [(1, 2, 1), (2, 0, 1)]
    assert "decimal" in letters[0].error
    assert "upgrade" in letters[1].error
    assert msgspec.json.decode(letters[0].payload) == bad
    shown = [msgspec.json.decode(line) for line in command(storage, "list", "--json").splitlines()]
    assert [(letter["id"], letter["error"]) for letter in shown] == [(letter.id, letter.error) for letter in letters]
    assert command(storage, "retry", letters[1].id) == "1 published again\n"  # as after an upgrade
    assert command(storage, "drop", "--all") == "1 dropped\n"
    await storage.until_stored("open_interests")
    assert storage.rows("SELECT count() FROM marketprism_hot.open_interests") == [(2,)]
    assert await list_letters(warehouse, data_type="open_interests") == []
    assert len(await list_letters(warehouse, data_type="open_interests", status="dropped")) == 1
    await nc.close()


async def test_the_first_trades_of_a_symbol_are_retried(rig: Rig, warehouse: Warehouse) -> None:
    """They were refused before anything of it was stored: no watermark and no hole knows of them."""
    await rig.streams()
    market = Ledger(seed=5, symbols=("FIRSTUSDT",))
    [first], rest = market.frames(1), market.frames(5)
    nc, js = await rig.connect()
    await js.publish(*first, headers={**headers(*first), "Mp-Contract": "99"})
    await nc.close()
    rig.start_storage()
    await rig.publish(rest)
    await rig.until_stored()
    for published in ("1 published again\n", "0 published again\n"):
        assert command(rig, "retry", "--all") == published
        await rig.until_stored()
    assert rig.stop("storage") == 0
    stored = Counter({line: n for line, n in stored_rows(rig).items() if line[0] == "FIRSTUSDT"})
    assert stored == market.expected_rows()
    for table in ("hot.trades", *(f"features.{view}" for view in VIEWS)):
        rig.client().command(f"DELETE FROM marketprism_{table} WHERE symbol = 'FIRSTUSDT'")


async def test_a_book_below_what_is_stored_is_not_retried(storage: Rig, warehouse: Warehouse) -> None:
    """It would count as a duplicate: it stays on the list, and is told."""
    nc, js = await storage.connect()
    subject = "md.best_quotes.binance.linear.BTCUSDT"
    rows = [row("best_quotes", sequence=5, bid_price="x"), row("best_quotes", sequence=6)]
    await js.publish(subject, b"\n".join(msgspec.json.encode(each) for each in rows), headers={"Mp-Contract": "1"})
    await storage.until_stored("best_quotes")
    [letter] = await list_letters(warehouse, data_type="best_quotes")
    assert command(storage, "retry", "--all") == "0 published again\n"
    assert await list_letters(warehouse, data_type="best_quotes") == [letter]
    assert command(storage, "drop", "--all") == "1 dropped\n"
    await nc.close()


def command(rig: Rig, *arguments: str) -> str:
    """stdout of ``marketprism dead-letters`` against the rig."""
    done = subprocess.run(
        [sys.executable, "-m", "marketprism", "dead-letters", *arguments],
        env=rig.environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_every_data_type_once_however_often_it_is_sent(storage: Rig) -> None:
    from marketprism.events import ROW_TYPES

    kinds = [name for name in ROW_TYPES if name not in ("trades", "open_interests")]
    frames = [(f"md.{name}.binance.linear.BTCUSDT", msgspec.json.encode(row(name)) + b"\n") for name in kinds]
    await storage.publish(frames)
    await asyncio.gather(*(storage.until_stored(name) for name in kinds))
    assert storage.stop("storage") == 0
    storage.start_storage()
    await storage.publish(frames, salt="again")
    await asyncio.gather(*(storage.until_stored(name) for name in kinds))
    for name in kinds:
        assert storage.rows(f"SELECT count() FROM marketprism_hot.{name} WHERE symbol = 'BTCUSDT'") == [(1,)], name


async def test_expired_messages_are_a_loud_gap(rig: Rig) -> None:
    await rig.streams()
    nc, js = await rig.connect()
    rates = [row("funding_rates", timestamp=MS + 60_000 + i) for i in range(10)]
    for rate in rates:
        await js.publish("md.funding_rates.binance.linear.ETHUSDT", msgspec.json.encode({**rate, "symbol": "ETHUSDT"}))
    last = (await js.stream_info(stream_name("funding_rates"))).state.last_seq
    await js.purge_stream(stream_name("funding_rates"), seq=last - 3)
    rig.start_storage()
    await rig.until_stored("funding_rates")
    assert rig.stop("storage") == 0
    await nc.close()
    gap = rig.rows(
        "SELECT of_type, from_sequence, to_sequence, cause FROM marketprism_hot.gaps WHERE cause = 'stream_hole'"
    )
    assert gap == [("funding_rates", last - 9, last - 4, "stream_hole")]
    assert rig.rows("SELECT count() FROM marketprism_hot.funding_rates WHERE symbol = 'ETHUSDT'") == [(4,)]
    assert "expired before they were stored" in rig.log("storage")


async def test_a_recreated_stream_starts_again_and_loses_nothing(rig: Rig) -> None:
    """Its sequences begin at 1 under the token of another creation; stored rows are known by their own ids."""
    await rig.streams()
    rig.start_storage()
    await rig.publish(quotes("SOLUSDT", 1, 20))
    await rig.until_stored("best_quotes")
    assert rig.stop("storage") == 0
    nc, js = await rig.connect()
    await js.delete_stream(stream_name("best_quotes"))
    await nc.close()
    await rig.streams()
    await rig.publish(quotes("SOLUSDT", 15, 10))  # six of them again
    rig.start_storage()
    await rig.until_stored("best_quotes")
    assert rig.stop("storage") == 0
    rows = rig.rows("SELECT sequence FROM marketprism_hot.best_quotes WHERE symbol = 'SOLUSDT' ORDER BY sequence")
    assert [r[0] for r in rows] == list(range(1, 25))


async def test_messages_of_an_interrupted_batch_expired(rig: Rig) -> None:
    """What it has stored stays, the hole is told; the rest is read on. No view hangs on these: none can lack it."""
    await rig.streams()
    await rig.publish(quotes("GONEUSDT", 1, 20))
    process = rig.start_storage(MARKETPRISM_FAULT="after_insert:best_quotes:1")
    assert process.wait(60) == -9
    cell = await rig.cell("best_quotes")
    assert cell is not None
    assert cell.state == "intent"
    nc, js = await rig.connect()
    await js.purge_stream(stream_name("best_quotes"), seq=cell.last - 1)
    await nc.close()
    await rig.publish(quotes("GONEUSDT", 21, 10))
    rig.start_storage()
    await rig.until_stored("best_quotes")
    assert rig.stop("storage") == 0
    stored = rig.rows("SELECT sequence FROM marketprism_hot.best_quotes WHERE symbol = 'GONEUSDT' ORDER BY sequence")
    assert [r[0] for r in stored] == list(range(1, 31))
    assert "interrupted between its table and its views" not in rig.log("storage")
    assert not any(key.endswith(".binance.linear.GONEUSDT") for key in await rebuild_queue(rig)), "nothing to rebuild"
    gaps = rig.rows("SELECT from_sequence, to_sequence FROM marketprism_hot.gaps WHERE of_type = 'best_quotes'")
    assert gaps == [(cell.first, cell.last - 2)]


async def test_clickhouse_away_nothing_acked_memory_bounded(rig: Rig, ledger: Ledger) -> None:
    await rig.streams()
    rig.start_storage()
    await rig.publish(ledger.frames(5))
    await rig.until_stored()
    rig.kill("clickhouse")
    await rig.publish(ledger.frames(300))
    before = await rig.cell()
    await asyncio.sleep(1.5)  # time that must pass with ClickHouse away
    after = await rig.cell()
    assert before is not None
    assert after is not None
    assert (after.first == before.last + 1 and after.state == "intent") or after == before
    rig.start_clickhouse()
    await rig.until_stored()
    assert rig.stop("storage") == 0
    assert_equals_ledger(rig, ledger)


async def test_stopping_takes_less_than_ten_seconds_while_clickhouse_is_away(rig: Rig, ledger: Ledger) -> None:
    await rig.streams()
    rig.start_storage()
    await rig.publish(ledger.frames(5))
    await rig.until_stored()
    rig.kill("clickhouse")
    await rig.publish(ledger.frames(30))
    started = time.monotonic()
    assert rig.stop("storage") == 0
    assert time.monotonic() - started < 10
    rig.start_clickhouse()
    rig.start_storage()
    await rig.until_stored()
    assert rig.stop("storage") == 0


async def test_a_clickhouse_that_hangs_does_not_hold_up_the_stop(rig: Rig, ledger: Ledger) -> None:
    """It takes connections and says nothing: an insert waited 300 s for it, long after systemd had lost patience."""
    await rig.streams()
    rig.start_storage()
    await rig.publish(ledger.frames(5))
    await rig.until_stored()
    rig.processes["clickhouse"].send_signal(signal.SIGSTOP)
    try:
        await rig.publish(ledger.frames(5))
        async with asyncio.timeout(30):
            while (cell := await rig.cell()) is None or cell.state != "intent":
                await asyncio.sleep(0.02)
        started = time.monotonic()
        assert rig.stop("storage") == 0
        assert time.monotonic() - started < 10
    finally:
        rig.processes["clickhouse"].send_signal(signal.SIGCONT)
    rig.start_storage()
    await rig.until_stored()
    assert rig.stop("storage") == 0
    assert stored_rows(rig) == ledger.expected_rows()


async def test_a_day_that_was_dropped_from_hot_is_known_after_a_restart(rig: Rig) -> None:
    old = Ledger(seed=7, symbols=("OLDUSDT",), start_ms=1_709_500_000_000)
    frames = old.frames(20)
    missing = old.trade("OLDUSDT")
    frames += old.frames(20)
    whole = Ledger(seed=9, symbols=("GONEUSDT",), start_ms=old.start_ms)
    frames += whole.frames(10)
    await rig.streams()
    rig.start_storage()
    await rig.publish(frames)
    await rig.until_stored()
    assert rig.stop("storage") == 0
    day = datetime.fromtimestamp(old.start_ms / 1000, UTC).date()
    engine = Engine.open(ClickHouseSettings(url=f"http://127.0.0.1:{rig.clickhouse_port}", _env_file=None))
    archivist = Archivist(engine, datetime.now(UTC) + timedelta(days=300))
    assert archivist.archive("trades", day).rows == len(old.rows) - 1 + len(whole.rows)
    assert archivist.drop("trades", day, 7).state == "dropped"
    count = "SELECT sum(trades) FROM marketprism_features.bucket_flow WHERE symbol IN ('OLDUSDT', 'GONEUSDT')"
    before = rig.rows(count)
    rig.start_storage()
    new = Ledger(seed=8, symbols=("NEWCOIN",), start_ms=old.start_ms)  # nobody knows it: nothing of it is a duplicate
    single = ("md.trades.binance.spot.OLDUSDT", msgspec.json.Encoder().encode_lines([missing]))
    await rig.publish([*frames, *new.frames(3), single], salt="a recording is replayed")
    await rig.until_stored()
    assert rig.stop("storage") == 0
    stored = f"SELECT symbol, count() FROM marketprism_hot.trades WHERE toDate(timestamp) = '{day}' GROUP BY symbol"
    assert dict(rig.rows(stored)) == {"NEWCOIN": len(new.rows), "OLDUSDT": 1}  # the hole of then is still open
    assert (
        rig.rows(count)
        == before
        == [(sum(trade.is_market for trade in old.rows + whole.rows if trade is not missing),)]
    )


async def test_a_table_that_remembers_no_token_is_not_written(rig: Rig) -> None:
    """RESET SETTING, of an operator who means well, takes the engine's default: none."""
    await rig.streams()
    alter = "ALTER TABLE marketprism_hot.open_interests {} SETTING non_replicated_deduplication_window{}"
    rig.client().command(alter.format("RESET", ""))
    line = msgspec.json.encode(row("open_interests", symbol="TOKENUSDT")) + b"\n"
    await rig.publish([("md.open_interests.binance.linear.TOKENUSDT", line)])
    rig.start_storage()
    await rig.until_says("storage", "open_interests partition 0 stopped storing")
    assert rig.rows("SELECT count() FROM marketprism_hot.open_interests WHERE symbol = 'TOKENUSDT'") == [(0,)]
    assert rig.stop("storage") == 8
    rig.client().command(alter.format("MODIFY", " = 10000"))  # what the halt says
    rig.start_storage()
    await rig.until_stored("open_interests")
    assert rig.rows("SELECT count() FROM marketprism_hot.open_interests WHERE symbol = 'TOKENUSDT'") == [(1,)]
    assert rig.stop("storage") == 0


async def test_a_view_that_throws_stops_only_its_table(rig: Rig) -> None:
    await rig.streams()
    client = rig.client()
    client.command("CREATE TABLE marketprism_hot.broken (x UInt64) ENGINE = MergeTree ORDER BY x")
    client.command(
        "CREATE MATERIALIZED VIEW marketprism_hot.broken_mv TO marketprism_hot.broken AS "
        "SELECT toUInt64(throwIf(symbol = 'BROKEN', 'on purpose')) AS x FROM marketprism_hot.liquidations"
    )
    process = rig.start_storage()
    broken = msgspec.json.encode(row("liquidations", symbol="BROKEN")) + b"\n"
    fine = msgspec.json.encode(row("lsr_all_accounts", timestamp=MS + 777)) + b"\n"
    await rig.publish([("md.liquidations.binance.linear.BROKEN", broken)])
    await rig.until_says("storage", "liquidations partition 0 stopped storing")
    await rig.publish([("md.lsr_all_accounts.binance.linear.BTCUSDT", fine)])
    await rig.until_stored("lsr_all_accounts")
    assert process.poll() is None
    client.command("DROP TABLE marketprism_hot.broken_mv")  # the operator repairs the view
    assert rig.stop("storage") == 8  # and restarts: the exit code says that a worker had stopped
    rig.start_storage()
    await rig.until_stored("liquidations")
    assert rig.rows("SELECT count() FROM marketprism_hot.liquidations WHERE symbol = 'BROKEN'") == [(1,)]
    assert rig.stop("storage") == 0
