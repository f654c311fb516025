"""A grid panel hides what excluded_intervals names, and says why; windows over it are not warm."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from marketprism.panel import Panel, read
from tests.sql.rows import KEY, book, trade
from tests.sql.tape import EVENING_MS

START = datetime.fromtimestamp(EVENING_MS // 60_000 * 60, UTC)
SECONDS = 90
WINDOW = 5


def test_excluded_instants_are_masked_and_no_window_reaches_over_them(engine: Any, symbol: Callable[[], str]) -> None:
    name, other = symbol(), symbol()
    start_ms = int(START.timestamp() * 1000)
    bucket = {"bucket_id": int(f"{START:%Y%m%d}000001"), "bucket_cut": "", "bucket_t_max_ms": 60_000}
    for each in (name, other):
        engine.books(
            each,
            [
                book(n + 21, start_ms + n * 1000, [(100.0 + n % 7, 1.0)], [(101.0 + n % 7, 1.0)])
                for n in range(-20, SECONDS)
            ],
        )
        engine.trades(each, [trade(n + 1, start_ms + n * 1000, "100.5", "1", "buy", **bucket) for n in range(SECONDS)])
    row = {
        **KEY,
        "symbol": name,
        "from_time": _text(30.5),
        "to_time": _text(40),
        "reason": "exchange halted",
        "created_at": _text(75),
    }
    engine.client.command(f"INSERT INTO marketprism_features.excluded_by_hand FORMAT JSONEachRow {json.dumps(row)}")
    panel = Panel(
        (name, other), START, START + timedelta(seconds=SECONDS), **KEY,
        features=("book", "trades", "factors", "execution"), window=WINDOW,
    )  # fmt: skip
    rows = {
        each: [row for row in read(engine.client, panel).to_pylist() if row["symbol"] == each] for each in (name, other)
    }
    hidden = [n for n, row in enumerate(rows[name]) if row["excluded"]]
    assert hidden == list(range(31, 41))
    for n in hidden:
        row = rows[name][n]
        assert (row["excluded"], row["quality"]) == ("by hand: exchange halted", "gap")
        assert (row["mid"], row["spread"], row["ret_last"], row["mark_price"]) == (None,) * 4
        assert (row["mask_live"], row["mask_trade"], row["can_trade"]) == (False,) * 3
        assert row["available_at"] == START + timedelta(seconds=75), "it was told after the instant"
        assert (row["ap1"], row["n_trades"]) == (101.0 + n % 7, 1), "what the raw rows say stays"
    cold = [n for n, row in enumerate(rows[name]) if row["momentum"] is None]
    assert cold == list(range(31, 41 + WINDOW)), "warm again when the window and the row before lie behind it"
    shown = [n for n in range(SECONDS) if n not in cold]
    compared = ("mid", "momentum", "can_trade", "mark_price", "quality", "excluded", "segment_id")
    assert [[rows[name][n][key] for key in compared] for n in shown] == [
        [rows[other][n][key] for key in compared] for n in shown
    ]
    assert not any(row["excluded"] for row in rows[other])


def _text(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
