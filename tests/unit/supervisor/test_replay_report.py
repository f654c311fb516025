"""What a recording holds of each symbol, in the units in which it is stored."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from marketprism.replay import describe
from marketprism.supervisor.replay_report import received_of
from tests.unit.replay.recordings import line, trade, write

COINM_WS = "wss://dstream.binance.com/stream?streams=btcusd_perp@trade"


def test_contracts_of_coin_margined_trades_are_counted_in_base_units(tmp_path: Path) -> None:
    """A replay of COIN-M compared contracts with base units: it said that trades were lost, and ended with 1."""
    lines = []
    for number, (symbol, price, contracts) in enumerate(
        (("BTCUSD_PERP", "61837.3", "7"), ("BTCUSD_PERP", "61838.1", "2"), ("ETHUSD_PERP", "2681.23", "3"))
    ):
        data = {"e": "trade", "s": symbol, "t": number, "p": price, "q": contracts, "T": 1723160000000, "m": False}
        lines.append(line(1723160000.0 + number, COINM_WS, {"stream": f"{symbol.lower()}@trade", "data": data}))
    recordings = [describe(write(tmp_path / "coinm.jsonl.zst", lines))]
    found = received_of(recordings)
    # 7 * 100 / 61837.3 and 2 * 100 / 61838.1, each rounded to 12 digits; 3 * 10 / 2681.23
    assert found["binance", "inverse", "BTCUSD_PERP"].volume == Decimal("0.011320028526") + Decimal("0.003234252023")
    assert found["binance", "inverse", "ETHUSD_PERP"].volume == Decimal("0.011188894649")
    assert {what.trades for what in found.values()} == {1, 2}


def test_spot_quantities_are_base_units_as_they_come(tmp_path: Path) -> None:
    recording = describe(write(tmp_path / "spot.jsonl.zst", [trade(1.0, 1, quantity="0.25"), trade(2.0, 2)]))
    assert received_of([recording])["binance", "spot", "BTCUSDT"].volume == Decimal("0.26")
