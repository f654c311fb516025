"""Hot days into cold, what may be dropped, rebuilding and verifying buckets: on a real server, with live-like rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from marketprism.errors import DayError
from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.buckets.book import DayRequest
from storage_service.buckets.plan import DayPlan
from storage_service.days.calibration import Request, run_calibration
from storage_service.days.content import columns_of, fingerprint
from storage_service.days.engine import Engine, StatementRefused
from storage_service.days.hold import Hold, drop_holds, held
from storage_service.days.rebuild import Outcome, Rebuilder
from storage_service.days.remote import RemoteArchivist
from storage_service.days.tiers import Archived, Archivist, run_archive
from storage_service.days.trades import frozen_plans
from tests.integration.embedded_process import EmbeddedServer
from tests.integration.test_days_history import content, ms
from tests.migrated import Template
from tests.unit.days.samples import day_number, store_live, trade_row

TIME_ONLY = DayPlan("agg_trade", "time", t_max_ms=60_000, source="time")
NOW = datetime.now(UTC)
LATER = NOW.replace(year=NOW.year + 1)


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> tuple[Path, Path]:
    """Two migrated data directories."""
    here, there = (tmp_path_factory.mktemp("days-tiers") / name for name in ("here", "there"))
    for data in (here, there):
        migrated.seed(data)
    return here, there


@pytest.fixture(scope="module")
def server(directories: tuple[Path, Path]) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(directories[0]).stand_still().start()
    yield server
    server.stop()


@pytest.fixture
def other_server(directories: tuple[Path, Path]) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(directories[1]).stand_still().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def engine(server: EmbeddedServer) -> Engine:
    return Engine.open(ClickHouseSettings(url=server.url, _env_file=None))


def rebuilder(server: EmbeddedServer, engine: Engine) -> Rebuilder:
    return Rebuilder(engine, ClickHouseSettings(url=server.url, _env_file=None), StorageSettings(_env_file=None))


def of(engine: Engine, database: str, symbol: str) -> tuple[int, int]:
    table = f"{database}.trades"
    return tuple(fingerprint(engine, table, columns_of(engine, table), f"symbol = '{symbol}'", without=()))


def tape(symbol: str, day: str, count: int = 2000, first: int = 1) -> list[dict[str, object]]:
    return [trade_row(symbol, first + n, ms(day) + n * 900) for n in range(count)]


def test_a_day_is_archived_once_verified_and_dropped_when_old(engine: Engine) -> None:
    day = date(2024, 3, 4)
    store_live(engine, tape("ARCUSDT", "2024-03-04"), TIME_ONLY)
    hot = of(engine, "marketprism_hot", "ARCUSDT")
    archivist = Archivist(engine, NOW)
    assert archivist.archive("trades", day).state == "archived"
    assert of(engine, "marketprism_cold", "ARCUSDT") == hot  # created_at included
    assert archivist.archive("trades", day).state == "unchanged"
    rows, dropped = engine.rows(
        "SELECT records_archived, hot_dropped FROM marketprism_cold.archive_status FINAL "
        "WHERE data_type = 'trades' AND archive_date = '2024-03-04' AND verified"
    )[0]
    assert (rows, dropped) == (2000, False)
    kept = archivist.drop("trades", day, 7)
    assert (kept.state, "less than 7 days ago" in kept.why) == ("kept", True)
    assert Archivist(engine, LATER).drop("trades", day, 7).state == "dropped"
    assert of(engine, "marketprism_hot", "ARCUSDT")[0] == 0
    assert of(engine, "marketprism_cold", "ARCUSDT") == hot


def written_ahead(engine: Engine, table: str, column: str, where: str) -> None:
    """The newest rows once more, as a clock wrote them that was a day ahead."""
    shown = f"* REPLACE ({column} + INTERVAL 1 DAY AS {column})"
    engine.run(f"INSERT INTO marketprism_cold.{table} SELECT {shown} FROM marketprism_cold.{table} FINAL WHERE {where}")


def test_the_last_word_on_a_day_holds_though_the_clock_was_put_back(engine: Engine) -> None:
    day, archivist = date(2024, 3, 12), Archivist(engine, LATER)
    ours = "data_type = 'trades' AND archive_date = '2024-03-12'"
    rows = tape("BACUSDT", "2024-03-12", 300)
    store_live(engine, rows[:200], TIME_ONLY)
    archivist.archive("trades", day)
    written_ahead(engine, "archive_status", "archived_at", ours)
    written_ahead(engine, "day_generation", "changed_at", "data_type = 'trades' AND day = '2024-03-12'")
    store_live(engine, rows[200:], TIME_ONLY, batches=1)
    assert archivist.archive("trades", day).state == "archived"
    assert archivist.archive("trades", day).state == "unchanged"
    generation = "SELECT generation, state FROM marketprism_cold.day_generation FINAL WHERE day = '2024-03-12'"
    assert engine.rows(generation) == [(2, "installed")]
    written_ahead(engine, "archive_status", "archived_at", ours)
    assert archivist.drop("trades", day, 7).state == "dropped"
    engine.run("OPTIMIZE TABLE marketprism_cold.archive_status FINAL")
    assert archivist.was_dropped("trades", day)


class Stepped(Engine):
    """The same server; its clock is ``ahead_s`` seconds ahead of what it was."""

    ahead_s = 0

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        found = super().rows(query, parameters)
        return [(found[0][0] + self.ahead_s,)] if query == "SELECT toUnixTimestamp(now())" else found


def test_a_hold_that_a_step_of_the_clock_has_ended_installs_and_drops_nothing(
    server: EmbeddedServer, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers are let in by ClickHouse's clock: what they store then would go with the partition."""
    stepped = Stepped.open(ClickHouseSettings(url=server.url, _env_file=None))
    assert isinstance(stepped, Stepped)

    def sleeps(point: str, _: str) -> None:
        if point in ("shadow_filled", "before_drop"):
            stepped.ahead_s = 3600

    monkeypatch.setattr("storage_service.days.install.reach", sleeps)
    monkeypatch.setattr("storage_service.days.tiers.reach", sleeps)
    store_live(engine, tape("STEUSDT", "2024-03-13", 50), TIME_ONLY)
    before = content(engine, "STEUSDT")
    with pytest.raises(DayError, match=r"the hold on marketprism_hot\.trades ended"):
        rebuilder(server, stepped).rebuild(date(2024, 3, 13))
    assert content(engine, "STEUSDT") == before
    Archivist(stepped, LATER).archive("trades", date(2024, 3, 13))
    stepped.ahead_s = 0
    with pytest.raises(DayError, match=r"the hold on marketprism_hot\.trades ended"):
        Archivist(stepped, LATER).drop("trades", date(2024, 3, 13), 7)
    assert of(engine, "marketprism_hot", "STEUSDT")[0] == 50


