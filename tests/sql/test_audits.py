"""Every audit of sql/audits: silent on a good day, and it finds what it is there for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import OperationalError

from marketprism.events import ROW_TYPES
from monitors.audits import Audit, AuditClock, load_audits, run_audit
from tests.sql.rows import assign_buckets, book
from tests.sql.tape import random_trades

AUDITS = {audit.name: audit for audit in load_audits()}
HOT, FEATURES, COLD = "marketprism_hot", "marketprism_features", "marketprism_cold"
SYMBOL = "AUDITEDUSDT"
KEY = f"'binance', 'spot', '{SYMBOL}'"


class Awaitable:
    """The in-process client with the awaitable methods that the monitors call."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def query(self, *arguments: Any, **named: Any) -> Any:
        return self._client.query(*arguments, **named)

    async def insert_arrow(self, *arguments: Any, **named: Any) -> Any:
        return self._client.insert_arrow(*arguments, **named)


def _now_ms() -> int:
    return int(time.time() * 1000)


TOUCHED = (
    *(f"{HOT}.{name}" for name in (*ROW_TYPES, "dead_letters")),
    *(f"{COLD}.archive_status", f"{COLD}.day_generation", f"{COLD}.trades"),
    *(f"{FEATURES}.{name}" for name in ("bucket_flow", "bucket_days", "bucket_config", "lob_top5", "job_runs")),
)


@pytest.fixture
def tables(engine: Any) -> Iterator[Any]:
    """The engine with every table that an audit reads emptied, before and after: audits look at all symbols."""
    for table in TOUCHED:
        engine.client.command(f"TRUNCATE TABLE {table}")
    yield engine
    for table in TOUCHED:
        engine.client.command(f"TRUNCATE TABLE {table}")


def _live(engine: Any, count: int = 400) -> list[dict[str, Any]]:
    """A tape of trades that ended two minutes ago, with its plan, its instrument and books."""
    raw = random_trades(seed=90, count=count)
    shift = _now_ms() - 120_000 - raw[-1]["timestamp"]
    moved = [
        {**row, "timestamp": row["timestamp"] + shift, "received_at": row["received_at"] + shift * 1000} for row in raw
    ]
    rows = assign_buckets(moved, Decimal(20))
    engine.trades(SYMBOL, rows)
    day = "toDate(now('UTC'))"
    engine.client.command(
        f"INSERT INTO {FEATURES}.bucket_days (exchange, market_type, symbol, day, source) "
        f"SELECT {KEY}, arrayJoin([{day}, {day} - 1]), 'config'"
    )
    engine.client.command(
        f"INSERT INTO {HOT}.instruments (timestamp, exchange, market_type, symbol, canonical, valid_from) "
        f"SELECT now64(3) - INTERVAL 5 SECOND, {KEY}, 'A-USDT', now64(3)"
    )
    engine.books(SYMBOL, [book(1, _now_ms() - 5000, [(100.0, 1.0), (99.0, 2.0)], [(101.0, 1.0), (102.0, 1.0)])])
    return rows


def _found(engine: Any, name: str) -> list[dict[str, Any]]:
    return list(engine.rows(AUDITS[name].sql))


def _stored_long_ago(engine: Any) -> None:
    """Rows of the last minute are left to the next run; the test does not wait for it."""
    engine.client.command(
        f"ALTER TABLE {HOT}.trades UPDATE created_at = now64(6) - INTERVAL 5 MINUTE WHERE symbol = '{SYMBOL}' "
        "SETTINGS mutations_sync = 1"
    )


def _trade_command(**changed: str) -> str:
    """INSERT of one trade of now, with some columns said otherwise."""
    row = {
        "timestamp": "now64(3)", "received_at": "now64(6)", "exchange": "'binance'", "market_type": "'spot'",
        "symbol": f"'{SYMBOL}'", "sequence": "900000", "data_source": "'marketprism'", "price": "1", "quantity": "1",
        "tick_size": "1", "is_market": "true", "trade_kind": "'trade'", "side": "'buy'", **changed,
    }  # fmt: skip
    return f"INSERT INTO {HOT}.trades ({', '.join(row)}) SELECT {', '.join(row.values())}"


def _today(n: int) -> str:
    return f"toUInt64(toYYYYMMDD(now('UTC'))) * 1000000 + {n}"


BOOK = f"INSERT INTO {HOT}.orderbooks (timestamp, exchange, market_type, symbol, best_bid_price, best_ask_price, "

