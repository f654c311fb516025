"""Ranges of missing sequences: what is left of them when some are stored."""

from __future__ import annotations

import pytest

from storage_service.holes_left import united, without


def test_spans_become_one_where_they_touch() -> None:
    assert united([(8, 9), (1, 3), (4, 5), (2, 2), (12, 12)]) == [(1, 5), (8, 9), (12, 12)]


@pytest.mark.parametrize(
    ("stored", "left"),
    [
        ([], [(3, 6), (9, 9)]),
        ([(1, 2), (7, 8), (10, 20)], [(3, 6), (9, 9)]),
        ([(1, 3)], [(4, 6), (9, 9)]),
        ([(4, 5)], [(3, 3), (6, 6), (9, 9)]),
        ([(3, 3), (6, 6)], [(4, 5), (9, 9)]),
        ([(1, 8)], [(9, 9)]),
        ([(1, 20)], []),
    ],
)
def test_what_is_stored_is_no_hole(stored: list[tuple[int, int]], left: list[tuple[int, int]]) -> None:
    assert without([(3, 6), (9, 9)], stored) == left
