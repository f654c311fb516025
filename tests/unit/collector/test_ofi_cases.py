"""Order flow imbalance of the local book equals that of two other programs, to the digit (reference case ofi.json).

One level: thirteen values asserted by a TypeScript tracker's tests. Three levels: the multi-level function of the
Bristol Stock Exchange, run on twelve snapshots. A level is a rank, so the whole book is replaced from one to the next.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from collector.books import LocalBook
from collector.decimals import ONE
from tests.worked import case

Levels = list[tuple[str, str]]


@pytest.fixture(scope="module")
def worked(shared: Path) -> dict[str, Any]:
    return case(shared, "ofi")


def replacing(old: Levels, new: Levels) -> Levels:
    """The update that makes ``new`` of ``old``: what is gone has quantity 0."""
    kept = {price for price, _ in new}
    return [(price, "0") for price, _ in old if price not in kept] + new


def flows(books: list[tuple[Levels, Levels]]) -> list[list[int]]:
    """Order flow imbalance of each update of a book that goes through ``books``, by rank."""
    book = LocalBook()
    book.load(*books[0])
    out, before = [], list(book.ofi)
    for (old_bids, old_asks), (bids, asks) in pairwise(books):
        book.apply(replacing(old_bids, bids), replacing(old_asks, asks))
        out.append([now - was for now, was in zip(book.ofi, before, strict=True)])
        before = list(book.ofi)
    return out


def texts(levels: list[list[float]]) -> Levels:
    return [(str(price), str(quantity)) for price, quantity in levels]


@pytest.mark.parametrize("index", range(13))
def test_the_best_level(worked: dict[str, Any], index: int) -> None:
    assert len(worked["input"]["single"]) == 13
    tops = [worked["input"]["single"][index][name] for name in ("prev", "next")]
    books = [(texts([[bid, held]]), texts([[ask, offered]])) for bid, held, ask, offered in tops]
    assert flows(books)[0][0] == worked["expected"]["single"][index] * ONE


def test_three_levels(worked: dict[str, Any]) -> None:
    books = [(texts(each["bids"]), texts(each["asks"])) for each in worked["input"]["multi_snapshots"]]
    got = flows(books)
    assert [row[:3] for row in got] == [[e * ONE for e in row] for row in worked["expected"]["multi_e_per_level"]]
    assert [sum(level) for level in zip(*got, strict=True)][:3] == [e * ONE for e in worked["expected"]["multi_sum"]]
