# ruff: noqa: E501 — planted statements stay on one line so that a reader sees them whole
"""Arrays that give an element what comes after it; those that give it what came before pass."""

from __future__ import annotations

import pytest

from tests.unit.leaklint.pairs import Pairs, hold

KEY = "exchange, market_type, symbol"
DAYS = f"(SELECT {KEY}, toDate(ts) AS day, groupArray(ts) AS times, groupArray(v) AS p FROM f GROUP BY {KEY}, day)"
GROUP = f"GROUP BY {KEY}, toDate(ts)"


def _element(index: str) -> str:
    return f"SELECT arrayMap(i -> m[i] - {index}, arrayEnumerate(m)) AS steps FROM f"


# rule, leak, honest twin
PAIRS: Pairs = {
    "arrayElement": ("array-forward", _element("arrayElement(m, i + 1)"), _element("arrayElement(m, i - 1)")),
    "plus": ("array-forward", _element("m[plus(i, 1)]"), _element("m[minus(i, 1)]")),
    "less a negative": ("array-forward", _element("m[i - (-1)]"), _element("m[i - 1]")),
    "a number first": ("array-forward", _element("m[1 + i]"), _element("m[i]")),
    "a slice from its own place": (
        "array-forward",
        "SELECT arrayMap(i -> arrayAvg(arraySlice(m, i, 5)), arrayEnumerate(m)) AS means FROM f",
        "SELECT arrayMap(i -> arrayAvg(arraySlice(m, i - 4, 5)), arrayEnumerate(m)) AS means FROM f",
    ),
    "a slice to the end": (
        "array-forward",
        "SELECT arrayMap(i -> arrayMax(arraySlice(m, i)), arrayEnumerate(m)) AS tops FROM f",
        "SELECT arrayMap(i -> arrayMax(arraySlice(m, 1, i)), arrayEnumerate(m)) AS tops FROM f",
    ),
    "a slice that is longer than its way back": (
        "array-forward",
        "SELECT arrayMap(i -> arrayMax(arraySlice(m, i - 2, 5)), arrayEnumerate(m)) AS tops FROM f",
        "SELECT arrayMap(i -> arrayMax(arraySlice(m, greatest(i - 2, 1), least(i, 3))), arrayEnumerate(m)) AS tops FROM f",
    ),
    "a slice of a computed length": (
        "array-forward",
        "SELECT arrayMap(i -> arrayMax(arraySlice(m, i, least(5, n - i))), arrayEnumerate(m)) AS tops FROM f",
        "SELECT arrayMap(i -> arrayMax(arraySlice(m, i, 1)), arrayEnumerate(m)) AS tops FROM f",
    ),
    "the first that is later than the row": (
        "array-forward",
        "SELECT ts, arrayFirst((x, t) -> t > ts, prices, times) AS next FROM f",
        "SELECT ts, arrayLast((x, t) -> t <= ts, prices, times) AS last FROM f",
    ),
    "those since a minute ago": (
        "array-forward",
        "SELECT ts, arrayAvg(arrayFilter((x, t) -> t > ts - 60, prices, times)) AS mean FROM f",
        "SELECT ts, arrayAvg(arrayFilter((x, t) -> t > ts - 60 AND ts >= t, prices, times)) AS mean FROM f",
    ),
    "those up to a minute ahead": (
        "array-forward",
        "SELECT ts, arrayAvg(arrayFilter((x, t) -> t <= ts + 60, prices, times)) AS mean FROM f",
        f"SELECT ts, arrayCount(t -> t > ts - 60, groupArray(ts) OVER (PARTITION BY {KEY} ORDER BY ts ROWS BETWEEN 99 PRECEDING AND CURRENT ROW)) AS n FROM f",
    ),
    "a moving sum of rows backward": (
        "array-forward",
        f"SELECT groupArrayMovingSum(5)(v) AS sums FROM (SELECT * FROM f ORDER BY ts DESC) {GROUP}",
        f"SELECT groupArrayMovingSum(5)(v) AS sums FROM (SELECT * FROM f ORDER BY ts) {GROUP}",
    ),
    "a running sum of rows backward": (
        "array-forward",
        f"SELECT arrayCumSum(groupArray(v)) AS sums FROM (SELECT * FROM f ORDER BY ts DESC) {GROUP}",
        f"SELECT groupArray(v) AS newest_first FROM (SELECT * FROM f ORDER BY ts DESC) {GROUP}",
    ),
    "a running sum sorted backward": (
        "array-forward",
        f"SELECT arrayCumSum(arrayReverseSort((x, t) -> t, groupArray(v), groupArray(ts))) AS sums FROM f {GROUP}",
        f"SELECT arrayCumSum(arraySort((x, t) -> t, groupArray(v), groupArray(ts))) AS sums FROM f {GROUP}",
    ),
    "a running sum sorted by the clock's negative": (
        "array-forward",
        f"SELECT arrayCumSum(arraySort((x, t) -> -t, groupArray(v), groupArray(ts))) AS sums FROM f {GROUP}",
        "SELECT arrayCumSum(arraySort((x, d) -> -d, quantities, distances)) AS depth FROM book",
    ),
    "a fold from the end": (
        "array-forward",
        f"SELECT arrayFold((acc, x) -> acc * 0.9 + x, arrayReverse(groupArray(v)), 0.0) AS e FROM f {GROUP}",
        f"SELECT arrayFold((acc, x) -> acc * 0.9 + x, groupArray(v), 0.0) AS e FROM f {GROUP}",
    ),
    "arrayReverseFill": (
        "array-forward",
        f"SELECT arrayReverseFill(x -> x > 0, groupArray(v)) AS v FROM f {GROUP}",
        f"SELECT arrayReverse(groupArray(v)) AS v FROM f {GROUP}",
    ),
    "a day's mean beside its minutes": (
        "array-forward",
        f"SELECT t, x - arrayAvg(p) AS v FROM {DAYS} ARRAY JOIN times AS t, p AS x",
        f"SELECT t, x - arrayAvg(arraySlice(p, 1, i)) AS v FROM {DAYS} ARRAY JOIN times AS t, p AS x, arrayEnumerate(p) AS i",
    ),
    "a day's maximum beside its minutes": (
        "array-forward",
        f"SELECT t, x / arrayReduce('max', p) AS v FROM {DAYS} ARRAY JOIN times AS t, p AS x",
        "SELECT price, quantity / arraySum(quantities) AS share FROM book ARRAY JOIN prices AS price, quantities AS quantity",
    ),
}


@pytest.mark.parametrize(("rule", "leak", "honest"), PAIRS.values(), ids=PAIRS.keys())
def test_the_leak_is_caught_and_its_honest_twin_is_not(rule: str, leak: str, honest: str) -> None:
    hold(rule, leak, honest)
