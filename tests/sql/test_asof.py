"""Point-in-time joins from Python: backward only, young enough, without excluded stretches, a day at a time."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from marketprism.errors import QueryError
from marketprism.features import Features
from marketprism.jobs import run_job, trade_clusters
from tests.sql.catalogue_tape import Tape, epoch_us, insert, make_tape
from tests.sql.rows import assign_buckets, trade

ENTITY = ("binance", "spot", "ASOFUSDT")
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)


@pytest.fixture(scope="module")
def tape(engine: Any) -> Tape:
    made = make_tape(ENTITY[2], 71, count=2500)
    insert(engine.client, made)
    insert(engine.client, make_tape(ENTITY[2], 171, count=300), market_type="linear")
    return made


@pytest.fixture(scope="module")
def instants(tape: Tape) -> list[dt.datetime]:
    """Instants on both sides of midnight, in no order, some of them the very moment a row became known."""
    rng = random.Random(3)
    first, last = tape.trades[0]["received_at"], tape.trades[-1]["received_at"]
    chosen = [rng.randrange(first - 60_000_000, last + 900_000_000) for _ in range(150)]
    return [moment(at) for at in [*chosen, *(row["received_at"] for row in rng.sample(tape.trades, 30))]]


def moment(at_us: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=at_us)


def newest(rows: list[dict[str, Any]], grain: str, at_us: int, limit_us: int) -> dict[str, Any] | None:
    """By scanning: the row with the largest grain of those known by then, unless it became known too long ago."""
    known = [row for row in rows if epoch_us(row["available_at"]) <= at_us]
    found = max(known, key=lambda row: (row[grain], row.get("sequence", 0)), default=None)
    return found if found and epoch_us(found["available_at"]) >= at_us - limit_us else None


@pytest.mark.parametrize(
    ("view", "grain", "columns", "limit"),
    [
        ("vpin_by_bucket", "bucket_id", ["vpin", "imbalance", "quality"], 5 * MINUTE),
        ("unified_features_by_bucket", "bucket_id", ["log_return_10", "cvd", "mid", "imbalance_5"], MINUTE),
        ("vpin_1m", "ts_1m", ["ts_1m", "vpin_approx_5m"], 3 * MINUTE),
        ("unified_features_1s", "ts_1s", ["close", "vpin", "mid"], MINUTE),
        ("quoted_trades", "timestamp", ["bid", "later_bid", "price"], MINUTE),
        ("volatility_1d", "day", ["day", "n_returns"], dt.timedelta(hours=6)),
    ],
)
def test_each_instant_has_the_newest_row_known_by_then(
    engine: Any,
    tape: Tape,
    instants: list[dt.datetime],
    view: str,
    grain: str,
    columns: list[str],
    limit: dt.timedelta,
) -> None:
    got = Features(engine.client).asof(
        [ENTITY] * len(instants),
        instants,
        [f"{view}.{column}" for column in columns],
        max_age=limit,
        keep_excluded=True,
        kind="polars",
    )
    rows = engine.rows(
        f"SELECT * FROM marketprism_features.{view} WHERE symbol = '{ENTITY[2]}' AND market_type = 'spot'"
    )
    assert got.height == len(instants)
    values = 0
    for row in got.iter_rows(named=True):
        at_us = epoch_us(row["timestamp"].replace(tzinfo=None))
        expected = newest(rows, grain, at_us, limit // dt.timedelta(microseconds=1))
        for column in columns:
            got_value = row[column]
            if isinstance(got_value, dt.datetime):  # engine.rows gives UTC without a zone
                got_value = got_value.replace(tzinfo=None)
            assert got_value == (expected[column] if expected else None), (row["timestamp"], column)
        if expected:
            assert row[f"{view}_age_ms"] == (at_us - epoch_us(expected["available_at"])) // 1000
        values += expected is not None
    assert 0 < values < got.height


def test_what_an_instant_shows_does_not_change_when_the_future_comes(engine: Any, tape: Tape) -> None:
    """The same question of data that end at the instant."""
    at_us = tape.trades[len(tape.trades) // 4]["received_at"]
    insert(engine.client, tape.known_at("ASOFCUTUSDT", at_us, None))
    names = ["log_return_10", "flow_imbalance", "kyle_lambda", "spread_bps", "trend_state"]
    answers = [
        Features(engine.client).asof([("binance", "spot", symbol)], [moment(at_us)], names, keep_excluded=True)
        for symbol in (ENTITY[2], "ASOFCUTUSDT")
    ]
    whole, cut = (answer.drop_columns(["symbol"]).to_pylist()[0] for answer in answers)
    assert whole == cut
    assert whole["log_return_10"] is not None


def test_what_became_known_late_does_not_replace_what_is_newer_but_too_old(engine: Any) -> None:
    """Minutes 11:00 (known in time) and 10:30 (known at 11:11): at 11:12 the newest is 11:00, and that is too old."""
    eleven = 1_723_114_800_000
    before = eleven - 30 * 60_000
    rows = [
        trade(1, before, "100", "1", "buy", received_at=(eleven + 11 * 60_000) * 1000),
        trade(2, eleven, "100", "1", "buy"),
    ]
    engine.trades("ASOFLATEUSDT", assign_buckets(rows, Decimal(1)))
    for minutes, expected in ((3, 1), (12, None)):  # by itself each: what one instant reads must not help the other
        at = moment((eleven + minutes * 60_000) * 1000)
        got = Features(engine.client).asof(
            [("binance", "spot", "ASOFLATEUSDT")], [at], ["vpin_1m.total_volume"], max_age=5 * MINUTE, kind="polars"
        )
        assert got["total_volume"].to_list() == [expected]


def test_excluded_instants_are_left_out_by_default(engine: Any, tape: Tape) -> None:
    assert tape.hole is not None
    inside, outside = moment(tape.hole[0] * 1000 + 1_000_000), moment(tape.hole[0] * 1000 - 120_000_000)
    features = Features(engine.client)
    ask = {"entities": [ENTITY] * 2, "timestamps": [inside, outside], "features": ["vpin_by_bucket.imbalance"]}
    assert features.asof(**ask, kind="polars")["timestamp"].to_list() == [outside]
    assert features.asof(**ask, keep_excluded=True).num_rows == 2


def test_a_day_that_is_excluded_whole_leaves_the_others(engine: Any, tape: Tape) -> None:
    """Its columns had neither the types nor the names of the other days'."""
    day = moment(tape.trades[0]["timestamp"] * 1000).replace(hour=0, minute=0, second=0, microsecond=0)
    after = day + dt.timedelta(days=1)
    key = "('binance', 'spot', 'ASOFUSDT'"
    engine.client.command(
        "INSERT INTO marketprism_features.excluded_by_hand (exchange, market_type, symbol, from_time, to_time, reason) "
        f"VALUES {key}, '{day:%F %T}', '{after - dt.timedelta(milliseconds=1):%F %T.%f}', 'a test')"
    )
    try:
        features = Features(engine.client)
        names = ["vpin_by_bucket.quality", "unified_features_by_bucket.quality", "vpin_by_bucket.vpin"]
        times = [day + dt.timedelta(hours=22), after + dt.timedelta(minutes=20)]
        got = features.asof([ENTITY] * 2, times, names, max_age=dt.timedelta(hours=1), kind="polars")
        alone = features.asof([ENTITY], times[1:], names, max_age=dt.timedelta(hours=1), kind="polars")
        assert got.equals(alone)
        assert got.height == 1
        nothing = features.asof([ENTITY], times[:1], names, kind="polars")
        assert (nothing.height, nothing.columns) == (0, got.columns)
    finally:
        engine.client.command(f"DELETE FROM marketprism_features.excluded_by_hand WHERE symbol = '{ENTITY[2]}'")