FAULTS: dict[str, list[str]] = {
    "bucket_ids_rise": [_trade_command(bucket_id=_today(999_000))],
    "trades_in_own_day": [_trade_command(bucket_id=_today(-1_000_000 + 7))],
    "bucket_volumes_agree": [
        f"ALTER TABLE {FEATURES}.bucket_flow DELETE WHERE symbol = '{SYMBOL}' SETTINGS mutations_sync = 1"
    ],
    "yesterday_verified": [
        _trade_command(timestamp="now64(3) - INTERVAL 1 DAY", bucket_id=f"{_today(5)} - 1000000 * ("
                       "toYYYYMMDD(now('UTC')) - toYYYYMMDD(now('UTC') - INTERVAL 1 DAY))",
                       created_at="now64(6) - INTERVAL 1 HOUR", sequence="1"),
    ],
    "trade_ids_unique": [_trade_command(), _trade_command()],
    "books_not_crossed": [f"{BOOK} bid_prices) SELECT now64(3), {KEY}, 101, 100, [1]"],
    "books_in_order": [
        f"{BOOK} bid_prices, bid_quantities) SELECT now64(3), {KEY}, 99, 101, [99., 100.], [1., 1.]"
    ],
    "clocks_agree": [_trade_command(exchange="'okx'", received_at="now64(6) - INTERVAL 3 SECOND")],
    "no_rows_from_the_future": [_trade_command(timestamp="now64(3) + INTERVAL 10 MINUTE")],
    "days_have_plans": [_trade_command(symbol="'PLANLESSUSDT'", bucket_id=_today(1))],
    "buckets_within_limits": [
        _trade_command(bucket_id=_today(999_001), bucket_t_max_ms="1000", timestamp="now64(3) - INTERVAL 20 SECOND"),
        _trade_command(bucket_id=_today(999_001), bucket_t_max_ms="1000", sequence="900001"),
    ],
    "archive_verified": [
        f"INSERT INTO {COLD}.archive_status (archive_date, data_type, exchange, verified) VALUES "
        "('2024-01-01', 'trades', 'binance', false)"
    ],
    "configs_do_not_overlap": [
        f"INSERT INTO {FEATURES}.bucket_config (exchange, market_type, symbol, source, valid_from, valid_to, version) "
        f"VALUES ({KEY}, 'manual', '2024-01-01 00:00:00', '2024-01-03 00:00:00', 1), "
        f"({KEY}, 'manual', '2024-01-02 00:00:00', '2024-01-04 00:00:00', 2)"
    ],
    "gaps_repaired": [
        f"INSERT INTO {HOT}.gaps (timestamp, exchange, market_type, symbol, of_type, from_sequence, to_sequence, "
        f"cause, repaired) SELECT now64(3), {KEY}, 'trades', 5, 9, 'sequence', false"
    ],
    "no_open_dead_letters": [
        f"INSERT INTO {HOT}.dead_letters (data_type, stream, status, error, first_seen) "
        "SELECT 'trades', 's', 'open', 'bad', now64(6) - INTERVAL 30 HOUR"
    ],
    "funding_in_range": [
        f"INSERT INTO {HOT}.funding_rates (timestamp, exchange, market_type, symbol, funding_rate) "
        f"SELECT now64(3), {KEY}, 0.2"
    ],
    "mids_agree_across_exchanges": [
        f"INSERT INTO {HOT}.instruments (timestamp, exchange, market_type, symbol, canonical, valid_from) "
        "SELECT now64(3) - INTERVAL 5 SECOND, 'okx', 'spot', 'A-USDT', 'A-USDT', now64(3)",
        f"INSERT INTO {FEATURES}.lob_top5 (timestamp, exchange, market_type, symbol, mid_price) "
        "VALUES (now64(3), 'okx', 'spot', 'A-USDT', 130)",
    ],
    "jobs_succeed": [
        f"INSERT INTO {FEATURES}.job_runs (job, state, finished_at, error) SELECT 'clusters', 'failed', now64(6), 'no'"
    ],
    "installs_end": [
        f"INSERT INTO {COLD}.day_generation (data_type, day, state, changed_at) "
        "SELECT 'trades', '2024-01-01', 'installing', now64(6) - INTERVAL 2 HOUR"
    ],
    "instruments_known": [_trade_command(symbol="'NOBODYUSDT'")],
}  # fmt: skip


def test_a_good_day_is_silent(tables: Any) -> None:
    _live(tables)
    looked_at = set(AUDITS) - {"features_in_range"}  # reads a table that the engine refreshes when it likes
    assert {name: rows for name in looked_at if (rows := _found(tables, name))} == {}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_what_it_is_there_for(tables: Any, name: str) -> None:
    _live(tables, count=60)
    _stored_long_ago(tables)
    assert _found(tables, name) == []
    for statement in FAULTS[name]:
        tables.client.command(statement)
    rows = _found(tables, name)
    assert rows
    assert all(row.get("symbol", SYMBOL) in (SYMBOL, "PLANLESSUSDT", "NOBODYUSDT", "A-USDT") for row in rows)


