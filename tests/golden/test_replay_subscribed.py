"""``marketprism replay`` of OKX and Deribit in one run: the report is exact, and so are the volumes in it."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketprism.errors import RecordingError
from marketprism.replay import collector_environment, describe
from tests.golden.replays import replay
from tests.golden.venues import lines_of
from tests.migrated import Template
from tests.unit.replay.recordings import line, write

OKX_TRADES = {"BTC-USDT": 69, "UNI-USD-SWAP": 1, "BTC-USD-220527": 4}


def test_what_the_recordings_hold(shared: Path) -> None:
    okx = describe(shared / "recordings/okx.jsonl.zst")
    assert okx.venues == ("okx",)
    assert {symbol: contract.market_type for (_, symbol), contract in okx.contracts.items()} == {
        "BTC-USDT": "spot",
        "UNI-USD-SWAP": "inverse",
        "BTC-USD-220527": "inverse",
    }
    deribit = describe(shared / "recordings/deribit.jsonl.zst")
    assert {contract.market_type for contract in deribit.contracts.values()} == {"option"}
    environment = collector_environment([okx, deribit], "http://127.0.0.1:1")
    assert json.loads(environment["MARKETPRISM_COLLECTOR_VENUES"]) == ["okx.inverse", "okx.spot", "deribit.option"]
    symbols = json.loads(environment["MARKETPRISM_COLLECTOR_SYMBOLS"])
    assert len(symbols) == 13
    assert "okx.spot:BTC-USDT" in symbols


def test_a_symbol_that_no_list_has_cannot_be_replayed(tmp_path: Path) -> None:
    message = {"arg": {"channel": "trades", "instId": "X-Y"}, "data": [{"instId": "X-Y"}]}
    path = write(tmp_path / "a.zst", [line(1.0, "wss://ws.okx.com:8443/ws/v5/public", json.dumps(message))])
    with pytest.raises(RecordingError, match="no recorded instrument list has 'X-Y'"):
        describe(path)


@pytest.fixture(scope="module")
def report(shared: Path, tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("subscribed")
    migrated.seed(folder / "d")
    return replay(*(shared / f"recordings/{name}.jsonl.zst" for name in ("okx", "deribit")), data=folder / "d")


def test_the_replay_is_exact(report: dict[str, Any], shared: Path) -> None:
    assert report["exact"] is True
    by_symbol = {row["symbol"]: row for row in report["symbols"]}
    assert len(by_symbol) == 13
    assert {symbol: by_symbol[symbol]["trades_stored"] for symbol in OKX_TRADES} == OKX_TRADES
    assert all(row["gaps"] == row["dead_lettered"] == row["trades_duplicated"] == 0 for row in by_symbol.values())
    snapshots = Counter(str(row["exchange"]) for row in report["symbols"])
    assert snapshots == {"okx": 3, "deribit": 10}
    updates = sum(row["books_received"] for row in by_symbol.values()) - len(by_symbol)  # one of each is a snapshot
    assert sum(row["book_updates"] for row in by_symbol.values()) == updates == 98 + 97 + 92 + 36


def test_volumes_are_base_units(report: dict[str, Any], shared: Path) -> None:
    """By the contract sizes that OKX documents: 100 dollars for BTC, 10 for others."""
    expected: dict[str, Decimal] = {}
    for each in lines_of(shared / "recordings/okx.jsonl.zst"):
        message = json.loads(each.payload)
        if message.get("arg", {}).get("channel") != "trades" or "data" not in message:
            continue
        for row in message["data"]:
            size, price = Decimal(row["sz"]), Decimal(row["px"])
            dollars = {"UNI-USD-SWAP": 10, "BTC-USD-220527": 100}.get(row["instId"])
            base = size if dollars is None else round(size * dollars / price, 12)
            expected[row["instId"]] = expected.get(row["instId"], Decimal(0)) + base
    stored = {row["symbol"]: Decimal(row["volume_stored"]) for row in report["symbols"] if row["exchange"] == "okx"}
    assert stored == expected
