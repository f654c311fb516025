"""Symbol filter, listings, clocks, first-data watchdog, log lines that do not repeat themselves."""

from __future__ import annotations

import logging

import pytest

from collector.clock import StampedClock
from collector.complaints import Complaints
from collector.instruments import Listing, select, wants_volumes
from collector.metrics import CollectorMetrics
from collector.venue import Stream
from collector.venues import make_venue
from collector.venues.binance import channels
from collector.watchdog import FirstData, Standstill
from marketprism.errors import SettingsError
from marketprism.settings import CollectorSettings
from tests.unit.collector.feeding import core, instrument

LISTED = [instrument("linear", name) for name in ("BTCUSDT", "ETHUSDT", "BTCUSDC")] + [
    instrument("linear", "OLDUSDT", status="SETTLING")
]


@pytest.mark.parametrize(
    ("patterns", "chosen", "unknown"),
    [
        (["BTCUSDT"], ["BTCUSDT"], []),
        (["*USDT"], ["BTCUSDT", "ETHUSDT"], []),
        (["binance.linear:BTC*"], ["BTCUSDT", "BTCUSDC"], []),
        (["binance.spot:*"], [], []),
        (["binance.linear:ETHUSDT", "NOPE"], ["ETHUSDT"], ["NOPE"]),
        (["OLDUSDT"], [], ["OLDUSDT"]),
        (["BTCUSDT", "BTC*"], ["BTCUSDT", "BTCUSDC"], []),
    ],
)
def test_symbol_filter(patterns: list[str], chosen: list[str], unknown: list[str]) -> None:
    found, missing = select(patterns, LISTED)
    assert ([item.symbol for item in found], missing) == (chosen, unknown)


def test_only_news_of_instruments_are_published() -> None:
    listing = Listing()
    assert len(listing.news(LISTED)) == 4
    again = instrument("linear", "BTCUSDT", timestamp=9, received_at=9000, sequence=9, valid_from=9)
    assert listing.news([again, *LISTED[1:]]) == []
    changed = instrument("linear", "BTCUSDT", tick="0.01")
    assert listing.news([changed, *LISTED[1:]]) == [changed]
    assert listing.news([changed, *LISTED[1:]]) == []
    assert listing.news([]) == []


def test_what_is_listed_no_more_is_told_once() -> None:
    listing = Listing()
    listing.news(LISTED)
    later = [
        instrument("linear", item.symbol, status=item.status, timestamp=9, valid_from=9, received_at=9000)
        for item in LISTED[:2]
    ]
    gone = listing.news(later)
    assert [(item.symbol, item.status, item.valid_from, item.valid_to) for item in gone] == [
        ("BTCUSDC", "DELISTED", 9, 9),
        ("OLDUSDT", "DELISTED", 9, 9),
    ]
    assert listing.news(later) == []
    back = instrument("linear", "BTCUSDC")
    assert listing.news([*later, back]) == [back]


def test_the_busiest_of_a_pattern() -> None:
    volumes = {"BTCUSDT": 5.0, "ETHUSDT": 7.0, "BTCUSDC": 9.0}
    found, unknown = select(["*USDT@top1", "binance.spot:*@top3"], LISTED, volumes)
    assert ([item.symbol for item in found], unknown) == (["ETHUSDT"], [])
    assert [item.symbol for item in select(["*@top2"], LISTED, volumes)[0]] == ["BTCUSDC", "ETHUSDT"]
    assert wants_volumes(["BTCUSDT", "*@top2"], LISTED)
    assert not wants_volumes(["BTCUSDT", "binance.spot:*@top2"], LISTED)


def test_a_new_tick_size_counts_from_the_next_trade() -> None:
    played = core("binance.spot", {"BTCUSDT": "0.1"})
    text = b'{"stream":"btcusdt@trade","data":{"s":"BTCUSDT","t":%d,"p":"10.55","q":"1","T":1,"m":true}}'
    played.market.receive(text % 1, 1)
    played.venue.track([instrument("spot", "BTCUSDT", "0.01")])
    played.market.receive(text % 2, 2)
    assert [(row.tick_size, row.price_tick) for row in played.rows] == [("0.1", 106), ("0.01", 1055)]


def test_stamped_clock_unwraps_and_refuses_bare_frames() -> None:
    clock = StampedClock()
    assert clock.frame(b'1700000000000123 {"a":1}') == (1_700_000_000_000_123, b'{"a":1}')
    assert clock.now() == 1_700_000_000_000_123
    assert clock.response({}) == 1_700_000_000_000_123
    for bare in (b'{"a":1}', b"1700000000000123{}", b"123 {}"):
        with pytest.raises(ValueError, match="no receive stamp"):
            clock.frame(bare)


