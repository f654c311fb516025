"""No feature knows the future: cut at random instants, every row available before the cut is what it is in all data."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.catalogue_tape import Tape, make_tape
from tests.sql.truncation.cuts import (
    EXEMPT,
    OF_ONE,
    PANELS,
    Cut,
    Rows,
    catalogue,
    differences,
    make_cuts,
    parameterised,
    read,
    read_with,
    slow_clock,
)

CUTS = 20
pytestmark = pytest.mark.timeout(600)
LEAK = """
CREATE VIEW marketprism_features.planted_leak AS
SELECT *, leadInFrame(close) OVER (
    PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING
) AS next_close FROM marketprism_features.unified_buckets WHERE is_closed
"""
THRESHOLD = """
CREATE VIEW marketprism_features.planted_threshold AS
SELECT u.*, u.vol > quantile(0.9)(u.vol) OVER (PARTITION BY exchange, market_type, symbol) AS is_large
FROM marketprism_features.unified_buckets AS u WHERE is_closed
"""


@pytest.fixture(scope="module")
def tape() -> Tape:
    return slow_clock(make_tape("CUT", 91, count=2200))


@pytest.fixture(scope="module")
def cuts(engine: Any, tape: Tape) -> list[Cut]:
    return make_cuts(engine.client, tape, CUTS, seed=5)


def compare(engine: Any, view: str, columns: list[str], tape: Tape, cuts: list[Cut]) -> tuple[int, list[str]]:
    """(rows compared, differences) of one view over all cuts."""
    return over_cuts(view, read(engine.client, view, columns, tape), tape, cuts)


def over_cuts(view: str, rows: dict[str, Rows], tape: Tape, cuts: list[Cut]) -> tuple[int, list[str]]:
    """The same of rows that were read."""
    assert tape.hole is not None
    hole_us = tape.hole[1] * 1000
    whole, compared, found = rows[tape.symbol], 0, []
    for cut in cuts:
        compared += sum(row["available_us"] is not None and row["available_us"] <= cut.at_us for row in whole.values())
        for difference in differences(whole, rows.get(cut.symbol, {}), cut, hole_us):
            found.append(f"{view} {cut.symbol}: {difference}")
    return compared, found


def test_every_feature_over_every_cut(engine: Any, tape: Tape, cuts: list[Cut]) -> None:
    views = catalogue(engine.client)
    assert len(views) >= 30
    found: list[str] = []
    for view, columns in views.items():
        compared, differs = compare(engine, view, columns, tape, cuts)
        assert compared > 0, f"{view}: nothing to compare"
        found += differs
    print(f"{len(views)} features x {len(cuts)} cuts: {len(found)} differences")
    assert found == []


@pytest.mark.parametrize("view", [*PANELS, *OF_ONE])
def test_every_parameterised_view_over_every_cut(engine: Any, tape: Tape, cuts: list[Cut], view: str) -> None:
    compared, found = over_cuts(view, read_with(engine.client, view, tape, cuts), tape, cuts)
    print(f"{view}: {compared} rows, {len(found)} differences")
    assert compared > 1000
    assert found == []


def test_every_parameterised_view_is_compared_or_exempt(engine: Any) -> None:
    compared = {*PANELS, *OF_ONE}
    assert parameterised(engine.client) - EXEMPT.keys() == compared


@pytest.mark.parametrize("statement", [LEAK, THRESHOLD], ids=["next_row", "whole_sample_threshold"])
def test_a_planted_leak_is_found(engine: Any, tape: Tape, cuts: list[Cut], statement: str) -> None:
    name = statement.split(".")[1].split()[0]
    engine.client.command(statement)
    try:
        _, found = compare(engine, name, catalogue(engine.client)[name], tape, cuts)
    finally:
        engine.client.command(f"DROP VIEW marketprism_features.{name}")
    assert found


def test_what_is_exempt_exists(engine: Any) -> None:
    names = {
        row["name"] for row in engine.rows("SELECT name FROM system.tables WHERE database = 'marketprism_features'")
    }
    assert set(EXEMPT) <= names
