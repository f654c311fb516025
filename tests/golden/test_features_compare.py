"""The comparison of features finds a value, a column, a row and a type that is not what it should be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.golden.independent_features import Print, fold, profile
from tests.golden.replayed import differences

KEY = {"symbol": "BTCUSDT"}
ROW: dict[str, Any] = {"bucket_id": 7, "vol": Decimal("0.1"), "vpin": 0.25, "is_closed": True, "cut": None}


def test_equal_rows_have_no_difference() -> None:
    stored = {**KEY, **ROW, "vpin": 0.25 * (1 + 1e-13), "vol": Decimal("0.100000000000")}
    assert differences([stored], [ROW], KEY) == []


@pytest.mark.parametrize(
    "damage",
    [
        {"vol": Decimal("0.100000000001")},
        {"vpin": 0.25 * (1 + 1e-11)},
        {"vpin": None},
        {"cut": 0.0},
        {"is_closed": 1},
        {"symbol": "ETHUSDT"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_damage_is_found(damage: dict[str, Any]) -> None:
    assert differences([{**KEY, **ROW, **damage}], [ROW], KEY)


def test_missing_row_and_column_are_found() -> None:
    assert differences([], [ROW], KEY)
    assert differences([{key: value for key, value in {**KEY, **ROW}.items() if key != "vpin"}], [ROW], KEY)


def test_the_loop_by_hand() -> None:
    """q = 10, limit 1 s: a volume cut takes its crossing trade whole, a trade at the limit opens the next."""
    noon = 1_723_118_400_000
    told = ((0, "4"), (10, "7"), (10, "1"), (1009, "1"), (1010, "1"))
    prints = [
        Print(number, noon + time, 0, Decimal(100), Decimal(quantity), True)
        for number, (time, quantity) in enumerate(told)
    ]
    buckets = fold(prints, {20240808: (Decimal(10), 1000)})
    assert [([each.sequence for each in bucket.prints], bucket.cut) for bucket in buckets] == [
        ([0, 1], "volume"),
        ([2, 3], ""),
        ([4], ""),
    ]


def test_the_value_area_by_hand() -> None:
    """2 3 [5] 3 1 of 14: 5, then up 3 (a tie goes up), then down 3 makes 11 of 14, more than 70 %."""
    bins = [{"px": float(px), "total_vol": Decimal(vol)} for px, vol in enumerate((2, 3, 5, 3, 1))]
    area = profile(bins)
    assert (area["poc_px"], area["value_area_low"], area["value_area_high"], area["value_area_vol"]) == (2, 1, 3, 11)
