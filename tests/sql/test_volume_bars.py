"""The bars of other packages, made by the storage service's fold and read from SQL (reference case volume_bars.json).

mlfinpy 0.1.2 pins an older pandas and numpy than the lock, so its numbers stand for it: bars of a volume and bars of a
count, the closing trade whole in the bar it closes, the sum begun again at 0, the unfinished last bar dropped. Only the
time limit is ours, and an hour is longer than the tape. polars-trading splits the crossing trade, as vpin_exact does.
"""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage_service.buckets.fold import DayState, Quantities, advance
from storage_service.buckets.plan import SCALE, DayPlan
from tests.sql.rows import assign_buckets, trade
from tests.sql.tape import Rows
from tests.worked import case

HOUR_MS = 3_600_000


def epoch_ms(text: str) -> int:
    moment = dt.datetime.fromisoformat(text.replace("/", "-")).replace(tzinfo=dt.UTC)
    return round(moment.timestamp() * 1000)


def tape(path: Path) -> Rows:
    with path.open() as file:
        return [
            trade(n, epoch_ms(row["Date and Time"]), row["Price"], row["Volume"], "buy", tick_size="0.25")
            for n, row in enumerate(csv.DictReader(file), start=1)
        ]


def folded(rows: Rows, plan: DayPlan) -> Rows:
    """The rows with the buckets that the storage service gives them."""
    times = np.array([row["timestamp"] for row in rows], dtype=np.int64)
    quantities = Quantities.of_integers([int(Decimal(row["quantity"]) * SCALE) for row in rows])
    assigned = advance(DayState(), plan.thresholds(), times, quantities)
    for row, ordinal, closing in zip(rows, assigned.ordinals.tolist(), assigned.closing.tolist(), strict=True):
        row.update(bucket_id=20110731 * 10**6 + ordinal, bucket_cut=plan.mode if closing else "")
        row["bucket_t_max_ms"] = HOUR_MS
    return rows


@pytest.mark.parametrize(
    ("bars", "plan"),
    [
        ("volume_30", DayPlan("trade", "volume", q_bucket=30 * SCALE, t_max_ms=HOUR_MS)),
        ("volume_20", DayPlan("trade", "volume", q_bucket=20 * SCALE, t_max_ms=HOUR_MS)),
        ("tick_10", DayPlan("trade", "count", n_trades=10, t_max_ms=HOUR_MS)),
    ],
    ids=["volume_30", "volume_20", "tick_10"],
)
def test_bars_equal_mlfinpy(engine: Any, symbol: Any, shared: Path, bars: str, plan: DayPlan) -> None:
    expected = case(shared, "volume_bars")["expected"]["mlfinpy"][bars]
    name = symbol()
    rows = folded(tape(shared / "reference" / "cases" / "mlfinlab_tick_data.csv"), plan)
    engine.trades(name, rows, batches=3)
    made = engine.feature("unified_buckets", name)
    closed = [row for row in made if row["cut_trigger"] == plan.mode]
    assert len(made) - len(closed) <= 1, "all but the last are closed by their own limit"
    assert [row["trades"] for row in closed] == expected["cum_ticks"]
    names = {"open": "open", "high": "high", "low": "low", "close": "close", "vol": "volume"}
    for ours, theirs in (names | {"notional": "cum_dollar_value"}).items():
        assert [float(row[ours]) for row in closed] == expected[theirs], ours
    ends = [row["bucket_ts_end"].replace(tzinfo=dt.UTC) for row in closed]
    assert [round(end.timestamp() * 1000) for end in ends] == [epoch_ms(text) for text in expected["date_time"]]


def test_exact_buckets_equal_polars_trading(engine: Any, symbol: Any, shared: Path) -> None:
    worked = case(shared, "volume_bars")
    given, bars = worked["input"]["split_case"], worked["expected"]["split_case_polars_trading"]
    name = symbol()
    columns = (given["ts_ms"], given["tape_price"], given["qty_x100"])
    rows = [
        trade(n, ts, str(price), str(Decimal(hundredths) / 100), "buy" if n % 3 else "sell")
        for n, (ts, price, hundredths) in enumerate(zip(*columns, strict=True), start=1)
    ]
    engine.trades(name, assign_buckets(rows, Decimal(1000)))
    made = engine.rows(
        "SELECT * FROM marketprism_features.vpin_exact(exchange = 'binance', market_type = 'spot', "
        f"symbol = '{name}', day = '2025-10-09', bucket_volume = '5') ORDER BY bucket_seq"
    )
    full = [bar for bar in bars if bar["volume"] == given["bar_size"]]
    assert len(full) == len(bars) - 1, "polars-trading keeps the unfinished bar, vpin_exact does not"
    assert [row["buy_volume"] + row["sell_volume"] for row in made] == pytest.approx([5.0] * len(full), rel=1e-14)
    ends = [round(row["bucket_ts_end"].replace(tzinfo=dt.UTC).timestamp() * 1000) for row in made]
    assert ends == [bar["ts_event_end"] for bar in full]
