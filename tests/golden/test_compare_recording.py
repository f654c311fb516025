"""The comparison tool itself: silent when all is equal, and each kind of damage is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.golden import compare_recording
from tests.golden.compare_recording import Server, compare, main, read_recording
from tests.unit.replay.recordings import depth, snapshot, trade, write

Rows = list[dict[str, Any]]


class Tables:
    """Answers the tool's statements as a server would that stored the recording below rightly."""

    def __init__(self) -> None:
        self.trades: Rows = [
            {
                "trade_kind": "trade", "trade_id": str(number), "price": "100.5", "quantity": quantity,
                "native_quantity": quantity, "side": "buy", "is_market": 1, "bucket_id": "20260101000001",
                "time": str(number * 1000),
            }
            for number, quantity in ((1, "0.01"), (2, "0.02"), (3, "0.03"))
        ]  # fmt: skip
        self.book: Rows = [
            {
                "last_update_id": "3", "bid_prices": [100.25], "bid_quantities": [1.5], "ask_prices": [100.75],
                "ask_quantities": [0.125], "bids_count": 1, "asks_count": 1, "bid": "100.25", "ask": "100.75",
                "bid_quantity": "1.5", "ask_quantity": "0.125",
            }
        ]  # fmt: skip
        self.buckets: Rows = [{"vol": "0.06", "trades": "3", "buckets": "1"}]
        self.gaps = self.dead = 0

    def rows(self, statement: str) -> Rows:
        if "SELECT trade_kind" in statement:
            return self.trades
        if "SELECT last_update_id" in statement:
            return self.book
        if "marketprism_features" in statement:
            return self.buckets
        count = {"gaps": self.gaps, "dead_letters": self.dead, "orderbooks": len(self.book)}
        return [{"n": str(next(value for table, value in count.items() if f"marketprism_hot.{table}" in statement))}]


@pytest.fixture
def recording(tmp_path: Path) -> str:
    lines = [
        depth(0.5, 1, 2),
        snapshot(0.75, 2),
        *(trade(float(n), n, quantity=f"0.0{n}") for n in (1, 2, 3)),
        depth(4.0, 3, 3),
    ]
    return str(write(tmp_path / "a.jsonl.zst", lines))


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Tables:
    stored = Tables()
    monkeypatch.setattr(Server, "rows", lambda self, statement: stored.rows(statement))
    return stored


def test_equal(recording: str, tables: Tables, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([recording, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["equal"] is True
    (symbol,) = report["symbols"].values()
    assert (symbol["trades"]["recorded_ids"], symbol["trades"]["stored_ids"]) == (3, 3)
    assert symbol["volume"]["recorded_market"] == symbol["volume"]["unified_buckets"] == "0.06"
    assert symbol["book"]["stored_last_id"] == symbol["book"]["recorded_last_id"] == 3
    assert main([recording]) == 0
    assert "ALL EQUAL" in capsys.readouterr().out


DAMAGES: dict[str, tuple[Callable[[Tables], Any], str]] = {
    "missing": (lambda t: t.trades.pop(), "1 trades are missing: 3"),
    "extra": (lambda t: t.trades.append(t.trades[0] | {"trade_id": "9"}), "1 trades are not in the recording: 9"),
    "doubled": (lambda t: t.trades.append(t.trades[0]), "1 trades are stored more than once: 1"),
    "price": (lambda t: t.trades[1].update(price="100.500000000001"), "1 trades differ in price: 2"),
    "quantity": (lambda t: t.trades[1].update(quantity="0.020000000001"), "1 trades differ in quantity: 2"),
    "side": (lambda t: t.trades[1].update(side="sell"), "1 trades differ in side: 2"),
    "flag": (lambda t: t.trades[1].update(is_market=0), "1 trades differ in is_market: 2"),
    "time": (lambda t: t.trades[1].update(time="2001"), "1 trades differ in time: 2"),
    "no bucket": (lambda t: t.trades[1].update(bucket_id="0"), "1 trades differ in bucket_id: 2"),
    "bucket volume": (lambda t: t.buckets[0].update(vol="0.060000000001"), "unified_buckets is 0.060000000001"),
    "bucket trades": (lambda t: t.buckets[0].update(trades="4"), "bucket_flow counts 4 trades, recorded 3"),
    "old book": (lambda t: t.book[0].update(last_update_id="2"), "the recording ends at 3"),
    "level": (lambda t: t.book[0].update(bid_quantities=[2.0]), "the top 1 bids differ"),
    "best": (lambda t: t.book[0].update(ask="100.76"), "the best ask is 100.76"),
    "depth": (lambda t: t.book[0].update(bids_count=2), "bids_count is 2"),
    "no book": (lambda t: t.book.clear(), "no book is stored"),
    "gap": (lambda t: setattr(t, "gaps", 1), "1 rows in gaps, the recording has 0 breaks"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(recording: str, tables: Tables, damage: str) -> None:
    harm, expected = DAMAGES[damage]
    harm(tables)
    assert main([recording]) == 1
    (symbol,) = compare(recording, Server("http://unused"))["symbols"].values()
    assert any(expected in difference for difference in symbol["differences"]), symbol["differences"]


def test_dead_letters_are_a_difference(recording: str, tables: Tables) -> None:
    tables.dead = 2
    assert main([recording]) == 1


def test_what_cannot_be_read_is_exit_code_2(tmp_path: Path, recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent")]) == 2
    assert main([recording, "--url", "http://127.0.0.1:1"]) == 2
    assert "does not answer" in capsys.readouterr().err


def test_shares_no_code_with_the_services() -> None:
    source = Path(compare_recording.__file__).read_text()
    imported = {
        line.split()[1].partition(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))
    }
    assert not imported & {"marketprism", "collector", "storage_service", "monitors", "tests"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("binance_spot", {"BTCUSDT": (19904, 50093696318), "ETHUSDT": (14515, 35346924199)}),
        ("binance_usdm", {"BTCUSDT": (12935, 2710266851462)}),
    ],
)
def test_the_independent_reading_of_real_recordings(
    shared: Path, name: str, expected: dict[str, tuple[int, int]]
) -> None:
    found = read_recording(str(shared / "recordings" / f"{name}.jsonl.zst"))
    assert {
        symbol: (len(each.prints), each.book.last_id) for (_, _, symbol), each in found.items() if each.book
    } == expected
    assert all(each.book is not None and each.book.breaks == 0 for each in found.values())
    for each in found.values():
        assert each.book is not None
        (bid, _), (ask, _) = each.book.top("bids", 1)[0], each.book.top("asks", 1)[0]
        assert Decimal(0) < bid < ask
    if name == "binance_usdm":
        ((key, odd),) = [item for item in found["binance", "linear", "BTCUSDT"].prints.items() if not item[1].is_market]
        assert key == ("trade", "3535191080")
        assert odd.price == Decimal("28722.5")