def test_age_limits_of_one_view_have_an_age_each(engine: Any, tape: Tape) -> None:
    at = moment(tape.trades[-1]["received_at"] + 2_000_000)
    limits = {"vpin_by_bucket.vpin": 60 * MINUTE, "vpin_by_bucket.imbalance": dt.timedelta(microseconds=1)}
    features = Features(engine.client)
    got = features.asof([ENTITY], [at], list(limits), max_age=limits, keep_excluded=True, kind="polars").to_dicts()[0]
    assert got["vpin"] is not None
    assert got["vpin_by_bucket.vpin_age_ms"] >= 2_000
    assert (got["imbalance"], got["vpin_by_bucket.imbalance_age_ms"]) == (None, None)
    with pytest.raises(QueryError, match=r"'vpin_by_bucket\.vpn', which is not among"):
        features.asof([ENTITY], [at], list(limits), max_age={"vpin_by_bucket.vpn": MINUTE})


class Spy:
    """A client that remembers how many rows each answer had."""

    def __init__(self, client: Any) -> None:
        self._client, self.rows = client, list[int]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def query_arrow(self, *given: Any, **named: Any) -> Any:
        table = self._client.query_arrow(*given, **named)
        self.rows.append(table.num_rows)
        return table


def test_a_range_is_read_day_by_day(engine: Any, tape: Tape) -> None:
    """No answer holds more than a day of the feature, so a year takes the memory of a day."""
    spy = Spy(engine.client)
    start, end = moment(tape.trades[0]["timestamp"] * 1000), moment(tape.trades[-1]["timestamp"] * 1000)
    assert start.date() < end.date()
    limit = dt.timedelta(seconds=90)
    got = Features(spy).panel(
        [ENTITY], start, end, dt.timedelta(seconds=7), ["vpin_1m.vpin_approx"], max_age=limit, kind="polars"
    )
    minutes = engine.rows(
        f"SELECT available_at FROM marketprism_features.vpin_1m WHERE symbol = '{ENTITY[2]}' AND market_type = 'spot'"
    )
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    days = [
        sum(row["available_at"] < midnight for row in minutes),
        sum(row["available_at"] >= midnight - limit for row in minutes),
    ]
    assert max(spy.rows) <= max(days) < len(minutes)
    assert got["timestamp"].diff().drop_nulls().min() >= dt.timedelta(seconds=7)
    assert got["timestamp"].is_sorted()
    assert got["vpin_approx"].drop_nulls().len() > 0


