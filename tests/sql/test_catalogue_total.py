"""No view of the catalogue throws on the most extreme rows that pass validation, and windows of them stay finite."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.sql.catalogue_tape import Tape, insert
from tests.sql.rows import book, trade
from tests.sql.tape import EVENING_MS
from tests.sql.test_total import PRICE, QUANTITY, SMALLEST
from tests.sql.truncation.cuts import name_instruments
from tests.sql.truncation.reading import OF_INSTRUMENT, catalogue


@pytest.fixture(scope="module")
def filled(engine: Any) -> Any:
    trades, books = [], []
    for number in range(1, 121):
        price = (PRICE, SMALLEST)[number // 2 % 2]
        quantity = (QUANTITY, SMALLEST, "0")[number % 3]
        side = "buy" if number % 2 else "sell"
        row = trade(number, EVENING_MS + number * 30_000, price, quantity, side, tick_size=SMALLEST, price_tick=number)
        trades.append(
            {**row, "bucket_id": 20240808_000_000 + number, "bucket_cut": "volume", "bucket_t_max_ms": 60_000}
        )
        level = (999_999_999_999.0, 999_999_999_999_999_999.0) if number % 2 else (0.000000000001, 0.0)
        books.append(book(number, row["timestamp"] - 10, [level], [level, level]))
        books[-1].update(since=[level[1]] * 4, ofi=[-level[1]] * 5)
    insert(engine.client, Tape("EXTREMEUSDT", trades, books, [], None))
    name_instruments(engine.client, ["EXTREMEUSDT"])
    return engine


def test_every_view_reads_extreme_rows(filled: Any) -> None:
    views = catalogue(filled.client)
    assert len(views) >= 30
    for view in views:
        name = OF_INSTRUMENT.get(view, "symbol")
        rows = filled.rows(f"SELECT * FROM marketprism_features.{view} WHERE {name} = 'EXTREMEUSDT'")
        assert rows or view == "serving_features", view  # that one shows what the tables of the newest rows hold
        for row in rows:
            wrong = [name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
            assert not wrong, (view, wrong, row)


def test_labels_read_extreme_rows(filled: Any) -> None:
    rows = filled.rows("SELECT * FROM marketprism_labels.bucket_labels WHERE symbol = 'EXTREMEUSDT'")
    assert len(rows) == 120
    assert all(math.isfinite(value) for row in rows for value in row.values() if isinstance(value, float))
