"""A stretch of a view read through its range form is the same, row for row, as that stretch of the view itself."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from marketprism import ranges
from marketprism.feature_export import export_parquet

KEYS = [("binance", "spot", "RANGEUSDT"), ("binance", "spot", "RANGEIDLEUSDT")]
SAME = "(exchange, market_type, symbol) IN {keys:Array(Tuple(String, String, String))}"
FIRST = dt.datetime(2024, 5, 4)
"""The asked stretch: the days before hold more than its windows reach back to."""
_BUSY = {
    "RANGEUSDT": "timestamp < '2024-05-02 12:00:00' OR timestamp > '2024-05-03 06:00:00'",
    "RANGEIDLEUSDT": "timestamp < '2024-05-02 12:00:00' OR timestamp >= '2024-05-04'",  # the first step spans a day
}
_KEYS = "'binance' AS exchange, 'spot' AS market_type, '{symbol}' AS symbol"
_AT = (
    "toDateTime64('2024-05-01 00:00:00', 3, 'UTC') + toIntervalSecond(number * 30) AS timestamp, "
    "toDateTime64(timestamp, 6, 'UTC') + toIntervalMillisecond(sipHash64(number) % 900) AS received_at"
)
_MID = "1000 + sipHash64(number, 1) % 50"
TRADES = (
    "INSERT INTO marketprism_hot.trades (timestamp, received_at, exchange, market_type, symbol, data_source, sequence, "
    "price, quantity, native_quantity, side, is_market, bucket_id, bucket_t_max_ms) "
    f"SELECT {_AT}, {_KEYS}, 'archive', number, {_MID}, 1 + number % 3, 1 + number % 3, "
    "if(sipHash64(number) % 2, 'buy', 'sell'), 1, "
    "toUInt64(formatDateTime(timestamp, '%Y%m%d')) * 1000000 + intDiv(number % 2880, 6) + 1, 180000 "
    "FROM numbers(4 * 2880 + 200) WHERE {busy}"
)
BOOKS = (
    "INSERT INTO marketprism_hot.orderbooks (timestamp, received_at, exchange, market_type, symbol, data_source, "
    "sequence, best_bid_price, best_ask_price, bid_prices, bid_quantities, ask_prices, ask_quantities) "
    f"SELECT {_AT}, {_KEYS}, 'archive', number, mid - 0.5, mid + 0.5, "
    "arrayMap(n -> mid - 0.5 - n, range(20)), arrayMap(n -> 1 + sipHash64(n, number) % 9, range(20)), "
    "arrayMap(n -> mid + 0.5 + n, range(20)), arrayMap(n -> 1 + sipHash64(n, number, 2) % 9, range(20)) "
    f"FROM (SELECT number, {_MID} AS mid FROM numbers(4 * 2880 + 200)) WHERE {{busy}}"
)


@pytest.fixture(scope="module")
def filled(engine: Any) -> Any:
    for symbol, busy in _BUSY.items():
        for statement in (TRADES, BOOKS):
            engine.client.command(statement.format(symbol=symbol, busy=busy))
    return engine


def forms(client: Any) -> list[ranges.Form]:
    """The range form of every view that has one. Views that join whole features of others are as right as those are."""
    named = client.query(
        "SELECT table, groupArray(name) FROM system.columns WHERE database = 'marketprism_features' AND table IN "
        "(SELECT name FROM system.tables WHERE database = 'marketprism_features' AND engine = 'View' "
        "AND empty(parameterized_view_parameters) AND name NOT LIKE 'unified_features%') GROUP BY table ORDER BY table"
    ).result_rows
    found = (ranges.form_of(client, view, columns) for view, columns in named if set(columns) & set(ranges.GRAINS))
    return [form for form in found if form.parameters]


def test_a_stretch_through_the_range_form_is_that_of_the_view(filled: Any) -> None:
    tried, rows = set(), 0
    end = FIRST + dt.timedelta(days=1)
    for form in forms(filled.client):
        kept = (
            f"{SAME} AND {ranges.at_or_after(form, FIRST)} AND {ranges.before(form, end)} ORDER BY symbol, {form.grain}"
        )
        narrow = ranges.source(form, ranges.reach(filled.client, form, FIRST, KEYS), end)
        whole = filled.client.query(
            f"SELECT * FROM marketprism_features.{form.view} AS v WHERE {kept}", parameters={"keys": KEYS}
        )
        got = filled.client.query(
            f"SELECT {', '.join(whole.column_names)} FROM {narrow} AS v WHERE {kept}",
            parameters={"keys": KEYS},
        )
        for mine, theirs in zip(got.result_rows, whole.result_rows, strict=True):
            assert dict(zip(whole.column_names, mine, strict=True)) == dict(
                zip(whole.column_names, theirs, strict=True)
            ), form.view
        tried.add(form.view)
        rows += len(whole.result_rows)
    assert {"vpin_by_bucket", "kyle_lambda_by_bucket", "returns_1s", "returns_1m", "volatility_1m"} < tried
    assert {"quoted_trades", "impact_by_bucket", "book_features_by_bucket", "trade_flow_1m", "lob_dynamics_1m"} < tried
    assert rows > 20 * len(tried)


@pytest.mark.parametrize(
    ("view", "start", "stop"),
    [
        ("kyle_lambda_by_bucket", None, None),
        ("kyle_lambda_by_bucket", "2024-05-04T00:00:40", "2024-05-04T23:59:00"),
        ("returns_1m", "2024-05-02T11:58:30", None),
    ],
)
def test_an_export_in_pieces_is_the_view(
    filled: Any, tmp_path: Path, view: str, start: str | None, stop: str | None
) -> None:
    """In pieces of a day, and of as many as the windows of the idle instrument reach back to."""
    out = tmp_path / "rows.parquet"
    rows = export_parquet(filled.client, view, out, list(_BUSY), start, stop)
    whole = filled.client.query(
        f"SELECT * FROM marketprism_features.{view} WHERE {SAME} AND available_at >= {{start:String}} "
        "AND available_at < {stop:String}",
        parameters={"keys": KEYS, "start": start or "1970-01-02", "stop": stop or "2100-01-01"},
    )
    wanted = [dict(zip(whole.column_names, row, strict=True)) for row in whole.result_rows]
    got = pq.read_table(out).to_pylist()
    assert rows == len(got) == len(wanted) > 900
    for row in got:  # clickhouse-connect gives UTC without a zone
        row.update({name: value.replace(tzinfo=None) for name, value in row.items() if isinstance(value, dt.datetime)})

    def ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: (row["symbol"], row["available_at"], row.get("bucket_id", 0)))

    assert ordered(got) == ordered(wanted)
