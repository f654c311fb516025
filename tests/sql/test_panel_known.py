"""What a grid panel shows at an instant had been received by then, or its available_at says when it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from marketprism.errors import QueryError
from marketprism.features import Features
from marketprism.migrate import shipped
from marketprism.panel import Panel, read
from tests.sql.rows import KEY, assign_buckets, book, trade

START = datetime(2024, 8, 8, 12, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
Symbol = Callable[[], str]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def us(seconds: float) -> int:
    return START_MS * 1000 + round(seconds * 1_000_000)


def panel(engine: Any, names: tuple[str, ...], first: float, end: float, **asked: Any) -> list[dict[str, Any]]:
    return read(engine.client, Panel(names, at(first), at(end), **KEY, **asked)).to_pylist()


def known(
    engine: Any, symbol: str, rows: list[dict[str, Any]], features: tuple[str, ...], view: str
) -> list[dict[str, Any]]:
    """The as-of read of the same instants."""
    read_asof = Features(engine.client).asof(
        [("binance", "spot", symbol)] * len(rows),
        [row["ts"] for row in rows],
        [f"{view}.{name}" for name in features],
        keep_excluded=True,
    )
    return read_asof.select(features).to_pylist()


def shown(rows: list[dict[str, Any]], features: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in features} for row in rows]


def quote(number: int, seconds: float, mid: float, **extra: Any) -> dict[str, Any]:
    return book(number, START_MS + round(seconds * 1000), [(mid - 0.5, 1.0)], [(mid + 0.5, 1.0)], **extra)


@pytest.fixture(scope="module")
def late(engine: Any) -> str:
    """A bucket each second; a trade of bucket 100 is received at 12:10:00, and dates the 50 buckets that hold it."""
    rows = [trade(n, START_MS + n * 1000, "100", "1", "buy" if n % 3 else "sell") for n in range(1, 700)]
    rows[99]["received_at"] = us(600)
    engine.trades("PANELLATEUSDT", assign_buckets(rows, Decimal(1)))
    return "PANELLATEUSDT"


@pytest.mark.parametrize(
    ("features", "view"),
    [(("bucket_id", "vpin"), "vpin_by_bucket"), (("bucket_id", "log_return_1"), "unified_features_by_bucket")],
    ids=["narrow", "wide"],
)
def test_a_late_trade_does_not_bring_an_old_bucket_back(
    engine: Any, late: str, features: tuple[str, ...], view: str
) -> None:
    rows = panel(engine, (late,), 590, 612, features=features)
    assert shown(rows, features) == known(engine, late, rows, features, view)
    first = int(f"{START:%Y%m%d}000000")
    assert [row["bucket_id"] - first for row in rows[10:]] == list(range(599, 611))
    assert {row["bucket_id"] is None for row in rows[:10]} == {view == "unified_features_by_bucket"}, (
        "cvd since midnight"
    )


def test_known_at_tells_the_newest_bucket_and_its_own_age(engine: Any, late: str) -> None:
    text = (shipped("sql") / "queries" / "known_at.sql").read_text()
    asked = text.replace("now64(6, 'UTC') - INTERVAL 5 MINUTE", "toDateTime64('2024-08-08 12:10:00.010', 6, 'UTC')")
    assert asked != text
    (row,) = (row for row in engine.rows(asked) if row["symbol"] == late)
    assert row["bucket_id"] == int(f"{START:%Y%m%d}000599")
    assert row["age_ms"] == 990
    assert row["vpin"] == 1.0


def test_a_rank_is_known_when_every_book_behind_it_was(engine: Any, symbol: Symbol) -> None:
    ontime, late = symbol(), symbol()
    books = [quote(n, n / 4, 100 + n / 8) for n in range(60)]
    engine.books(ontime, books)
    engine.books(late, [*books[:36], quote(36, 9, 200, received_at=us(30)), *books[37:]])
    rows = panel(engine, (ontime, late), 8, 11, features=("factors", "ranks", "execution"), window=2)
    told = {(row["symbol"], row["ts"]): row for row in rows}
    for name, rank in ((ontime, 0.0), (late, 1.0)):
        assert told[name, at(8)]["available_at"] == at(8.005)
        assert (told[name, at(9)]["momentum_rank"], told[name, at(9)]["available_at"]) == (rank, at(30)), name
    alone = panel(engine, (ontime, late), 8, 11, features=("book",))
    assert {row["symbol"]: row["available_at"] for row in alone if row["ts"] == at(9)} == {
        ontime: at(9.005),
        late: at(30),
    }


def test_a_factor_is_known_when_the_last_row_of_its_window_was(engine: Any, symbol: Symbol) -> None:
    """A sell of 12:00:06.6 comes at 12:01:00: in the windows of 7 s to 10 s and in ret_last of 8 s."""
    name = symbol()
    engine.books(name, [quote(n, n / 4, 100) for n in range(60)])
    rows = [trade(n, START_MS + n * 1000 - 200, "100", "1", "buy", bucket_id=1) for n in range(1, 15)]
    sell = trade(99, START_MS + 6_600, "99", "50", "sell", bucket_id=1, received_at=us(60))
    for row in rows[6:]:
        row["sequence"] += 100
    given = [{**row, "bucket_cut": "", "bucket_t_max_ms": 60_000} for row in [*rows, sell]]
    engine.trades(name, given)
    told = panel(engine, (name,), 5, 13, features=("trades", "factors"), window=3)
    late = [
        row["ts"] for row in told if row["available_at"] == at(60)
    ]  # the window of 11 s reaches back to the row of 8 s
    assert late == [at(second) for second in (7, 8, 9, 10, 11)]
    assert all(row["available_at"] <= row["ts"] + timedelta(milliseconds=20) for row in told if row["ts"] not in late)
    assert [row["ts"] for row in told if row["flow_imbalance"] != 1] == [at(7), at(8), at(9)]
    bare = panel(engine, (name,), 5, 13, features=("trades",))
    assert [row["ts"] for row in bare if row["available_at"] == at(60)] == [at(7), at(8)]


def test_a_mid_is_known_when_its_book_was(engine: Any, symbol: Symbol) -> None:
    """A bucket each second, and the book of bucket 10 at 12:00:30."""
    name = symbol()
    rows = [trade(n, START_MS + n * 1000, "100", "1", "buy") for n in range(1, 41)]
    engine.trades(name, assign_buckets(rows, Decimal(1)))
    received = {10: {"received_at": us(30)}}
    engine.books(name, [quote(n, n - 0.5, 100 + n, **received.get(n, {})) for n in range(1, 41)])
    tenth = f"WHERE symbol = '{name}' AND bucket_id = {START:%Y%m%d}000010"
    for view in ("unified_features_between(from_bucket = 0, to_bucket = 99999999999999, newest = 0)", "mid_by_bucket"):
        (row,) = engine.rows(f"SELECT mid, available_at FROM marketprism_features.{view} {tenth}")
        assert (row["mid"], row["available_at"].replace(tzinfo=UTC)) == (110, at(30)), view
    told = panel(engine, (name,), 9, 33, features=("bucket_id", "mid_avg", "mid_staleness_ms"))
    assert [row["bucket_id"] % 100 for row in told] == [8, 9, 9, *range(11, 32)]


def test_windows_reach_back_over_days_as_those_of_an_asof_read_do(engine: Any, symbol: Symbol) -> None:
    """Twenty buckets a day: the window of 50 is whole on the third day, the trend's of 61 on the fourth."""
    name = symbol()
    rows = [
        trade(20 * day + n, START_MS + (day - 4) * 86_400_000 + n * 1000, f"{100 + n % 5}", "1", "buy")
        for day in range(5)
        for n in range(1, 21)
    ]
    engine.trades(name, assign_buckets(rows, Decimal(1)))
    for features in (("vpin", "window_buckets"), ("window_buckets", "log_return_60")):
        told = panel(engine, (name,), 10, 30, features=features)
        assert shown(told, features) == known(engine, name, told, features, "unified_features_by_bucket")
        assert told[-1]["window_buckets"] == 50
        assert None not in [told[-1][feature] for feature in features]


