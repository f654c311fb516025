"""What a recording is found to hold, and the one line that a bad one gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zstandard

from marketprism.errors import RecordingError
from marketprism.replay import collector_environment, describe, read_lines
from marketprism.replay.instruments import INFERRED, exchange_info
from tests.unit.replay.recordings import LINEAR_REST, LINEAR_WS, depth, line, snapshot, ticker, trade, write


def test_description(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl.zst",
        [depth(10.25, 1, 2), snapshot(10.5, 2), trade(11.0, 7), ticker(11.5), trade(12.000001, 8, "101.125")],
    )
    recording = describe(path)
    assert recording.venues == ("binance.spot",)
    assert recording.symbols == ("BTCUSDT",)
    assert recording.streams == {
        ("binance.spot", "btcusdt@depth@100ms"): 1,
        ("binance.spot", "btcusdt@trade"): 2,
        ("binance.spot", "btcusdt@bookTicker"): 1,
    }
    assert recording.trade_kind == {"binance.spot": "trade"}
    assert recording.depth_suffix == {"binance.spot": "depth@100ms"}
    assert (recording.first_us, recording.last_us, recording.lines) == (10_250_000, 12_000_001, 5)
    assert recording.steps == {("binance.spot", "BTCUSDT"): ("0.001", "0.001")}
    assert list(recording.snapshots) == [("binance.spot", "BTCUSDT")]


def test_instruments_are_inferred_and_flagged_or_taken_as_recorded(tmp_path: Path) -> None:
    inferred = json.loads(exchange_info("binance.spot", [describe(write(tmp_path / "a.zst", [trade(11.0, 7)]))]))
    (entry,) = inferred["symbols"]
    assert (entry["symbol"], entry["baseAsset"], entry["quoteAsset"]) == ("BTCUSDT", "BTC", "USDT")
    assert entry[INFERRED] is True
    assert {f["filterType"]: f.get("tickSize", f.get("stepSize")) for f in entry["filters"]} == {
        "PRICE_FILTER": "0.1",
        "LOT_SIZE": "0.01",
    }
    body = '{"symbols":[]}'
    recorded = line(1.0, "https://api.binance.com/api/v3/exchangeInfo", body, transport="http")
    assert exchange_info("binance.spot", [describe(write(tmp_path / "b.zst", [recorded, trade(2.0, 1)]))]) == body


def test_two_files_of_one_venue_take_the_finer_step(tmp_path: Path) -> None:
    fine = describe(write(tmp_path / "a.zst", [trade(1.0, 1, "1.125", "1")]))
    coarse = describe(write(tmp_path / "b.zst", [trade(1.0, 1, "1", "0.5")]))
    for pair in ([fine, coarse], [coarse, fine]):
        (entry,) = json.loads(exchange_info("binance.spot", pair))["symbols"]
        assert [entry["filters"][0]["tickSize"], entry["filters"][1]["stepSize"]] == ["0.001", "0.1"]


def test_environment_points_every_setting_of_the_venue_at_the_server(tmp_path: Path) -> None:
    data = {"e": "trade", "s": "BTCUSDT", "t": 1, "p": "1.5", "q": "1", "T": 1, "m": True, "X": "MARKET"}
    diff = {"e": "depthUpdate", "s": "BTCUSDT", "U": 1, "u": 2, "pu": 0, "b": [], "a": []}
    path = write(
        tmp_path / "a.zst",
        [
            line(1.0, LINEAR_WS, {"stream": "btcusdt@trade", "data": data}),
            line(1.0, LINEAR_WS, {"stream": "btcusdt@depth@0ms", "data": diff}),
            line(
                1.0, LINEAR_REST.format(symbol="BTCUSDT"), {"lastUpdateId": 1, "bids": [], "asks": []}, transport="http"
            ),
        ],
    )
    environment = collector_environment(describe(path), "http://127.0.0.1:9000")
    assert environment["MARKETPRISM_COLLECTOR_CLOCK"] == "stamped"
    assert json.loads(environment["MARKETPRISM_COLLECTOR_VENUES"]) == ["binance.linear"]
    assert json.loads(environment["MARKETPRISM_COLLECTOR_SYMBOLS"]) == ["BTCUSDT"]
    assert environment["MARKETPRISM_COLLECTOR_BINANCE_LINEAR_TRADE_STREAM"] == "{symbol}@trade"
    assert environment["MARKETPRISM_COLLECTOR_BINANCE_LINEAR_DEPTH_STREAM"] == "{symbol}@depth@0ms"
    assert environment["MARKETPRISM_COLLECTOR_BINANCE_LINEAR_WS_PUBLIC_URL"] == "ws://127.0.0.1:9000/linear/public"
    assert environment["MARKETPRISM_COLLECTOR_BINANCE_LINEAR_REST_URL"] == "http://127.0.0.1:9000"


def failure(path: Path) -> str:
    with pytest.raises(RecordingError) as caught:
        describe(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text


def test_absent_file(tmp_path: Path) -> None:
    assert "No such file" in failure(tmp_path / "absent.jsonl.zst")


def test_a_directory(tmp_path: Path) -> None:
    assert "directory" in failure(tmp_path)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.zst").touch()
    assert "empty" in failure(tmp_path / "a.zst")


def test_not_zstd(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(trade(1.0, 1))
    assert "not zstd" in failure(tmp_path / "a.jsonl")


def test_truncated(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zst", [trade(number, number) for number in range(2000)])
    whole = path.read_bytes()
    for cut in (len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert "truncated" in failure(path)


def test_several_zstd_frames_in_one_file_are_one_recording(tmp_path: Path) -> None:
    parts = [zstandard.ZstdCompressor().compress((trade(n, n) + "\n").encode()) for n in (1, 2, 3)]
    (tmp_path / "a.zst").write_bytes(b"".join(parts))
    assert [each.received_us for each in read_lines(tmp_path / "a.zst")] == [1_000_000, 2_000_000, 3_000_000]


@pytest.mark.parametrize("bad", ["{not json", '{"received_at":1}', "[]", '{"received_at":"x"}'])
def test_a_broken_line_is_named(tmp_path: Path, bad: str) -> None:
    assert "line 3 is not a recorded message" in failure(write(tmp_path / "a.zst", [trade(1.0, 1), trade(1.0, 2), bad]))


def test_a_broken_payload_is_named(tmp_path: Path) -> None:
    bad = line(1.0, "wss://stream.binance.com:9443/stream", '{"stream":"btcusdt@trade","data":{"p":"1"')
    assert "line 2 has a payload that cannot be read" in failure(write(tmp_path / "a.zst", [trade(1.0, 1), bad]))


def test_an_unknown_venue_is_named(tmp_path: Path) -> None:
    other = line(1.0, "wss://ws.example.org/stream", {"stream": "x@trade", "data": {}})
    assert "line 1 is of an unknown venue (wss://ws.example.org" in failure(write(tmp_path / "a.zst", [other]))


def test_a_file_without_market_data(tmp_path: Path) -> None:
    assert "no market data" in failure(write(tmp_path / "a.zst", [snapshot(1.0, 1)]))
