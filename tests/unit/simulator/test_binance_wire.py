"""Texts of the simulated Binance, read back as JSON and compared with what happened."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism.simulator.binance_wire import BinanceWire, carries
from marketprism.simulator.events import Aggregate, DepthChange, Fill, ForcedOrder, Mark
from marketprism.simulator.sockets import data_of
from marketprism.simulator.specs import default_specs, scaled_text

SPECS = default_specs(("BTCUSDT",))  # book 0: spot, tick 0.01, lot 0.00001; book 1: perpetual, tick 0.1, lot 0.001


def read(event: object, *, wanted: object = lambda key: True) -> dict[tuple[str, str], dict]:
    """(venue, stream) → data."""
    found = {}
    for key, text in BinanceWire(SPECS, wanted).messages(event):
        body = json.loads(text)
        assert body["stream"] == key[1]
        assert json.loads(data_of(text)) == body["data"]
        found[key] = body["data"]
    return found


def test_spot_trade() -> None:
    messages = read(Fill(0, 1_790_000_000_122, 42, 7, 9_600_001, 150, True))
    assert messages == {
        ("binance.spot", "btcusdt@trade"): {
            "e": "trade", "E": 1_790_000_000_123, "s": "BTCUSDT", "t": 42, "p": "96000.01000000", "q": "0.00150000",
            "T": 1_790_000_000_122, "m": True, "M": True,
        }
    }  # fmt: skip


def test_perpetual_insurance_fund_print() -> None:
    ((key, data),) = read(Fill(1, 5, 42, 0, 960_000, 2, False, "INSURANCE_FUND")).items()
    assert key == ("binance.linear", "btcusdt@trade")
    assert (data["X"], data["p"], data["q"], data["m"]) == ("INSURANCE_FUND", "96000.0", "0.002", False)


def test_aggregates_of_both_venues() -> None:
    ((_, spot),) = read(Aggregate(0, 5, 3, 9_600_000, 1, 10, 12, False)).items()
    ((_, linear),) = read(Aggregate(1, 5, 3, 960_000, 1, 10, 12, False)).items()
    assert (spot["a"], spot["f"], spot["l"], spot["M"]) == (3, 10, 12, True)
    assert (linear["q"], linear["nq"], linear["st"], linear["T"]) == ("0.001", "0.001", 1, 5)


def test_depth_goes_to_every_speed_that_is_wanted_and_has_pu_and_times_only_on_the_perpetual() -> None:
    event = DepthChange(1, 200, 150, 11, 19, 8, [(960_000, 2)], [(960_001, 0)])
    wanted = {("binance.linear", "btcusdt@depth@100ms"), ("binance.linear", "btcusdt@depth")}
    messages = read(event, wanted=wanted.__contains__)
    assert set(messages) == wanted
    data = messages["binance.linear", "btcusdt@depth"]
    assert (data["U"], data["u"], data["pu"], data["E"], data["T"]) == (11, 19, 8, 200, 150)
    assert (data["b"], data["a"]) == ([["96000.0", "0.002"]], [["96000.1", "0.000"]])
    event.book = 0
    (spot,) = read(event, wanted={("binance.spot", "btcusdt@depth@100ms")}.__contains__).values()
    assert "pu" not in spot
    assert "T" not in spot


def test_mark_and_liquidation_streams() -> None:
    marks = read(Mark(1, 1000, 96_000.5, 96_000.25, 0.0001, 28_800_000))
    assert {stream for _, stream in marks} == {
        "btcusdt@markPrice@1s", "btcusdt@markPrice", "!markPrice@arr@1s", "!markPrice@arr",
    }  # fmt: skip
    assert marks["binance.linear", "btcusdt@markPrice@1s"]["r"] == "0.00010000"
    assert marks["binance.linear", "!markPrice@arr@1s"] == [marks["binance.linear", "btcusdt@markPrice@1s"]]
    forced = read(ForcedOrder(1, 2000, 1999, True, 960_000, 959_990, 14))
    assert set(forced) == {
        ("binance.linear", "btcusdt@forceOrder"),
        ("binance.linear", "!forceOrder@arr"),
        ("binance.inverse", "!forceOrder@arr"),  # merged since 2026-06-30
    }
    order = forced["binance.linear", "!forceOrder@arr"]["o"]
    assert (order["S"], order["p"], order["ap"], order["z"], order["T"]) == (
        "SELL",
        "96000.0",
        "95999.0",
        "0.014",
        1999,
    )


@pytest.mark.parametrize(
    ("route", "stream", "expected"),
    [
        ("public", "btcusdt@depth@100ms", True),
        ("public", "btcusdt@trade", True),
        ("public", "btcusdt@aggTrade", False),
        ("market", "btcusdt@aggTrade", True),
        ("market", "!forceOrder@arr", True),
        ("market", "btcusdt@depth@100ms", False),
        ("unrouted", "btcusdt@depth", True),
        ("unrouted", "btcusdt@markPrice@1s", False),
    ],
)
def test_perpetual_streams_have_data_on_their_own_route_only(route: str, stream: str, expected: bool) -> None:
    assert carries("binance.linear", route, stream) is expected
    assert carries("binance.spot", "spot", stream)


@given(st.integers(0, 10**15), st.integers(0, 8), st.integers(0, 12))
def test_scaled_text_is_the_exact_decimal(value: int, decimals: int, padded: int) -> None:
    text = scaled_text(value, decimals, padded)
    assert Decimal(text) == Decimal(value).scaleb(-decimals)
    assert len(text.partition(".")[2]) == max(decimals, padded)
    assert "E" not in text
