"""Limits of whale and retail trades hold by the trade's own day, live and from an archive's SELECT alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from marketprism.errors import QueryError
from marketprism.order_flow import VIEW, Thresholds, apply_thresholds, read_thresholds, set_thresholds
from tests.sql.rows import trade

FAR = date(2031, 5, 2)
"""After everything that other tests store."""


def test_a_limit_holds_from_its_day_on(engine: Any, symbol: Callable[[], str]) -> None:
    client = engine.client
    text = client.query(f"SHOW CREATE TABLE {VIEW}").result_rows[0][0]
    assert read_thresholds(client) == [Thresholds()]
    assert not apply_thresholds(client), "the migrated view has the limits that hold without a row"
    name = symbol()
    try:
        assert set_thresholds(client, Thresholds(FAR, 2_000, 100), "small coins") == []
        assert not apply_thresholds(client)
        store(engine, name)
        assert sums(engine, name) == {
            date(2031, 5, 1): (Decimal(0), Decimal(600)),  # 200 + 400: up to 1,000 each; none reaches 50,000
            FAR: (Decimal(2_500), Decimal(0)),
        }
        query = f"SELECT as_select FROM system.tables WHERE name = '{VIEW.partition('.')[2]}'"
        select = client.query(query).result_rows[0][0]
        replayed = engine.rows(
            "SELECT toDate(ts_1m) AS day, sum(whale_buy_notional) AS whale, sum(retail_buy_notional) AS retail "
            f"FROM ({select}) WHERE symbol = '{name}' GROUP BY day"
        )
        assert {row["day"]: (row["whale"], row["retail"]) for row in replayed} == sums(engine, name)
        with pytest.raises(QueryError, match=r"minutes of 1 days from 2031-05-02"):
            set_thresholds(client, Thresholds(FAR, 3_000, 100), "again")
        assert set_thresholds(client, Thresholds(FAR, 3_000, 100), "again", over_stored=True) == [FAR]
        assert read_thresholds(client) == [Thresholds(), Thresholds(FAR, 3_000, 100)]
        with pytest.raises(QueryError, match="0 < retail < whale"):
            set_thresholds(client, Thresholds(FAR, 100, 100), "overlap")
    finally:
        client.command("TRUNCATE TABLE marketprism_features.order_flow_thresholds")
        apply_thresholds(client)
        engine.forget(name)
    again = client.query(f"SHOW CREATE TABLE {VIEW}").result_rows[0][0]
    assert again.partition("AS SELECT")[2] == text.partition("AS SELECT")[2]


def store(engine: Any, name: str) -> None:
    rows = []
    for n, (day, quantity) in enumerate([(1, "2"), (1, "4"), (1, "25"), (2, "2"), (2, "4"), (2, "25")]):
        at = int(datetime(2031, 5, day, 12, tzinfo=UTC).timestamp() * 1000) + n
        bucket = {"bucket_id": 20310500000001 + day * 1_000_000, "bucket_cut": "", "bucket_t_max_ms": 60_000}
        rows.append(trade(n + 1, at, "100", quantity, "buy", **bucket))
    engine.trades(name, rows)


def sums(engine: Any, name: str) -> dict[date, tuple[Decimal, Decimal]]:
    rows = engine.rows(
        "SELECT toDate(ts_1m) AS day, sum(whale_buy_quote) AS whale, sum(retail_buy_quote) AS retail "
        f"FROM marketprism_features.agg_trades_1m WHERE symbol = '{name}' GROUP BY day"
    )
    return {row["day"]: (row["whale"], row["retail"]) for row in rows}
