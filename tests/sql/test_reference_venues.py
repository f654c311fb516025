"""Who leads an instrument on a day: rows in, rows out, worked by hand; the day itself has no say."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.sql.catalogue_tape import insert, make_tape
from tests.sql.rows import DAY_MS, assign_buckets, trade

MIDNIGHT = dt.datetime(2025, 6, 3, tzinfo=dt.UTC)
MIDNIGHT_MS = int(MIDNIGHT.timestamp() * 1000)
DAY = MIDNIGHT.date()
HOUR_MS = 3_600_000
_names = itertools.count(1)


class Market:
    """One instrument, as its venues spell it. ``traded`` puts trades of a day's first and last hour in."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.number = engine, next(_names)
        self.canonical = f"VEN{self.number}-USDT"

    def symbol(self, exchange: str) -> str:
        """As the exchange spells it."""
        separator = {"binance": "", "bybit": "", "okx": "-", "deribit": "_"}[exchange]
        return f"VEN{self.number}{separator}USDT"

    def listed(self, exchange: str, market_type: str = "spot", canonical: str = "") -> None:
        """Metadata of the venue's symbol."""
        self.engine.client.command(
            "INSERT INTO marketprism_hot.instruments (timestamp, received_at, exchange, market_type, symbol, sequence, "
            "data_source, canonical, valid_from) VALUES ('2025-01-01', '2025-01-01', "
            f"'{exchange}', '{market_type}', '{self.symbol(exchange)}', 1, 'marketprism', "
            f"'{canonical or self.canonical}', '2025-01-01')"
        )

    def traded(
        self, exchange: str, days_before: int, price: str, quantity: str, market_type: str = "spot", **extra: Any
    ) -> None:
        """Half of ``quantity`` in the first minute of the day so many days before DAY, half in the last."""
        start = MIDNIGHT_MS - days_before * DAY_MS
        half = str(Decimal(quantity) / 2)
        rows = [
            trade(2 * start, start, price, half, "buy"),
            trade(2 * start + 1, start + DAY_MS - 60_000, price, half, "sell", **extra),
        ]
        self.engine.trades(
            self.symbol(exchange), assign_buckets(rows, Decimal(10)), exchange=exchange, market_type=market_type
        )

    def leaders(self, market_type: str = "spot") -> dict[int, dict[str, Any]]:
        """Days after DAY → row."""
        rows = self.engine.rows(
            f"SELECT * FROM marketprism_features.reference_venues WHERE canonical = '{self.canonical}' "
            f"AND market_type = '{market_type}'"
        )
        return {(row["day"] - DAY).days: row for row in rows}


@pytest.fixture(scope="module")
def venues(engine: Any) -> Iterator[Any]:
    yield engine
    engine.forget("VEN%")


@pytest.fixture
def market(venues: Any) -> Market:
    return Market(venues)