def test_what_comes_after_the_drop_joins_cold(engine: Engine) -> None:
    day = date(2024, 3, 5)
    rows = tape("LATUSDT", "2024-03-05")
    early, late = rows[:1900], rows[1900:]
    store_live(engine, early, TIME_ONLY)
    archivist = Archivist(engine, LATER)
    archivist.archive("trades", day)
    assert archivist.drop("trades", day, 7).state == "dropped"
    for part in (late[:60], late[60:]):  # twice: the second must not take the first for all there is
        store_live(engine, [{**row, "late": True} for row in part], TIME_ONLY, batches=1)
        assert archivist.archive("trades", day).state == "archived"
        store_live(engine, [{**part[0], "late": True}], TIME_ONLY, batches=1)  # a replayed row
        engine.run("ALTER TABLE marketprism_hot.trades DROP PARTITION ID '20240305'")
    got = engine.rows(
        "SELECT count(), uniqExact(sequence), countIf(late) FROM marketprism_cold.trades WHERE symbol = 'LATUSDT'"
    )
    assert got == [(2000, 2000, 100)]


def given_by_files(engine: Engine, symbol: str, day: str) -> None:
    """As `backfill --over-live` leaves a symbol-day in cold: its rows are from a file."""
    names = ", ".join(columns_of(engine, "marketprism_cold.trades"))
    where = f"symbol = '{symbol}' AND toDate(timestamp) = '{day}'"
    select = names.replace("data_source", "'archive' AS data_source")
    engine.run("CREATE TABLE marketprism_staging.of_file AS marketprism_cold.trades")
    engine.run(
        f"INSERT INTO marketprism_staging.of_file ({names}) SELECT {select} FROM marketprism_cold.trades WHERE {where}"
    )
    engine.run(f"ALTER TABLE marketprism_cold.trades DELETE WHERE {where}", settings={"mutations_sync": 2})
    engine.run(f"INSERT INTO marketprism_cold.trades ({names}) SELECT {names} FROM marketprism_staging.of_file")
    engine.run("DROP TABLE marketprism_staging.of_file SYNC")


