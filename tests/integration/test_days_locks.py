"""Jobs on days beside each other and after each other's death: own edges, locks with a lease, refusals."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from marketprism.errors import DayError
from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.buckets.plan import DayPlan
from storage_service.days import locks, rebuild
from storage_service.days.edges import edges_table
from storage_service.days.engine import Engine
from storage_service.days.install import Installer
from storage_service.days.locks import LockHeld, identity, is_gone, lock
from storage_service.days.rebuild import Outcome, Rebuilder
from tests.integration.embedded_process import EmbeddedServer
from tests.migrated import Template
from tests.unit.days.samples import ms, store_live, trade_row

PLAN = DayPlan("agg_trade", "time", t_max_ms=60_000, source="time")
STAGED = "SELECT name FROM system.tables WHERE database = 'marketprism_staging' AND startsWith(name, '{}')"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> Iterator[EmbeddedServer]:
    data = tmp_path_factory.mktemp("days-locks")
    migrated.seed(data)
    server = EmbeddedServer(data).stand_still().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def engine(server: EmbeddedServer) -> Engine:
    return Engine.open(ClickHouseSettings(url=server.url, _env_file=None))


@pytest.fixture
def new_rebuilder(server: EmbeddedServer) -> Callable[[], Rebuilder]:
    settings = ClickHouseSettings(url=server.url, _env_file=None)
    return lambda: Rebuilder(Engine.open(settings), settings, StorageSettings(_env_file=None))


def store(engine: Engine, symbol: str, day: str, count: int = 1000) -> None:
    store_live(engine, [trade_row(symbol, 1 + n, ms(day) + n * 900) for n in range(count)], PLAN)


def buckets(engine: Engine) -> list[tuple[object, ...]]:
    raw = "SELECT toString(symbol) AS symbol, countIf(bucket_id != 0) AS n FROM marketprism_hot.trades GROUP BY symbol"
    flow = "SELECT toString(symbol), toUInt64(sum(trades)) FROM marketprism_features.bucket_flow GROUP BY symbol"
    return sorted([*engine.rows(raw), *engine.rows(flow)])


def until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_jobs_at_once_fold_each_its_own_day(engine: Engine, new_rebuilder: Callable[[], Rebuilder]) -> None:
    store(engine, "ONEUSDT", "2024-06-03")
    store(engine, "TWOUSDT", "2024-06-04")
    before = buckets(engine)
    assert [row[1] for row in before] == [1000] * 4

    def waiting(jobs: int) -> Callable[[], bool]:
        return lambda: len(engine.rows(STAGED.format("edges_"))) == jobs

    with ThreadPoolExecutor(2) as pool:
        with lock(engine, "install"):
            first = pool.submit(new_rebuilder().rebuild, date(2024, 6, 3))
            until(waiting(1))
            second = pool.submit(new_rebuilder().verify, date(2024, 6, 4))
            until(waiting(2))
        assert first.result(60) == Outcome(date(2024, 6, 3), 1, 1000)
        assert second.result(60) == Outcome(date(2024, 6, 4), 1, 1000)
    assert buckets(engine) == before
    assert engine.rows(STAGED.format("")) == []


def test_edges_of_another_day_are_noticed_before_anything_is_replaced(
    engine: Engine, new_rebuilder: Callable[[], Rebuilder], monkeypatch: pytest.MonkeyPatch
) -> None:
    store(engine, "ODDUSDT", "2024-06-05", 700)
    before = buckets(engine)

    def lose(engine: Engine, edges: str, _: list[pa.RecordBatch]) -> None:
        assert engine.rows(f"SELECT count() FROM {edges}") == [(0,)]

    monkeypatch.setattr(rebuild, "insert_edges", lose)
    for job in (new_rebuilder().rebuild, new_rebuilder().verify):
        with pytest.raises(DayError, match="the fold gave buckets to 700 trades, 0 bear one"):
            job(date(2024, 6, 5))
    assert buckets(engine) == before
    assert engine.rows(STAGED.format("")) == []


def gone() -> str:
    """Identity of a process that ran here."""
    child = subprocess.Popen(["true"])
    child.wait()
    return " ".join([str(child.pid), "1", *identity().split(" ")[2:]])


ELSEWHERE = "57 123456 3f9c1d2ab7e0 another-boot pid:[4026531836]"


def test_edges_of_a_dead_job_go_and_those_of_a_living_one_stay(engine: Engine) -> None:
    for name, owner in (("dead", gone()), ("lives", identity()), ("elsewhere", ELSEWHERE)):
        engine.run(f"CREATE TABLE marketprism_staging.edges_{name} (n UInt8) ENGINE = Null COMMENT '{owner}'")
    with edges_table(engine) as edges:
        found = {f"marketprism_staging.{name}" for (name,) in engine.rows(STAGED.format("edges_"))}
        assert found == {edges, "marketprism_staging.edges_lives", "marketprism_staging.edges_elsewhere"}
    for name in ("lives", "elsewhere"):
        engine.run(f"DROP TABLE marketprism_staging.edges_{name} SYNC")


def leave_lock(engine: Engine, owner: str) -> None:
    engine.run(f"CREATE TABLE marketprism_staging.lock_left (held UInt8) ENGINE = Null COMMENT '0123456789ab {owner}'")


def test_a_lock_whose_lease_is_over_is_free_wherever_its_holder_ran(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_lock(engine, ELSEWHERE)
    with pytest.raises(LockHeld, match="another job holds"), lock(engine, "left", 0.3):
        pass
    monkeypatch.setattr(locks, "LEASE_S", 1)
    with lock(engine, "left", 10):
        assert "3f9c1d2ab7e0" not in locks.holder(engine, "marketprism_staging.lock_left")[0]
    assert engine.rows(STAGED.format("lock_")) == []


def test_a_lock_of_an_hour_to_come_is_free(server: EmbeddedServer, engine: Engine) -> None:
    """The clock was ahead when its holder died elsewhere, and has been put back: it would hold for that hour more."""
    leave_lock(engine, ELSEWHERE)
    [file] = (server.data / "clickhouse" / "store").glob("*/*/lock_left.sql")
    os.utime(file, (time.time() + 3600,) * 2)
    with lock(engine, "left", 0.3):
        pass
    assert engine.rows(STAGED.format("lock_")) == []


def test_a_lock_of_a_process_that_is_gone_is_free_at_once(engine: Engine) -> None:
    leave_lock(engine, gone())
    with lock(engine, "left", 0):
        pass
    assert engine.rows(STAGED.format("lock_")) == []


def test_a_pid_says_nothing_in_another_namespace_of_this_host() -> None:
    words = gone().split(" ")
    assert is_gone(" ".join(words))
    assert not is_gone(" ".join([*words[:-1], "pid:[1]"]))
    assert not is_gone(identity())
    assert not is_gone("")


def test_a_living_job_keeps_its_lock_beyond_a_lease(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LEASE_S", 2)
    monkeypatch.setattr(locks, "_RENEW_S", 0.2)
    with lock(engine, "left"):
        other = engine.twin()
        assert other is not None
        with pytest.raises(LockHeld), lock(other, "left", 5):
            pass
        other.close()


def test_who_was_taken_for_dead_replaces_nothing_and_leaves_the_other_its_lock(engine: Engine) -> None:
    with lock(engine, "left") as ours:
        ours.check()
        engine.run("DROP TABLE marketprism_staging.lock_left SYNC")
        leave_lock(engine, ELSEWHERE)
        with pytest.raises(DayError, match="went to another job"):
            ours.check()
    assert engine.rows(STAGED.format("lock_")) == [("lock_left",)]
    engine.run("DROP TABLE marketprism_staging.lock_left SYNC")


def test_a_job_that_lost_its_lock_installs_nothing(
    engine: Engine, new_rebuilder: Callable[[], Rebuilder], monkeypatch: pytest.MonkeyPatch
) -> None:
    store(engine, "LOSUSDT", "2024-06-06", 300)
    before = buckets(engine)

    def taken_over(point: str, _: str) -> None:
        if point == "before_replace":
            engine.run("DROP TABLE marketprism_staging.lock_install SYNC")

    monkeypatch.setattr("storage_service.days.install.reach", taken_over)
    with pytest.raises(DayError, match="went to another job"):
        new_rebuilder().rebuild(date(2024, 6, 6))
    assert buckets(engine) == before


def test_a_job_that_wakes_after_it_was_taken_for_dead_does_not_touch_what_its_heir_prepares(
    engine: Engine, new_rebuilder: Callable[[], Rebuilder], monkeypatch: pytest.MonkeyPatch
) -> None:
    store(engine, "SLPUSDT", "2024-06-07", 400)
    before = buckets(engine)
    asleep, wake = threading.Event(), threading.Event()
    prepare, keep = Installer._prepare, Installer._keep
    heir = threading.current_thread()
    ended: list[BaseException | None] = []

    def sleeps(self: Installer, *arguments: Any) -> Any:
        if threading.current_thread() is not heir:
            asleep.set()
            assert wake.wait(60)
        return prepare(self, *arguments)

    def is_woken(self: Installer, *arguments: Any) -> None:
        """The heir's rows are checked; they are not yet installed."""
        if threading.current_thread() is heir and not ended:
            wake.set()
            ended.append(sleeper.exception(60))
        keep(self, *arguments)

    monkeypatch.setattr(Installer, "_prepare", sleeps)
    monkeypatch.setattr(Installer, "_keep", is_woken)
    with ThreadPoolExecutor(1) as pool:
        sleeper = pool.submit(new_rebuilder().rebuild, date(2024, 6, 7))
        assert asleep.wait(60)
        engine.run("DROP TABLE marketprism_staging.lock_install SYNC")
        assert new_rebuilder().rebuild(date(2024, 6, 7)) == Outcome(date(2024, 6, 7), 1, 400)
    assert len(ended) == 1
    assert ended[0] is not None
    assert buckets(engine) == before
    assert engine.rows(STAGED.format("")) == []


def test_a_day_whose_shadow_is_gone_stays(
    engine: Engine, new_rebuilder: Callable[[], Rebuilder], monkeypatch: pytest.MonkeyPatch
) -> None:
    store(engine, "GONUSDT", "2024-06-08", 100)
    before = buckets(engine)

    def dropped(point: str, _: str) -> None:
        if point == "before_replace":
            for (name,) in engine.rows(STAGED.format("shadow_")):
                engine.run(f"DROP TABLE marketprism_staging.{name} SYNC")

    monkeypatch.setattr("storage_service.days.install.reach", dropped)
    with pytest.raises(DayError, match="is gone"):
        new_rebuilder().rebuild(date(2024, 6, 8))
    assert buckets(engine) == before
