"""The live table and the plain line: what they show of a full Status, and that nothing missing breaks them."""

from __future__ import annotations

import io
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from marketprism.status import Status, StreamStatus
from marketprism.supervisor.supervise import PartState
from marketprism.supervisor.table import kyle, live_view, number, plain_line, price
from marketprism.supervisor.view import View

NOW = 1_767_323_045_000
ROW: dict[str, Any] = {
    "exchange": "binance",
    "market_type": "spot",
    "symbol": "BTCUSDT",
    "trades_per_s": 12.3,
    "last_trade_ms": NOW - 250,
    "mid_price": 61_000.5,
    "spread_bps": 0.0164,
    "tob_imbalance": -0.25,
    "poc_px": Decimal("60999.500000000000"),
    "bucket_id": 20260102000042,
    "cut_trigger": "volume",
    "vol": Decimal("5.25"),
    "kyle_lambda": 1.5,
    "kyle_lambda_ols": 54.25,
    "vpin": 0.31,
    "quality": "ok",
}


def _status(**options: Any) -> Status:
    stream = StreamStatus(
        name="MD_TRADES_0", data_type="trades", messages=9, bytes=1, last_sequence=9, acked_sequence=2, pending=7
    )
    return Status(time_ms=NOW, streams=[stream], tables={"trades": 1200, "gaps": 2}, **options)


def _drawn(status: Status) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(live_view(status, [PartState("nats", 1, True, 0), PartState("storage", None, False, 3)], "headline"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_table_shows_every_feature_of_a_symbol() -> None:
    text = _drawn(_status(symbols=[ROW], rows_per_s={"trades": 20.0}))
    for shown in (
        "BTCUSDT",
        "0.2 s",
        "61,000.50",
        "0.0164",
        "-0.25",
        "60,999.50",
        "42 volume",
        "5.250",
        "0.310",
        "ok",
    ):
        assert shown in text
    assert "trades 20.0/s" in text
    assert "waiting 7 · gaps 2 · dead letters 0" in text
    assert "storage (3 restarts)" in text


def test_what_was_not_measured_has_no_rate() -> None:
    assert "trades –/s · books –/s · quotes –/s" in plain_line(_status(symbols=[ROW]))
    assert "trades 0/s" in plain_line(_status(symbols=[ROW], rows_per_s={"trades": 0.0}))


def test_narrow_terminal_keeps_the_features_on_one_line_each() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(live_view(_status(symbols=[ROW]), [], "headline", console.width))
    assert isinstance(console.file, io.StringIO)
    (line,) = [line for line in console.file.getvalue().splitlines() if "BTCUSDT" in line]
    for value in ("0.0164", "-0.25", "60,999.50", "42 volume", "54.2", "0.310"):
        assert value in line


def test_kyle_is_the_bucket_ratio_until_the_window_is_full() -> None:
    assert kyle({"kyle_lambda": 1.5, "kyle_lambda_ols": None}) == 1.5
    assert kyle(ROW) == 54.25


def test_nothing_known_still_draws() -> None:
    text = _drawn(Status(time_ms=NOW, problems=["ClickHouse does not answer"]))
    assert "waiting for the first closed bucket" in text
    assert "ClickHouse does not answer" in text


@given(
    st.dictionaries(
        st.sampled_from(sorted(set(ROW) - {"exchange", "market_type", "symbol", "last_trade_ms", "bucket_id"})),
        st.one_of(st.none(), st.floats(), st.decimals(allow_nan=False, allow_infinity=False, places=6), st.just("x")),
    )
)
def test_any_value_of_a_feature_draws(values: dict[str, Any]) -> None:
    status = _status(symbols=[{**ROW, **values}])
    assert "BTCUSDT" in _drawn(status)
    assert "BTCUSDT" in plain_line(status)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (math.nan, "–"), (0, "0"), (1234.5678, "1,235"), (0.000123456, "0.0001235"), (1e-9, "1.000e-09"),
        (-12.5, "-12.50"), (Decimal("0.5"), "0.5000"), (True, "–"), ("x", "–"),
    ],
)  # fmt: skip
def test_number(value: Any, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("61000.10"), "61,000.10"), (0.00001234, "0.00001234"), (Decimal("5E+3"), "5,000.00"), (None, "–")],
)
def test_price_keeps_its_digits(value: Any, text: str) -> None:
    assert price(value) == text


def test_view_without_a_terminal_writes_plain_lines() -> None:
    console = Console(file=io.StringIO(), width=80)
    with View(table=True, as_json=False, console=console) as view:
        view.show(_status(symbols=[ROW]), [], "headline")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("\n") == 1


def test_view_as_json_writes_one_object_a_line_to_stdout_only() -> None:
    lines: list[str] = []
    console = Console(file=io.StringIO())
    with View(table=True, as_json=True, console=console, write=lines.append) as view:
        view.show(_status(symbols=[{**ROW, "vpin": math.nan}]), [PartState("nats", 7, True, 0)], "headline")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""
    assert len(lines) == 1
    assert '"vpin":null' in lines[0]
    assert '"parts":[{"name":"nats","pid":7' in lines[0]
    assert '"poc_px":"60999.500000000000"' in lines[0]
