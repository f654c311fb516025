"""Errors are shown where they are: line and column out of what ClickHouse, sqlglot and the guard say."""

from __future__ import annotations

import pytest

from monitors.web.catalogue import around
from monitors.web.sqlbox import place_of

SQL = "SELECT symbol,\n  vpinn\nFROM marketprism_features.latest_featurez\nWHERE sleepy(1) > foo.bar"


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("Syntax error: failed at position 16 ('vpinn') (line 2, col 3): vpinn", (2, 3, None)),
        ("Expecting ). Line 3, Col: 7. FROM x", (3, 7, None)),
        ("Unknown expression identifier `vpinn`. In scope SELECT symbol, vpinn FROM x", (2, 3, 5)),
        ("Unknown table expression identifier 'marketprism_features.latest_featurez' in scope", (3, 6, 36)),
        ("Function with name `sleepy` does not exist", (4, 7, 6)),
        ("function sleepy is not for this user, or not known", (4, 7, 6)),
        ("table marketprism_features.latest_featurez is not for this user", (3, 6, 36)),
        ("Memory limit exceeded", (None, None, None)),
        ("Unknown expression identifier `elsewhere`", (None, None, None)),
    ],
)
def test_place(said: str, place: tuple[int | None, int | None, int | None]) -> None:
    assert place_of(SQL, said) == place


def test_lineage_around_an_object_goes_up_to_the_sources_and_one_step_down() -> None:
    edges = [("raw", "a"), ("a", "b"), ("other", "b"), ("b", "c"), ("c", "d"), ("x", "y")]
    assert set(around("b", edges)) == {("raw", "a"), ("a", "b"), ("other", "b"), ("b", "c")}