def test_yesterday_in_cold_is_verified_there(tables: Any) -> None:
    """A day that was loaded from an archive: its buckets are made of cold, whatever part of it hot holds."""
    yesterday = "toUInt64(toYYYYMMDD(now('UTC') - INTERVAL 1 DAY)) * 1000000 + 1"
    for sequence in ("1", "2"):
        tables.client.command(
            _trade_command(
                timestamp="now64(3) - INTERVAL 1 DAY", bucket_id=yesterday, sequence=sequence,
                created_at="now64(6) - INTERVAL 1 HOUR",
            )
        )  # fmt: skip
    tables.client.command(f"INSERT INTO {COLD}.trades SELECT * FROM {HOT}.trades")
    tables.client.command(f"ALTER TABLE {HOT}.trades DELETE WHERE sequence = 2 SETTINGS mutations_sync = 1")
    assert _found(tables, "yesterday_verified") == []
    tables.client.command(f"ALTER TABLE {COLD}.trades DELETE WHERE sequence = 2 SETTINGS mutations_sync = 1")
    (found,) = _found(tables, "yesterday_verified")
    assert found["trade_difference"] == -1


def test_values_out_of_range_are_found(engine: Any) -> None:
    """latest_features is refreshed by the engine; the audit's condition is asked of a row made by hand."""
    sql = AUDITS["features_in_range"].sql.replace(f"{FEATURES}.latest_features", "row")
    key = "'b' AS exchange, 's' AS market_type, 'X' AS symbol, 1 AS bucket_id, 9 AS low, 11 AS high"
    optional = ("vpin", "imbalance", "kyle_r2", "tob_imbalance", "weighted_imbalance_5", "spread_bps")
    for name, value in (*((name, "-1.5") for name in optional), ("vpin", "0.5"), ("vwap", "12.")):
        given = {**dict.fromkeys(optional, "NULL"), "vwap": "10.", name: value}
        values = ", ".join(f"toNullable({said}) AS {column}" for column, said in given.items())
        assert bool(engine.rows(f"WITH row AS (SELECT {key}, {values}) {sql}")) == (value != "0.5"), name


def test_a_day_is_overdue_once_nothing_came_for_a_day(tables: Any) -> None:
    """The age of a part cannot be chosen: the audit is asked as it is, and as if it were asked two days later."""
    tables.client.command(_trade_command(timestamp="now64(3) - INTERVAL 5 DAY"))
    assert _found(tables, "archive_current") == []
    sql = AUDITS["archive_current"].sql
    later = sql.replace("now() - INTERVAL 26 HOUR", "now() + INTERVAL 22 HOUR")
    assert later != sql
    assert [row["data_type"] for row in tables.rows(later)] == ["trades"]


def test_every_audit_has_its_fault() -> None:
    assert set(FAULTS) | {"features_in_range", "archive_current"} == set(AUDITS)


class Gone:
    """A server that does not answer."""

    async def query(self, *_: object, **__: object) -> Any:
        raise OperationalError("Network Error: Cannot connect to host 127.0.0.1:1")


async def test_a_run_counts_what_it_found_or_says_why_not(tables: Any) -> None:
    client = Awaitable(tables.client)
    _live(tables, count=60)
    for statement in FAULTS["funding_in_range"]:
        tables.client.command(statement)
    result = await run_audit(client, AUDITS["funding_in_range"])
    assert (len(result.rows), result.error) == (1, "")
    assert result.told()["found"] == 1
    broken = await run_audit(client, Audit("broken", "", "warning", 60.0, "SELECT nothing FROM nowhere"))
    assert broken.rows == []
    assert "nowhere" in broken.error
    with pytest.raises(OperationalError):
        await run_audit(Gone(), AUDITS["funding_in_range"])


def test_each_runs_when_it_is_due() -> None:
    clock = [100.0]
    audits = [Audit("often", "", "warning", 10.0, ""), Audit("rarely", "", "critical", 25.0, "")]
    due: Callable[[], list[str]] = lambda: [audit.name for audit in schedule.due()]  # noqa: E731
    schedule = AuditClock(audits, lambda: clock[0])
    ran = []
    for _ in range(7):
        ran.append(due())
        clock[0] += 5
    assert ran == [["often", "rarely"], [], ["often"], [], ["often"], ["rarely"], ["often"]]
    schedule.missed(audits[1])
    assert due() == ["rarely"]