def test_every_column_of_every_view_can_be_asked_for(engine: Any, tape: Tape) -> None:
    at = moment(tape.trades[-1]["received_at"])
    run_job(engine.client, trade_clusters, at)
    columns = engine.client.query(
        "SELECT table, groupArray(name) FROM system.columns WHERE database = 'marketprism_features' "
        "AND match(table, '^[a-z]') AND NOT match(table, '_(mv|between)$') GROUP BY table "
        "HAVING has(groupArray(name), 'available_at')"
    ).result_rows
    features = Features(engine.client)
    answered = {}
    for view, names in columns:
        asked = [f"{view}.{name}" for name in names if name not in ("exchange", "market_type", "symbol")]
        instant = at + dt.timedelta(minutes=1)
        if view in ("footprint_candidates", "footprint_clusters", "reference_venues"):
            with pytest.raises(QueryError, match=f"{view} has not one row per instrument and time"):
                features.asof([ENTITY], [instant], asked)
        else:
            frame = features.asof([ENTITY], [instant], asked, max_age=2 * HOUR, keep_excluded=True, kind="polars")
            answered[view] = frame[f"{view}_age_ms"][0]
    assert len(answered) > 40
    assert {view for view, age in answered.items() if age is None} == {
        *("latest_buckets", "latest_details", "latest_features", "latest_impact", "latest_minutes"),
        *("recent_buckets", "recent_features", "serving_features"),
    }  # tables that have the newest rows alone: today's


def test_kinds_and_refusals(engine: Any, tape: Tape) -> None:
    features = Features(engine.client)
    at = moment(tape.trades[-1]["received_at"])
    frame = features.asof([ENTITY], [at], ["vpin_by_bucket.imbalance"], keep_excluded=True, kind="pandas")
    assert list(frame["symbol"]) == [ENTITY[2]]
    whole = features.asof([ENTITY], [at], ["marketprism_features.vpin_by_bucket.imbalance"], keep_excluded=True)
    assert whole["imbalance"].to_pylist() == list(frame["imbalance"])
    assert isinstance(features.latest("polars"), pl.DataFrame)
    with pytest.raises(QueryError, match="no feature 'nothing'"):
        features.asof([ENTITY], [at], ["nothing.vpin"])
    for name in ("bucket_labels.return_30s", "marketprism_labels.bucket_labels.return_30s"):
        with pytest.raises(QueryError, match="bucket_labels looks ahead"):
            features.asof([ENTITY], [at], [name])
    with pytest.raises(QueryError, match="vpin_by_bucket has no column nothing"):
        features.asof([ENTITY], [at], ["vpin_by_bucket.nothing"])
    with pytest.raises(QueryError, match="one timestamp per entity"):
        features.asof([ENTITY], [at, at], ["vpin_by_bucket.vpin"])
    with pytest.raises(QueryError, match="positive step"):
        features.panel([ENTITY], at, at + MINUTE, dt.timedelta(0))
