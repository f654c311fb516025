"""Freezing: what is written for the symbol-days of a midnight, and what a second look makes of it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from storage_service.buckets.book import DayRequest
from storage_service.buckets.freeze import Freezer
from storage_service.buckets.resolve import ConfigRow, Defaults, resolve

EPOCH = date(1970, 1, 1)
PRICE = 100 * 10**12


class Table:
    """``bucket_days`` as a warehouse that answers from what was inserted."""

    def __init__(self) -> None:
        self.inserts: dict[str, pa.RecordBatch] = {}

    async def insert(self, _: str, batch: pa.RecordBatch, names: list[str], token: str) -> None:
        assert batch.schema.names == names
        self.inserts.setdefault(token, batch)

    async def rows(self, query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        if "bucket_config" in query:
            return []
        stored = [
            row for batch in self.inserts.values() for row in batch.to_pylist() if row["day"] in parameters["days"]
        ]
        return [(*list(row.values())[:3], (row["day"] - EPOCH).days, *list(row.values())[4:-1]) for row in stored]


async def test_a_thousand_symbols_at_midnight_are_one_insert() -> None:
    table = Table()
    freezer = Freezer(table, Defaults({"*": 1_000_000.0}))  # type: ignore[arg-type]
    requests = [DayRequest(("deribit", "option", f"BTC-{n}-C"), 20_000, "trade", PRICE) for n in range(1_000)]
    plans = await freezer.plans(requests)
    assert [batch.num_rows for batch in table.inserts.values()] == [1_000]
    assert {plan.q_bucket for _, _, plan in plans} == {10_000 * 10**12}
    more = [*requests, DayRequest(("deribit", "option", "NEW"), 20_000, "trade", PRICE)]
    assert (await freezer.plans(more))[:1_000] == plans
    assert [batch.num_rows for batch in table.inserts.values()] == [1_000, 1]


def _config(**changes: Any) -> ConfigRow:
    given = {"mode": "volume", "q_bucket": 5 * 10**12, "n_trades": 0, "n_updates": 0, "n_min": 0, "t_target_s": 30.0}
    times = {"t_max_s": 60.0, "valid_from": 0, "valid_to": 10**15, "version": 1}
    return ConfigRow(**{**given, **times, **changes})


@pytest.mark.parametrize(
    "unusable", [{"t_max_s": 10_000_000.0}, {"mode": "event", "n_updates": 9}, {"q_bucket": 0}, {"q_bucket": 10**38}]
)
def test_a_row_that_cannot_be_used_does_not_hide_one_that_can(unusable: dict[str, Any]) -> None:
    """A time limit beyond what ``bucket_days`` holds halted every worker of trades at the next midnight."""
    request = DayRequest(("binance", "spot", "BTCUSDT"), 20_000, "trade", PRICE)
    newer = _config(**{"version": 2, **unusable})
    plan = resolve(request, [newer, _config()], Defaults({}))
    assert (plan.source, plan.config_version, plan.q_bucket) == ("config", 1, 5 * 10**12)
    assert resolve(request, [newer], Defaults({})).source == "time"


async def test_days_of_two_months_are_an_insert_each() -> None:
    table = Table()
    days = [DayRequest(("binance", "spot", "BTCUSDT"), day, "trade", PRICE) for day in range(20_000, 20_031)]
    await Freezer(table, Defaults({})).plans(days)  # type: ignore[arg-type]
    assert [{row["day"].month for row in batch.to_pylist()} for batch in table.inserts.values()] == [{10}, {11}]