def test_silent_streams_are_asked_again_and_dead_channels_named() -> None:
    streams = [
        Stream("a@trade", "trades", "A", 10),
        Stream("b@trade", "trades", "B", 10),
        Stream("a@depth", "orderbooks", "A", 5),
        Stream("all@force", "liquidations", "", None),
    ]
    watch = FirstData(streams, now=0)
    watch.seen("a@trade")
    first = watch.overdue(6)
    assert ([stream.name for stream in first.streams], first.dead) == (["a@depth"], set())
    second = watch.overdue(20)
    assert {stream.name for stream in second.streams} == {"b@trade", "a@depth"}
    assert second.dead == {"orderbooks"}  # trades live on a@trade: only b is quiet
    watch.seen("a@depth")
    watch.seen("b@trade")
    assert not watch.waiting
    assert [stream.name for stream in watch.overdue(10_000).streams] == ["all@force"]


def test_a_stream_whose_silence_is_normal_is_asked_for_again_but_is_no_sign_of_a_dead_address() -> None:
    watch = FirstData([Stream("trades.OPTION", "trades", "OPTION")], now=0)
    assert not watch.waiting
    assert watch.overdue(299).streams == []
    for now in (300, 900, 2100):
        silence = watch.overdue(now)
        assert ([stream.name for stream in silence.streams], silence.dead) == (["trades.OPTION"], set())
        assert watch.overdue(now + 1).streams == []
    watch.seen("trades.OPTION")
    assert watch.overdue(1e9).streams == []


def test_a_dead_stream_is_asked_for_again_and_again() -> None:
    watch = FirstData([Stream("a@trade", "trades", "A", 10)], now=0, patience=0.5)
    asked = [now for now in range(400) if watch.overdue(now).streams]
    assert asked == [5, *range(15, 400, 10)]
    watch = FirstData([Stream("all@force", "liquidations")], now=0, patience=0.01)
    assert [now for now in range(100) if watch.overdue(now).streams] == [3, 9, 21, *range(45, 100, 24)]


def test_a_connection_that_stands_still_is_noticed() -> None:
    streams = [Stream("a@trade", "trades", "A", 60), Stream("a@depth", "orderbooks", "A", 30)]
    still = Standstill(streams, now=0)
    assert not still.reached(5, 10)
    assert not still.reached(6, 50)
    assert not still.reached(6, 110)
    assert still.reached(6, 111)
    assert not still.reached(7, 112)
    assert not Standstill([Stream("all@force", "liquidations", "", None)], now=0).reached(0, 1e9)


def test_the_same_trouble_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    complaints = Complaints(60, lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for second in range(0, 121, 10):
            now[0] = float(second)
            complaints.say("kind", "text")
    assert [record.message for record in caplog.records] == [
        "text",
        "text (and 5 more like it since the last line)",
        "text (and 5 more like it since the last line)",
    ]


def test_unknown_venue_is_one_clear_line() -> None:
    with pytest.raises(SettingsError, match=r"unknown venue 'kraken.spot'.*known: binance.spot"):
        make_venue("kraken.spot", CollectorSettings(_env_file=None), None)  # type: ignore[arg-type]


def test_streams_spread_over_sockets_and_routes() -> None:
    played = core("binance.linear", {})
    plans = played.venue.plan([f"S{number}USDT" for number in range(250)])
    assert [(plan.name, len(plan.streams), plan.most) for plan in plans] == [
        ("binance.linear.public", 250, 200),
        ("binance.linear.market", 502, 200),
    ]
    assert plans[0].urls[0] == "wss://fstream.binance.com/public/stream"
    assert plans[1].urls == (
        "wss://fstream.binance.com/market/stream",
        "wss://fstream.binance.com/stream",
        "wss://fstream.binance.com/public/stream",
    )
    assert {stream.channel for stream in plans[0].streams} == {"orderbooks"}


def test_a_replay_is_never_looked_for_on_the_internet() -> None:
    played = core("binance.spot", {"BTCUSDT": "0.1"}, clock="stamped", binance_spot_ws_url="ws://127.0.0.1:1")
    assert [plan.urls for plan in played.venue.plan(["BTCUSDT"])] == [("ws://127.0.0.1:1/stream",)]


def test_subscribe_messages_come_in_batches() -> None:
    messages = channels.DIALECT.subscribe([f"s{number}@trade" for number in range(250)])
    assert [message.count("@trade") for message in messages] == [100, 100, 50]
    assert all('"method": "SUBSCRIBE"' in message for message in messages)


def test_metrics_are_exposed_under_their_names() -> None:
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    metrics = CollectorMetrics(registry)
    metrics.counts["messages"][("binance", "spot", "trades")] += 3
    metrics.last_event_ms[("trades", "binance", "spot")] = 1_700_000_000_500
    metrics.watch(lambda: [("queue_frames", "frames", 2.0)])
    text = generate_latest(registry).decode()
    assert 'marketprism_collector_messages_total{channel="trades",exchange="binance",market_type="spot"} 3.0' in text
    assert "marketprism_collector_queue_frames 2.0" in text
    assert (
        'last_event_timestamp_seconds{data_type="trades",exchange="binance",market_type="spot"} 1.7000000005e+09'
        in text
    )
