"""The features that others are made of, on a tape with every edge: boundary, hole, late row, duplicate batch.

The late row is inserted last, as it arrives; one batch of trades and the books come twice under one token.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from tests.sql.catalogue_tape import Tape, book_rows, by_minute, epoch_us, insert_quiet, make_tape, same, touched
from tests.sql.rows import trades_table
from tests.sql.tape import Rows, by_bucket, flow, impact, mids
from tests.sql.test_footprints import value_area

SYMBOL = "EDGESUSDT"


@pytest.fixture(scope="module")
def tape(engine: Any) -> Tape:
    made = make_tape(SYMBOL, 21, count=3000)
    (late,) = (row for row in made.trades if row["late"])
    in_time = [row for row in made.trades if not row["late"]]
    batches = [in_time[start : start + 700] for start in range(0, len(in_time), 700)]
    sent = [("trades", trades_table(batch, SYMBOL)) for batch in [*batches, [late]]]
    sent.append(("orderbooks", book_rows(made)))
    for number, (name, table) in enumerate(sent):
        settings = {"insert_deduplication_token": f"{SYMBOL}{number}", "async_insert": 0}
        settings["deduplicate_blocks_in_dependent_materialized_views"] = 1
        for _ in range(2 if number == 2 or name == "orderbooks" else 1):
            engine.client.insert_arrow(f"marketprism_hot.{name}", table, settings=settings)
    insert_quiet(engine.client, [Tape(SYMBOL, [], [], made.quotes, made.hole)])
    return made


def test_the_tape_has_every_edge(engine: Any, tape: Tape) -> None:
    counted = {
        name: engine.rows(f"SELECT count() AS n FROM marketprism_hot.{name} WHERE symbol = '{SYMBOL}'")[0]["n"]
        for name in ("trades", "orderbooks")
    }
    assert counted == {"trades": len(tape.trades), "orderbooks": len(tape.books)}, "what came twice is there once"
    assert any(row["timestamp"] % 60_000 == 0 for row in tape.trades)
    assert sum(touched(tape, at) for at in by_minute(tape.trades)) >= 1


def test_buckets_and_their_quality(engine: Any, tape: Tape) -> None:
    rows = {row["bucket_id"]: row for row in engine.feature("unified_buckets", SYMBOL)}
    buckets = by_bucket(tape.trades)
    assert list(rows) == list(buckets)
    assert tape.hole is not None
    start, end = (stamp // 1000 * 1000 for stamp in tape.hole)  # gaps rows of this test hold whole seconds
    for key, trades in buckets.items():
        row, times = rows[key], [each["timestamp"] for each in trades]
        assert (row["vol"], row["buy_vol"], row["notional"]) == flow(trades)
        assert (row["open"], row["close"]) == (Decimal(trades[0]["price"]), Decimal(trades[-1]["price"]))
        assert epoch_us(row["available_at"]) >= max(each["received_at"] for each in trades)
        assert row["quality"] == ("gap" if start <= max(times) and end >= min(times) else "ok")
    assert {"ok", "gap"} == {row["quality"] for row in rows.values()}


def test_impact_and_toxicity(engine: Any, tape: Tape) -> None:
    expected = impact(by_bucket(tape.trades))
    vpin = {row["bucket_id"]: row for row in engine.feature("vpin_by_bucket", SYMBOL)}
    kyle = {row["bucket_id"]: row for row in engine.feature("kyle_lambda_by_bucket", SYMBOL)}
    assert list(vpin) == list(kyle) == list(expected)
    for key, values in expected.items():
        assert same(vpin[key]["vpin"], values["vpin"])
        for name in ("kyle_lambda", "amihud_illiq", "kyle_lambda_ols", "kyle_r2"):
            assert same(kyle[key][name], values[name]), (key, name)
    assert {"ok", "gap", "warmup"} >= {row["quality"] for row in vpin.values()} >= {"gap", "warmup"}


@pytest.mark.parametrize(("suffix", "key"), [("by_bucket", "bucket_id"), ("1m", "ts_1m")])
def test_footprints(engine: Any, tape: Tape, suffix: str, key: str) -> None:
    groups: dict[Any, Rows] = dict(by_bucket(tape.trades) if key == "bucket_id" else by_minute(tape.trades))
    got: dict[Any, dict[int, tuple[Decimal, Decimal, int]]] = defaultdict(dict)
    for row in engine.feature(f"footprint_{suffix}", SYMBOL, f"{key}, px_bin"):
        got[row[key]][row["px_bin"]] = (row["ask_vol"], row["bid_vol"], row["trades"])
    profiles = {row[key]: row for row in engine.feature(f"footprint_profile_{suffix}", SYMBOL, key)}
    assert list(got) == list(profiles) == list(groups)
    for at, trades in groups.items():
        bins: dict[int, list[Any]] = defaultdict(lambda: [Decimal(0), Decimal(0), 0])
        for row in trades:
            cell = bins[row["price_tick"]]
            cell[row["side"] == "sell"] += Decimal(row["quantity"])
            cell[2] += 1
        assert got[at] == {tick: tuple(cell) for tick, cell in bins.items()}
        poc, low, high = value_area({tick: cell[0] + cell[1] for tick, cell in bins.items()})
        shown = (profiles[at][name] for name in ("poc_px", "value_area_low", "value_area_high"))
        assert tuple(shown) == (poc / 2, low / 2, high / 2)


def test_minutes_and_seconds(engine: Any, tape: Tape) -> None:
    minutes = {row["ts_1m"]: row for row in engine.feature("trades_1m", SYMBOL, "ts_1m")}
    assert list(minutes) == list(by_minute(tape.trades))
    for at, trades in by_minute(tape.trades).items():
        row, (volume, buys, notional) = minutes[at], flow(trades)
        assert (row["total_volume"], row["buy_volume"], row["notional"]) == (volume, buys, notional)
        assert (row["trade_count"], row["close"]) == (len(trades), Decimal(trades[-1]["price"]))
        known = max(epoch_us(at) + 60_000_000, *(each["received_at"] for each in trades))
        assert epoch_us(row["available_at"]) == known
    seconds: dict[int, Rows] = defaultdict(list)
    for each in tape.trades:
        seconds[each["timestamp"] // 1000].append(each)
    rows = engine.rows(
        "SELECT toUnixTimestamp(ts_1s) AS at, sum(trades) AS trades, sum(vol) AS vol, sum(buy_vol) AS buy_vol, "
        "sum(notional) AS notional, argMinMerge(open) AS open, argMaxMerge(close) AS close "
        f"FROM marketprism_features.flow_1s WHERE symbol = '{SYMBOL}' GROUP BY ts_1s ORDER BY ts_1s"
    )
    assert [row["at"] for row in rows] == sorted(seconds)
    for row in rows:
        trades = seconds[row["at"]]
        assert (row["vol"], row["buy_vol"], row["notional"], row["trades"]) == (*flow(trades), len(trades))
        assert (row["open"], row["close"]) == (Decimal(trades[0]["price"]), Decimal(trades[-1]["price"]))


def test_mids(engine: Any, tape: Tape) -> None:
    for row, given in zip(engine.feature("lob_top5", SYMBOL, "sequence"), tape.books, strict=True):
        assert row["mid_price"] == ((given["bids"][0][0] + given["asks"][0][0]) / 2 if given["asks"] else None)
    rows = {row["ts_1m"]: row for row in engine.feature("mid_1m", SYMBOL, "ts_1m")}
    expected = by_minute([row for row in tape.books if row["asks"]])
    assert list(rows) == list(expected)
    for at, books in expected.items():
        values = [(each["bids"][0][0] + each["asks"][0][0]) / 2 for each in books]
        assert (rows[at]["mid"], rows[at]["books"]) == (values[-1], len(values))
        assert same(rows[at]["mid_avg"], sum(values) / len(values), rel=1e-12)
    held = {row["bucket_id"]: row for row in engine.feature("mid_by_bucket", SYMBOL)}
    for key, (mid, mean, age) in mids(by_bucket(tape.trades), tape.books).items():
        assert (held[key]["mid"], held[key]["staleness_ms"]) == (mid, age)
        assert same(held[key]["mid_avg"], mean, rel=1e-12)


def test_minutes_that_a_hole_touches(engine: Any) -> None:
    """A hole that ends on the first millisecond of a minute touches it; told twice it counts once; repaired, never."""
    key = "'binance', 'spot', 'HOLEUSDT', 'sequence', 'trades'"

    def tell(number: int, start: str, end: str, repaired: int) -> None:
        engine.client.command(
            "INSERT INTO marketprism_hot.gaps (exchange, market_type, symbol, cause, of_type, timestamp, received_at, "
            "sequence, from_sequence, to_sequence, from_time, to_time, repaired) "
            f"VALUES ({key}, '2024-08-08 {end}', '2024-08-08 {end}', {number}, {number}, {number}, "
            f"'2024-08-08 {start}', '2024-08-08 {end}', {repaired})"
        )

    for number, start, end, repaired in (
        (1, "10:00:59.999", "10:02:00.000", 0),
        (1, "10:00:59.999", "10:02:00.000", 0),
        (2, "11:00:00.000", "11:00:00.001", 0),
        (3, "12:00:00.000", "12:05:00.000", 0),
        (3, "12:00:00.000", "12:05:00.000", 1),
    ):
        tell(number, start, end, repaired)
    rows = engine.feature("gap_minutes", "HOLEUSDT", "ts_1m")
    assert {row["of_type"] for row in rows} == {"trades"}
    expected = [dt.datetime(2024, 8, 8, hour, minute) for hour, minute in ((10, 0), (10, 1), (10, 2), (11, 0))]
    assert [row["ts_1m"].replace(tzinfo=None) for row in rows] == expected


def test_a_hole_of_years_is_told_on_the_days_that_have_trades(engine: Any) -> None:
    """A data directory that rested for two years: a million minutes of each symbol, and nothing to mark in them."""
    key = "'binance', 'spot', 'LONGHOLEUSDT'"
    start, day, end = dt.datetime(2022, 3, 4, 22, 30), dt.date(2023, 1, 1), dt.datetime(2024, 3, 5, 0, 20)
    engine.client.command(
        "INSERT INTO marketprism_hot.gaps (exchange, market_type, symbol, cause, of_type, timestamp, received_at, "
        "sequence, from_sequence, to_sequence, from_time, to_time, repaired) "
        f"VALUES ({key}, 'sequence', 'trades', '{end}', '{end}', 9, 1, 8, '{start}', '{end}', 0)"
    )
    engine.client.command(
        f"INSERT INTO marketprism_features.bucket_days (exchange, market_type, symbol, day) VALUES ({key}, '{day}')"
    )
    told = [row["ts_1m"].replace(tzinfo=None) for row in engine.feature("gap_minutes", "LONGHOLEUSDT", "ts_1m")]
    midnight = dt.datetime.combine(day, dt.time())
    stretches = ((start, 90), (midnight, 1440), (dt.datetime(2024, 3, 5), 21))
    assert told == [first + dt.timedelta(minutes=n) for first, minutes in stretches for n in range(minutes)]