@pytest.mark.parametrize(("day", "neighbour"), [("2024-03-17", "okx"), ("2024-03-18", "")])
def test_a_day_whose_rows_came_from_files_afterwards_can_go(engine: Engine, day: str, neighbour: str) -> None:
    store_live(engine, tape("OVRUSDT", day, 300), TIME_ONLY)
    if neighbour:
        rows = [{**row, "exchange": neighbour} for row in tape("NEXUSDT", day, 200)]
        store_live(engine, rows, TIME_ONLY)
    the_day = date.fromisoformat(day)
    Archivist(engine, LATER).archive("trades", the_day)
    given_by_files(engine, "OVRUSDT", day)
    found = run_archive(engine, LATER, [the_day], ["trades"], drop_after=7)
    assert [result.state for result in found] == ["archived", "dropped"]
    where = f"toDate(timestamp) = '{day}'"
    assert engine.rows(f"SELECT count() FROM marketprism_hot.trades WHERE {where}") == [(0,)]
    assert engine.rows(f"SELECT count() FROM marketprism_cold.trades WHERE {where}") == [(500 if neighbour else 300,)]
    assert run_archive(engine, LATER, [the_day], ["trades"], drop_after=7) == []


def test_a_day_that_was_dropped_stays_dropped_when_late_rows_are_archived(engine: Engine) -> None:
    day = date(2024, 3, 19)
    rows = tape("STIUSDT", "2024-03-19", 200)
    missing = rows.pop(90)
    store_live(engine, rows, TIME_ONLY)
    Archivist(engine, LATER).archive("trades", day)
    assert Archivist(engine, LATER).drop("trades", day, 7).state == "dropped"
    store_live(engine, [{**missing, "late": True}], TIME_ONLY, batches=1)
    Archivist(engine, NOW).archive("trades", day)
    engine.run("OPTIMIZE TABLE marketprism_cold.archive_status FINAL")  # as merges do in time
    assert Archivist(engine, NOW).was_dropped("trades", day)
    engine.run("ALTER TABLE marketprism_hot.trades DROP PARTITION ID '20240319'")


