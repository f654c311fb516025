"""Volatility of an hour and of a day on a tape with every edge; its pauses are closed, so that an hour fills."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.sql.catalogue_tape import MINUTE_MS, Tape, by_minute, epoch_us, insert, make_tape, same, touched
from tests.sql.rows import assign_buckets, trade
from tests.sql.tape import EVENING_MS
from tests.sql.test_catalogue_volatility import measures

STEP_MS = 2500


@pytest.fixture(scope="module")
def tape(engine: Any) -> Tape:
    """Two hours across midnight, 24 trades a minute, the first of them on its first millisecond."""
    rows = make_tape("HOURUSDT", 31, count=3000).trades
    for number, row in enumerate(rows):
        at = EVENING_MS + number * STEP_MS
        row["received_at"] += (at - row["timestamp"]) * 1000
        row["timestamp"] = at
    hole = (rows[2000]["timestamp"], rows[2000]["timestamp"] + MINUTE_MS)
    made = Tape("HOURUSDT", assign_buckets(rows, Decimal(25)), [], [], hole)
    insert(engine.client, made)
    return made


def closes(tape: Tape) -> dict[dt.datetime, float]:
    return {at: float(rows[-1]["price"]) for at, rows in by_minute(tape.trades).items()}


def test_the_last_hour(engine: Any, tape: Tape) -> None:
    rows = {row["ts_1m"]: row for row in engine.feature("volatility_1m", tape.symbol, "ts_1m")}
    ends = closes(tape)
    assert list(rows) == list(ends)
    steps = [math.log(later / earlier) for earlier, later in itertools.pairwise(ends.values())]
    qualities = set()
    for position, (at, row) in enumerate(rows.items()):
        window = list(ends)[max(0, position - 59) : position + 1]
        receipts = [each["received_at"] for each in tape.trades if each["timestamp"] < epoch_us(at) / 1000 + MINUTE_MS]
        assert epoch_us(row["available_at"]) == max(epoch_us(at) + 60_000_000, *receipts)
        holed = any(touched(tape, each) for each in window)
        assert row["quality"] == ("gap" if holed else "warmup" if position < 60 else "ok")
        qualities.add(row["quality"])
        if position < 60:
            assert row["realised_variance"] is None
            continue
        for name, value in measures(np.array(steps[position - 60 : position])).items():
            assert same(row[name], value, rel=1e-8), (name, at)
    assert qualities == {"ok", "warmup", "gap"}


def test_each_day(engine: Any, tape: Tape) -> None:
    rows = {row["day"]: row for row in engine.feature("volatility_1d", tape.symbol, "day")}
    assert len(rows) == 2, "the tape crosses midnight"
    for day, row in rows.items():
        prices = [price for at, price in closes(tape).items() if at.date() == day]
        expected = measures(np.diff(np.log(prices)))
        assert row["n_returns"] == len(prices) - 1
        for name in expected.keys() - {"lee_mykland"}:
            assert same(row[name], expected[name], rel=1e-8), (name, day)
        holed = any(touched(tape, at) for at in closes(tape) if at.date() == day)
        assert row["quality"] == ("gap" if holed else "warmup")
    assert len({row["quality"] for row in rows.values()}) == 2


def test_a_hole_is_no_return_and_no_window_over_it_is_ok(engine: Any) -> None:
    """A trade a minute, none for an hour that was missed, and the price a third higher after it."""
    rng = np.random.default_rng(5)
    midnight = EVENING_MS + 60 * MINUTE_MS
    minutes = [n for n in range(1440) if not 700 <= n < 760]
    prices = [f"{(130 if n >= 760 else 100) + rng.integers(-20, 20) / 100:.2f}" for n in minutes]
    rows = [
        trade(n, midnight + at * MINUTE_MS + 500, price, "1", "buy" if n % 3 else "sell")
        for n, (at, price) in enumerate(zip(minutes, prices, strict=True), start=1)
    ]
    hole = (midnight + 700 * MINUTE_MS, midnight + 760 * MINUTE_MS - 1000)
    insert(engine.client, Tape("MISSEDUSDT", assign_buckets(rows, Decimal(25)), [], [], hole))
    (row,) = engine.feature("volatility_1d", "MISSEDUSDT", "day")
    logs = np.log(np.array(prices, float))
    expected = measures(np.concatenate([np.diff(logs[:700]), np.diff(logs[700:])]))
    assert (row["n_returns"], row["quality"]) == (1378, "gap")
    for name in expected.keys() - {"lee_mykland"}:
        assert same(row[name], expected[name], rel=1e-8), name
    exact = engine.rows(
        "SELECT * FROM marketprism_features.vpin_exact(exchange = 'binance', market_type = 'spot', "
        f"symbol = 'MISSEDUSDT', day = '{row['day']}', bucket_volume = '2') ORDER BY bucket_seq"
    )
    assert len(exact) == 690
    for number, each in enumerate(exact):  # buckets 0 to 349 are of before the hole
        over = number >= 350 > number - 49
        assert each["quality"] == ("gap" if over else "warmup" if number < 49 else "ok"), number