def test_a_bucket_feature_is_shown_for_five_minutes(engine: Any, symbol: Symbol) -> None:
    name = symbol()
    engine.trades(name, assign_buckets([trade(1, START_MS + 500, "100", "1", "buy")], Decimal(1)))
    told = panel(engine, (name,), 300, 301, features=("bucket_id",), grid_ms=200)
    assert [row["bucket_id"] is not None for row in told] == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("features", "twice"),
    [(("mid",), "mid"), (("trades", "vwap"), "vwap"), (("factors", "flow_imbalance"), "flow_imbalance")],
    ids=["mid", "vwap", "flow_imbalance"],
)
def test_a_bucket_feature_with_the_name_of_a_column_is_told_by_its_view(
    engine: Any, late: str, features: tuple[str, ...], twice: str
) -> None:
    (row,) = panel(engine, (late,), 60, 61, features=features)
    (alone,) = panel(engine, (late,), 60, 61, features=("vwap", "quality"))
    assert {twice, f"unified_features_by_bucket.{twice}"} <= row.keys()
    assert row.get("unified_features_by_bucket.vwap", alone["vwap"]) == alone["vwap"] == 100
    assert (alone["quality"], alone["unified_features_by_bucket.quality"]) == ("gap", "stale"), "no book, and a window"


def test_a_feature_that_no_row_can_show_is_refused(engine: Any, late: str) -> None:
    for name in ("nothing", "available_at", "ofi_l5"):
        with pytest.raises(QueryError, match=f"no feature '{name}'"):
            panel(engine, (late,), 60, 61, features=(name,))