def leader(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["reference_exchange"], row["reference_market_type"], row["reference_symbol"]


def test_the_largest_quote_volume_of_the_day_before_leads_however_it_is_spelt(market: Market) -> None:
    for exchange in ("binance", "okx", "deribit"):
        market.listed(exchange)
    market.traded("binance", 1, "100", "6")  # 600
    market.traded("okx", 1, "50", "14")  # 700: more in quote units
    market.traded("deribit", 1, "2", "100")  # 200: most in base units
    [row] = market.leaders().values()
    assert row["day"] == DAY
    assert leader(row) == ("okx", "spot", market.symbol("okx"))
    assert (row["quote_volume"], row["volume_share"], row["venues"]) == (Decimal(700), 700 / 1500, 3)
    assert (row["quality"], row["available_at"]) == ("ok", MIDNIGHT.replace(tzinfo=row["available_at"].tzinfo))


def test_the_day_itself_changes_nothing(market: Market) -> None:
    for exchange in ("binance", "okx"):
        market.listed(exchange)
        market.traded(exchange, 1, "100", "6" if exchange == "okx" else "4")
    before = market.leaders()[0]
    market.traded("binance", 0, "100", "1000")
    assert market.leaders()[0] == before
    assert leader(before)[0] == "okx"
    assert leader(market.leaders()[1]) == ("binance", "spot", market.symbol("binance"))


def test_of_two_equal_volumes_the_first_name_leads(market: Market) -> None:
    for exchange in ("okx", "binance"):
        market.listed(exchange)
    market.traded("okx", 1, "0.1", "30")
    market.traded("binance", 1, "0.3", "10")  # 0.1 * 30 == 0.3 * 10 as decimals only
    row = market.leaders()[0]
    assert leader(row)[0] == "binance"
    assert (row["quote_volume"], row["volume_share"]) == (3, 0.5)


def test_a_venue_that_vanishes_leads_for_one_more_day(market: Market) -> None:
    for exchange in ("binance", "okx"):
        market.listed(exchange)
        market.traded(exchange, 2, "100", "8" if exchange == "okx" else "2")
    market.traded("binance", 1, "100", "2")
    leaders = market.leaders()
    assert {days: leader(row)[0] for days, row in leaders.items()} == {-1: "okx", 0: "binance"}
    assert (leaders[0]["venues"], leaders[0]["volume_share"]) == (1, 1.0)


def test_markets_and_names_do_not_mix(market: Market) -> None:
    market.listed("binance")
    market.listed("okx", "linear")
    market.listed("deribit", canonical="OTHER-COIN")
    market.traded("binance", 1, "100", "1")
    market.traded("okx", 1, "100", "5", market_type="linear")
    market.traded("deribit", 1, "100", "9")
    assert leader(market.leaders()[0])[0] == "binance"
    assert leader(market.leaders("linear")[0]) == ("okx", "linear", market.symbol("okx"))


def test_what_came_late_and_what_lacks_is_told(market: Market) -> None:
    """``available_at`` is the last receipt compared; a hole of any venue, or hours without trades, may hide volume."""
    for exchange in ("binance", "okx"):
        market.listed(exchange)
    late = MIDNIGHT_MS * 1000 + 7_000_000
    market.traded("binance", 1, "100", "6")
    market.traded("okx", 1, "100", "2", received_at=late)
    row = market.leaders()[0]
    assert row["available_at"].replace(tzinfo=dt.UTC) == MIDNIGHT + dt.timedelta(seconds=7)
    words = {"exchange": "okx", "market_type": "spot", "symbol": market.symbol("okx"), "of_type": "trades"}
    market.engine.client.command(
        f"INSERT INTO marketprism_hot.gaps ({', '.join(words)}, data_source, cause, timestamp, received_at, sequence, "
        f"from_sequence, to_sequence, from_time, to_time) VALUES ({', '.join(map(repr, words.values()))}, "
        "'marketprism', 'sequence', '2025-06-02 05:00:00', '2025-06-02 05:00:00', 9, 8, 9, '2025-06-02 04:59:59', "
        "'2025-06-02 05:00:00')"
    )
    assert market.leaders()[0]["quality"] == "gap"
    half = [trade(1, MIDNIGHT_MS - 2 * DAY_MS + 12 * HOUR_MS, "100", "1", "buy")]
    market.engine.trades(market.symbol("binance"), assign_buckets(half, Decimal(10)))
    assert market.leaders()[-1]["quality"] == "warmup", "it may not have been recorded before noon"


def test_a_tape_with_every_edge(market: Market) -> None:
    """Across midnight, with a hole, a late row and a batch that is sent twice; summed by a plain loop."""
    expected: dict[dt.date, dict[str, Decimal]] = {}
    heard: dict[dt.date, int] = {}
    for seed, exchange in ((17, "binance"), (18, "okx")):
        market.listed(exchange)
        tape = make_tape(market.symbol(exchange), seed, count=1200)
        insert(market.engine.client, tape, exchange=exchange)
        for row in tape.trades:
            if row["bucket_id"]:
                day = dt.datetime.fromtimestamp(row["timestamp"] / 1000, dt.UTC).date() + dt.timedelta(days=1)
                of_day = expected.setdefault(day, {})
                value = Decimal(row["price"]) * Decimal(row["quantity"])
                of_day[exchange] = of_day.get(exchange, Decimal(0)) + value
                midnight = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()) * 1_000_000
                heard[day] = max(heard.get(day, midnight), row["received_at"])
    rows = {row["day"]: row for row in market.leaders().values()}
    assert len(expected) == 2
    assert rows.keys() == expected.keys()
    for day, row in rows.items():
        volume, exchange = max((value, name) for name, value in expected[day].items())
        assert (row["reference_exchange"], row["quote_volume"]) == (exchange, volume)
        assert row["volume_share"] == pytest.approx(float(volume / sum(expected[day].values())), rel=1e-15)
        known = row["available_at"].replace(tzinfo=dt.UTC)
        assert round(known.timestamp() * 1_000_000) == heard[day]
    assert {row["quality"] for row in rows.values()} <= {"gap", "warmup"}
    assert "gap" in {row["quality"] for row in rows.values()}


def test_the_row_of_tomorrow_is_partial(market: Market) -> None:
    today = int(dt.datetime.now(dt.UTC).timestamp()) // 86_400 * DAY_MS
    market.listed("binance")
    market.traded("binance", (MIDNIGHT_MS - today) // DAY_MS, "100", "1")
    [row] = market.leaders().values()
    assert row["quality"] == "partial"
    assert row["available_at"].replace(tzinfo=dt.UTC) > dt.datetime.now(dt.UTC)