def test_a_table_day_that_fails_does_not_hold_up_the_others(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [date(2024, 3, 20), date(2024, 3, 21)]
    for day in days:
        store_live(engine, tape("FAIUSDT", str(day), 100), TIME_ONLY)
    archive = Archivist.archive

    def fail_the_first(self: Archivist, data_type: str, day: date) -> Archived:
        if day == days[0]:
            raise DayError("it is not as it was")
        return archive(self, data_type, day)

    monkeypatch.setattr(Archivist, "archive", fail_the_first)
    told: list[Archived] = []
    with pytest.raises(DayError, match=r"1 table-days failed, .* first: trades of 2024-03-20: it is not as it was"):
        run_archive(engine, LATER, days, ["trades"], drop_after=7, told=told.append)
    assert [(result.day, result.state) for result in told] == [(days[1], "archived"), (days[1], "dropped")]
    assert engine.rows("SELECT count() FROM marketprism_hot.trades WHERE symbol = 'FAIUSDT'") == [(100,)]


def test_an_unverified_day_is_never_dropped(engine: Engine) -> None:
    day = date(2024, 3, 6)
    rows = tape("NEWUSDT", "2024-03-06", 500)
    store_live(engine, rows[:400], TIME_ONLY)
    archivist = Archivist(engine, LATER)
    assert archivist.drop("trades", day, 7).why == "not archived"
    archivist.archive("trades", day)
    store_live(engine, rows[400:], TIME_ONLY)
    assert archivist.drop("trades", day, 7).why == "not archived, or changed since"
    assert archivist.archive("trades", day).rows == 500
    assert archivist.drop("trades", day, 7).state == "dropped"


def test_an_open_day_is_refused(server: EmbeddedServer, engine: Engine) -> None:
    today = NOW.date()
    with pytest.raises(DayError, match="is open until"):
        Archivist(engine, NOW).archive("trades", today)
    with pytest.raises(DayError, match="still open"):
        rebuilder(server, engine).rebuild(today)
    with pytest.raises(DayError, match="still open; verify it after"):
        rebuilder(server, engine).verify(today)


def test_a_late_row_is_bucketed_by_a_rebuild_then_verify_is_clean(server: EmbeddedServer, engine: Engine) -> None:
    day = date(2024, 3, 7)
    rows = tape("REBUSDT", "2024-03-07")
    store_live(engine, tape("NEIUSDT", "2024-03-07"), TIME_ONLY)
    neighbour = content_of_hot(engine, "NEIUSDT")
    missing = rows.pop(700)
    store_live(engine, rows, TIME_ONLY)
    tool = rebuilder(server, engine)
    assert tool.verify(day, ["REBUSDT"]).differences == ()
    store_live(engine, [{**missing, "late": True}], TIME_ONLY, batches=1)
    assert engine.rows("SELECT bucket_id FROM marketprism_hot.trades WHERE symbol = 'REBUSDT' AND late") == [(0,)]
    found = tool.verify(day, ["REBUSDT"]).differences
    assert {line.split()[0].split(".")[1] for line in found} == {
        "trades", "bucket_flow", "flow_1s", "trades_1m_state", "footprint_1m_state", "footprint_by_bucket_state",
    }  # fmt: skip
    outcome = tool.rebuild(day, ["REBUSDT"])
    assert (outcome.symbols, outcome.rows) == (1, 2000)
    assert tool.verify(day).differences == ()
    assert content_of_hot(engine, "NEIUSDT") == neighbour
    assert engine.rows("SELECT sum(trades), sum(late_trades) FROM marketprism_features.bucket_flow "
                       "WHERE symbol = 'REBUSDT'") == [(2000, 1)]  # fmt: skip
    Archivist(engine, NOW).archive("trades", day)
    assert tool.verify(day).differences == ()
    engine.run("ALTER TABLE marketprism_hot.trades DROP PARTITION ID '20240307'")
    assert (tool.verify(day).rows, tool.verify(day).differences) == (4000, ())


def test_a_late_row_after_the_drop_is_rebuilt_where_the_rest_of_its_day_is(
    server: EmbeddedServer, engine: Engine
) -> None:
    day = date(2024, 3, 14)
    rows = tape("GONUSDT", "2024-03-14", 500)
    missing = rows.pop(200)
    store_live(engine, rows, TIME_ONLY)
    Archivist(engine, LATER).archive("trades", day)
    Archivist(engine, LATER).drop("trades", day, 7)
    store_live(engine, [{**missing, "late": True}], TIME_ONLY, batches=1)
    tool = rebuilder(server, engine)
    assert tool.verify(day).differences == ("marketprism_hot.trades has 1 late rows that no bucket knows; "
                                            "rebuild the day",)  # fmt: skip
    assert tool.rebuild(day, ["GONUSDT"]).rows == 500
    assert tool.verify(day).differences == ()
    query = "SELECT count(), uniqExact(sequence), countIf(bucket_id != 0) FROM {} WHERE symbol = 'GONUSDT'"
    assert engine.rows(query.format("marketprism_features.all_trades")) == [(500, 500, 500)]
    assert engine.rows(query.format("marketprism_hot.trades")) == [(0, 0, 0)]
    assert engine.rows("SELECT sum(trades) FROM marketprism_features.bucket_flow WHERE symbol = 'GONUSDT'") == [(500,)]


def test_a_day_that_is_being_replayed_is_left_alone(engine: Engine) -> None:
    store_live(engine, tape("QUIUSDT", "2024-03-15", 50), TIME_ONLY)
    day = date(2024, 3, 15)
    now = datetime.now(UTC)
    [kept] = run_archive(engine, now, [day], ["trades"], drop_after=None, quiet=timedelta(hours=1))
    assert (kept.state, of(engine, "marketprism_cold", "QUIUSDT")[0]) == ("kept", 0)
    later = now + timedelta(hours=2)
    [done] = run_archive(engine, later, [day], ["trades"], drop_after=None, quiet=timedelta(hours=1))
    assert (done.state, done.rows) == ("archived", 50)


def test_calibration_holds_from_the_next_midnight(engine: Engine, server: EmbeddedServer) -> None:
    store_live(engine, tape("CALUSDT", "2024-03-16", 4000), TIME_ONLY)  # one trade in 0.9 s, an hour long
    until = datetime(2024, 3, 16, 1, tzinfo=UTC)
    request = Request(until, days=1, mode="count", names=["CALUSDT", "ABSENTUSDT"])
    [row] = run_calibration(engine, request)
    assert (row.measured.minutes, row.measured.trades.p50) == (60, pytest.approx(67 / 60))
    assert row.config is not None
    assert row.config.n_trades == 34  # 30 s at 67 trades a minute
    stored = engine.rows(
        "SELECT mode, n_trades, toString(valid_from), toString(valid_to), source, window_min "
        "FROM marketprism_features.bucket_config FINAL WHERE symbol = 'CALUSDT'"
    )
    assert stored == [("count", 34, "2024-03-17 00:00:00.000", "2024-03-19 00:00:00.000", "calibration", 60)]
    clickhouse = ClickHouseSettings(url=server.url, _env_file=None)
    symbol = ("binance", "linear", "CALUSDT")
    requests = [DayRequest(symbol, day_number(f"2024-03-{day}"), "agg_trade", 10**14) for day in (16, 17, 18, 19)]
    plans = frozen_plans(clickhouse, StorageSettings(_env_file=None), requests)
    found = [(plan.source, plan.mode) for _, plan in sorted(plans.items())]
    assert found == [("time", "time"), ("config", "count"), ("config", "count"), ("expired", "count")]


def test_a_day_goes_to_another_server_and_late_rows_follow(
    server: EmbeddedServer, other_server: EmbeddedServer, engine: Engine
) -> None:
    there = Engine.open(ClickHouseSettings(url=other_server.url, _env_file=None))
    day, rows = date(2024, 5, 6), tape("FARUSDT", "2024-05-06", 1000)
    store_live(engine, rows[:990], TIME_ONLY)
    whole = of(engine, "marketprism_hot", "FARUSDT")
    command = [sys.executable, "-m", "marketprism", "archive", "--day", str(day), "--table", "trades"]
    environment = {**os.environ, "MARKETPRISM_CLICKHOUSE_URL": server.url, "MARKETPRISM_FAULT": "archive_sent:trades"}
    killed = subprocess.run([*command, "--remote", other_server.url], env=environment, timeout=120, check=False)
    assert (killed.returncode, of(engine, "marketprism_hot", "FARUSDT")) == (-9, whole)

    def states() -> list[str]:
        later = datetime.now(UTC) + timedelta(days=30)
        to = RemoteArchivist(engine, there, later)
        return [result.state for result in run_archive(engine, later, [day], ["trades"], drop_after=7, to=to)]

    assert states() == ["archived", "dropped"]
    assert (of(there, "marketprism_cold", "FARUSDT"), of(engine, "marketprism_cold", "FARUSDT")) == (whole, (0, 0))
    for one in (engine, there):
        assert one.rows(
            "SELECT records_archived, verified, hot_dropped FROM marketprism_cold.archive_status FINAL "
            f"WHERE archive_date = '{day}' AND data_type = 'trades'"
        ) == [(990, True, True)]
    store_live(engine, [{**row, "late": True} for row in rows[990:]], TIME_ONLY, batches=1)
    settings = StorageSettings(archive_remote_url=other_server.url, _env_file=None)
    tool = Rebuilder(engine, ClickHouseSettings(url=server.url, _env_file=None), settings)
    with pytest.raises(DayError, match="then rebuild the day there"):  # from ten late rows it would be half a day
        tool.rebuild(day)
    assert states() == ["archived", "dropped"]
    assert tool.rebuild(day) == Outcome(day, 0, 0), "its place in the queue need not alarm for ever"
    counts = "SELECT count(), uniqExact(sequence) FROM marketprism_cold.trades"
    assert there.rows(counts) == [(1000, 1000)]
    assert there.rows("SELECT name FROM system.tables WHERE database = 'marketprism_staging'") == []


def test_a_day_is_whole_there_although_another_job_sends_it_and_dies(
    other_server: EmbeddedServer, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Engine.open(ClickHouseSettings(url=other_server.url, _env_file=None))
    day = date(2024, 5, 7)
    store_live(engine, tape("TWOUSDT", "2024-05-07", 500), TIME_ONLY)
    whole = of(engine, "marketprism_hot", "TWOUSDT")
    later = datetime.now(UTC) + timedelta(days=30)

    class Killed(BaseException):
        """Before a row of it arrives."""

    def dies(*_: object) -> None:
        raise Killed

    def beside(point: str, _: str) -> None:
        if point == "archive_sent":
            other = Engine.open(ClickHouseSettings(url=other_server.url, _env_file=None))
            monkeypatch.setattr(other, "insert_native", dies)
            with pytest.raises(Killed):
                RemoteArchivist(engine, other, later).archive("trades", day)

    monkeypatch.setattr("storage_service.days.remote.reach", beside)
    archivist = RemoteArchivist(engine, there, later)
    assert archivist.archive("trades", day).state == "archived"
    assert archivist.drop("trades", day, 7).state == "dropped"
    assert of(there, "marketprism_cold", "TWOUSDT") == whole
    assert there.rows("SELECT name FROM system.tables WHERE database = 'marketprism_staging'") == []


def test_symbols_of_a_day_come_from_several_servers(other_server: EmbeddedServer, engine: Engine) -> None:
    """Two shards with one archive: the larger share of an exchange's day does not take the place of the smaller."""
    there = Engine.open(ClickHouseSettings(url=other_server.url, _env_file=None))
    day, later = date(2024, 5, 8), datetime.now(UTC) + timedelta(days=30)
    whole = {}
    for symbol, count in (("ONEUSDT", 100), ("BIGUSDT", 300)):
        store_live(engine, tape(symbol, "2024-05-08", count), TIME_ONLY)
        whole[symbol] = of(engine, "marketprism_hot", symbol)
        assert RemoteArchivist(engine, there, later).archive("trades", day).state == "archived"
        engine.run(f"DELETE FROM marketprism_hot.trades WHERE symbol = '{symbol}'")  # the next one is another shard
    assert {symbol: of(there, "marketprism_cold", symbol) for symbol in whole} == whole


def content_of_hot(engine: Engine, symbol: str) -> dict[str, tuple[int, int]]:
    found = content(engine, symbol)
    found["marketprism_cold.trades"] = of(engine, "marketprism_hot", symbol)
    return found


def test_no_row_of_a_held_day_enters_and_other_days_do(engine: Engine) -> None:
    rows = tape("HELUSDT", "2024-03-08", 5)
    with held(engine, "trades", [date(2024, 3, 8)]) as hold:
        store_live(engine, tape("HELUSDT", "2024-03-09", 5), TIME_ONLY)
        hold.renew()
        with pytest.raises(StatementRefused) as refused:
            store_live(engine, rows, TIME_ONLY)
        assert refused.value.code == 469
    assert of(engine, "marketprism_hot", "HELUSDT")[0] == 5
    assert "held_days_" not in engine.rows("SHOW CREATE TABLE marketprism_hot.trades")[0][0]


def test_a_statement_is_refused_by_the_hold_itself(engine: Engine) -> None:
    """The condition, the end of the lease, and the release; the next job takes off what a dead one left."""
    hold = Hold(engine, "trades", [date(2024, 3, 10)])
    hold._add()
    insert = "INSERT INTO marketprism_hot.trades (timestamp, symbol) SELECT toDateTime64('{} 05:00:00', 3, 'UTC'), 'X'"
    with pytest.raises(StatementRefused) as refused:
        engine.run(insert.format("2024-03-10"))
    assert refused.value.code == 469
    hold.release()
    engine.run(insert.format("2024-03-10"))
    ended = "ADD CONSTRAINT held_days_ended CHECK toYYYYMMDD(timestamp) NOT IN (20240310) OR toUnixTimestamp(now()) > 5"
    engine.run(f"ALTER TABLE marketprism_hot.trades {ended}")
    engine.run(insert.format("2024-03-10"))
    drop_holds(engine, "marketprism_hot.trades")
    assert "held_days_" not in engine.rows("SHOW CREATE TABLE marketprism_hot.trades")[0][0]
    engine.run("ALTER TABLE marketprism_hot.trades DROP PARTITION ID '20240310'")


def test_hot_and_cold_read_as_one_and_the_seed_views_answer(engine: Engine) -> None:
    for day in ("2024-03-11", "2024-03-12"):
        store_live(engine, tape("ALLUSDT", day, 1000, ms(day) // 1000), TIME_ONLY)
    Archivist(engine, NOW).archive("trades", date(2024, 3, 11))
    where = "WHERE symbol = 'ALLUSDT'"
    counts = f"SELECT count(), uniqExact(sequence) FROM marketprism_features.all_trades {where}"
    assert engine.rows(counts) == [(2000, 2000)]  # one day in both, one in hot
    engine.run("ALTER TABLE marketprism_hot.trades DROP PARTITION ID '20240311'")
    assert engine.rows(counts) == [(2000, 2000)]
    key = "exchange, market_type, symbol, toDate(timestamp)"
    days = f"SELECT {key} FROM marketprism_cold.trades GROUP BY {key} SETTINGS force_optimize_projection = 1"
    assert ("binance", "linear", "ALLUSDT", date(2024, 3, 11)) in engine.rows(days)  # an error without the projection
    rows = tape("ALLUSDT", "2024-03-12", 1000, ms("2024-03-12") // 1000)
    prices = [float(str(row["price"])) for row in rows]
    (ticker,) = engine.rows(
        f"SELECT last_price, high_24h, low_24h, price_change_24h, volume_24h FROM marketprism_hot.hot_tickers {where}"
    )
    expected = (
        prices[-1],
        max(prices),
        min(prices),
        prices[-1] - prices[0],
        sum(float(str(r["quantity"])) for r in rows),
    )
    assert [float(value) for value in ticker] == pytest.approx(expected)
    assert engine.rows(f"SELECT count() FROM marketprism_hot.hot_trades {where}") == [(1000,)]
    assert engine.rows(f"SELECT count() FROM marketprism_cold.cold_trades {where}") == [(1000,)]
    engine.run(
        "INSERT INTO marketprism_hot.orderbooks (timestamp, symbol, best_bid_price, best_ask_price, bid_prices, "
        "bid_quantities, ask_prices, ask_quantities) "
        "SELECT toDateTime64('2024-03-12 00:00:00', 3, 'UTC'), 'ALLUSDT', 10, 10.5, [10, 9.5], [1, 2], [10.5], [3]"
    )
    (book,) = engine.rows(f"SELECT spread, bids_json, asks_json FROM marketprism_hot.hot_orderbooks {where}")
    assert (float(book[0]), json.loads(book[1]), json.loads(book[2])) == (0.5, [[10, 1], [9.5, 2]], [[10.5, 3]])


def test_every_hot_table_has_a_cold_twin(engine: Engine, tmp_path: Path) -> None:
    for result in run_archive(engine, LATER, [], [], drop_after=7):
        assert result.state in ("archived", "unchanged", "dropped")
    tables = [row[0] for row in engine.rows("SELECT name FROM system.tables WHERE database = 'marketprism_hot'")]
    for table in set(tables) - {"schema_versions", "dead_letters"} - {t for t in tables if t.startswith("hot_")}:
        assert columns_of(engine, f"marketprism_cold.{table}") == columns_of(engine, f"marketprism_hot.{table}")
