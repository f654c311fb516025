"""No feature knows the future: cut at random instants, every row available before the cut is what it is in all data."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.catalogue_tape import Tape
from tests.sql.truncation.comparing import WITHOUT_VALUE, Compared, over_cuts, summary
from tests.sql.truncation.cuts import Cut
from tests.sql.truncation.planted import (
    HIGHEST_OF_RANGE,
    NEXT_ROW,
    PLACE_FROM_THE_END,
    WHOLE_SAMPLE_THRESHOLD,
    planted,
)
from tests.sql.truncation.reading import (
    EXEMPT,
    OF_ONE,
    PANELS,
    catalogue,
    parameterised,
    read,
    read_range,
    read_with,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def judge(compared: list[Compared], cuts: list[Cut]) -> None:
    """Nothing differs, and of every column something was compared."""
    print(summary(compared, cuts))
    assert [difference for one in compared for difference in one.found] == []
    assert {one.view: one.empty() for one in compared if one.empty()} == {}, "NULL in every row that was compared"
    assert [one.view for one in compared if one.rows < 10] == []


def test_every_feature_over_every_cut(engine: Any, tape: Tape, cuts: list[Cut]) -> None:
    views = catalogue(engine.client)
    assert len(views) >= 30
    rows = ((view, read(engine.client, view, columns, tape)) for view, columns in views.items())
    judge([over_cuts(view, of_view, tape, cuts) for view, of_view in rows], cuts)


def test_every_range_form_over_every_cut(engine: Any, tape: Tape, cuts: list[Cut]) -> None:
    """Ranges that begin in the middle of the tape."""
    forms = {view: names for view, names in parameterised(engine.client).items() if view not in {*PANELS, *OF_ONE}}
    assert {"unified_features_since", "unified_features_1s_between", "unified_features_1m_between"} < forms.keys()
    rows = ((view, read_range(engine.client, view, names, tape)) for view, names in forms.items())
    judge([over_cuts(view, of_view, tape, cuts) for view, of_view in rows], cuts)


def some(view: str, cuts: list[Cut]) -> list[Cut]:
    """All cuts; of a view that reads every feature for one symbol, two that end near the tape's end."""
    return sorted(cuts, key=lambda cut: cut.at_us)[-2:] if view == "unified_features_last" else cuts


@pytest.mark.parametrize("view", [*PANELS, *OF_ONE])
def test_every_parameterised_view_over_every_cut(engine: Any, tape: Tape, cuts: list[Cut], view: str) -> None:
    cuts = some(view, cuts)
    judge([over_cuts(view, read_with(engine.client, view, tape, cuts), tape, cuts)], cuts)


@pytest.mark.parametrize("select", [NEXT_ROW, WHOLE_SAMPLE_THRESHOLD], ids=["next_row", "whole_sample_threshold"])
def test_a_planted_leak_is_found(engine: Any, tape: Tape, cuts: list[Cut], select: str) -> None:
    with planted(engine.client, select) as view:
        rows = read(engine.client, view, catalogue(engine.client)[view], tape)
    assert over_cuts(view, rows, tape, cuts).found


def test_a_leak_of_a_range_is_found(engine: Any, tape: Tape, cuts: list[Cut]) -> None:
    with planted(engine.client, HIGHEST_OF_RANGE) as view:
        rows = read_range(engine.client, view, parameterised(engine.client)[view], tape)
    assert all("highest" in difference for difference in over_cuts(view, rows, tape, cuts).found)
    assert over_cuts(view, rows, tape, cuts).found


def test_a_leak_of_the_newest_rows_is_found(engine: Any, tape: Tape, cuts: list[Cut]) -> None:
    cuts = some("unified_features_last", cuts)
    with planted(engine.client, PLACE_FROM_THE_END) as view:
        rows = read_with(engine.client, view, tape, cuts, OF_ONE["unified_features_last"])
    assert over_cuts(view, rows, tape, cuts).found


def test_a_column_without_a_value_is_told(engine: Any, tape: Tape, cuts: list[Cut]) -> None:
    """Equal NULLs prove nothing."""
    with planted(engine.client, "SELECT *, NULL AS never FROM marketprism_features.unified_buckets") as view:
        rows = read(engine.client, view, catalogue(engine.client)[view], tape)
    compared = over_cuts(view, rows, tape, cuts)
    assert (compared.found, compared.empty()) == ([], {"never"})


def test_what_is_exempt_exists(engine: Any) -> None:
    names = {
        row["name"] for row in engine.rows("SELECT name FROM system.tables WHERE database = 'marketprism_features'")
    }
    assert set(EXEMPT) <= names
    assert {*PANELS, *OF_ONE} <= parameterised(engine.client).keys()
    assert {view for view, _ in WITHOUT_VALUE} <= names
