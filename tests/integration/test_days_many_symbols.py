"""Jobs of a whole universe: what they say of their symbols fits into statements."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from marketprism.settings import ClickHouseSettings
from storage_service.days import engine as engine_module
from storage_service.days.content import Fingerprint, columns_of, row_hash
from storage_service.days.engine import Engine
from storage_service.days.install import COMPUTED, EVERY, Installer, Source, replaced_by
from tests.integration.embedded_process import EmbeddedServer
from tests.migrated import Template

DAYS = [date(2024, 3, 1) + timedelta(days=n) for n in range(8)]
TABLE = "marketprism_cold.funding_rates"
SYMBOLS = 60
RATES = 3 * len(DAYS)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> Iterator[Engine]:
    data = tmp_path_factory.mktemp("days-many")
    migrated.seed(data)
    server = EmbeddedServer(data).stand_still().start()
    yield Engine.open(ClickHouseSettings(url=server.url, _env_file=None))
    server.stop()


def source_of(symbol: str, days: list[date], replaces: str = "") -> Source:
    return Source(("binance", "linear", symbol), frozenset(days), "", replaces, Fingerprint())


def test_sources_that_say_the_same_are_one_condition() -> None:
    sources = [source_of(f"S{n}", DAYS) for n in range(3_000)]
    [condition] = replaced_by(sources)
    assert len(condition) < 3_000 * 35
    apart = [*sources[:2], source_of("S1", DAYS[:1]), source_of("S2", DAYS, "t IN (SELECT t FROM {new})")]
    assert len(replaced_by(apart, "shadow")) == 3
    assert replaced_by(apart, "shadow")[2].endswith("AND (t IN (SELECT t FROM shadow))")
    assert "{new}" not in " ".join(replaced_by(apart))
    every = Source(EVERY, frozenset(DAYS[:1]), "", "NOT late", Fingerprint())
    assert replaced_by([every], "shadow") == ["_partition_id IN ('20240301') AND (NOT late)"]


def test_a_statement_may_be_longer_than_servers_take_by_themselves(engine: Engine) -> None:
    names = ", ".join(f"('binance', 'linear', 'A{n:020d}')" for n in range(10_000))
    query = f"SELECT count() FROM {TABLE} WHERE (exchange, market_type, symbol) IN ({names})"
    assert len(query) > 262_144
    assert engine.rows(query) == [(0,)]
    engine.run(f"INSERT INTO {TABLE} SELECT * FROM {TABLE} WHERE (exchange, market_type, symbol) IN ({names})")


def staged(engine: Engine, rate: str) -> list[Source]:
    """Three rates a day of each symbol, one source a symbol."""
    engine.run("DROP TABLE IF EXISTS marketprism_staging.many SYNC")
    engine.run(f"CREATE TABLE marketprism_staging.many AS {TABLE}")
    engine.run(
        "INSERT INTO marketprism_staging.many (timestamp, received_at, exchange, market_type, symbol, sequence, "
        "data_source, funding_rate, funding_kind, funding_time, next_funding_time) SELECT "
        f"toDateTime64('2024-03-01 00:00:00', 3, 'UTC') + toIntervalHour(8 * (number % {RATES})) AS t, t, 'binance', "
        f"'linear', concat('SYM', toString(intDiv(number, {RATES}))), number, 'archive', {rate}, 'settled', t, t "
        f"FROM numbers({RATES * SYMBOLS})"
    )
    columns = columns_of(engine, TABLE)
    names = ", ".join(name for name in columns if name != "created_at")
    hashed = row_hash({name: kind for name, kind in columns.items() if name not in COMPUTED})
    prints = engine.rows(f"SELECT symbol, count(), sum({hashed}) FROM marketprism_staging.many GROUP BY symbol")
    return [
        Source(
            ("binance", "linear", symbol),
            frozenset(DAYS),
            f"SELECT {names} FROM marketprism_staging.many WHERE symbol = '{symbol}'",
            "",
            Fingerprint(int(rows), int(total)),
        )
        for symbol, rows, total in prints
    ]


def test_many_symbols_of_many_days_are_installed_at_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"max_query_size": 5_000}  # a fiftieth of the usual, so that a fiftieth of the symbols shows it
    monkeypatch.setattr(engine_module, "_LONG", small)
    monkeypatch.setitem(engine_module._BULK, "max_query_size", small["max_query_size"])
    left = "INSERT INTO {t} (timestamp, exchange, market_type, symbol, sequence) SELECT '2024-03-05 00:00:00', {v}"
    engine.run(left.format(t=TABLE, v="'binance', 'linear', 'STAYS', 1"))
    for rate in ("0.0001", "0.0002"):  # the second time the first rows go
        Installer(engine, "funding_rates", cause="history").install(staged(engine, rate), DAYS)
        found = engine.rows(f"SELECT count(), uniqExact(symbol), toString(max(funding_rate)) FROM {TABLE}")
        assert found == [(RATES * SYMBOLS + 1, SYMBOLS + 1, rate)]
    engine.run("DROP TABLE marketprism_staging.many SYNC")
