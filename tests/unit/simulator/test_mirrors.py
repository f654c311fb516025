"""The market as OKX and Deribit trade it: the same prints a little later, in their units, with chains that hold."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from decimal import Decimal

import pytest

from marketprism.errors import SettingsError
from marketprism.simulator.bybit_wire import BybitWire
from marketprism.simulator.deribit_wire import DeribitWire
from marketprism.simulator.dialects import BybitDialect, DeribitDialect, OkxDialect
from marketprism.simulator.events import DepthChange, Fill
from marketprism.simulator.market import Market
from marketprism.simulator.mirror_specs import BYBIT_VENUES, LAG_MS, MIRRORS, mirror_specs
from marketprism.simulator.mirrors import Changed, Done, Liquidated, Mirrors, Said, option_price
from marketprism.simulator.okx_wire import OkxWire, carries
from marketprism.simulator.specs import default_specs

START_MS = 1_790_000_000_000
SPECS = default_specs(("BTCUSDT",))


def run(minutes: float = 2, step_ms: int = 500) -> tuple[Mirrors, list[Fill], list[object]]:
    """(followers, the model's prints, what the followers did)."""
    market = Market(SPECS, seed=5, start_ms=START_MS)
    mirrors = Mirrors(market, mirror_specs(SPECS, MIRRORS, START_MS), seed=5, first_id=1000)
    fills: list[Fill] = []
    out: list[object] = []
    for _ in range(int(minutes * 60_000 / step_ms)):
        events = market.advance(step_ms)
        fills += [event for event in events if isinstance(event, Fill)]
        due = mirrors.take(events, market.time_ms)
        for event in due:
            if isinstance(event, Changed):
                mirrors.followers[event.mirror].apply(event)
        out += due
    return mirrors, fills, out


@pytest.fixture(scope="module")
def ran() -> tuple[Mirrors, list[Fill], list[object]]:
    return run()


def test_the_same_print_appears_at_every_venue_with_its_lag(ran: tuple[Mirrors, list[Fill], list[object]]) -> None:
    mirrors, fills, out = ran
    done: dict[int, list[Done]] = defaultdict(list)
    for event in out:
        if isinstance(event, Done):
            done[event.mirror].append(event)
    for follower in mirrors.followers:
        spec, prints = follower.spec, done[follower.number]
        assert [each.trade_id for each in prints] == list(range(1000, 1000 + len(prints)))
        assert [each.time_ms for each in prints] == sorted(each.time_ms for each in prints)
        if spec.is_option:
            continue
        source = [fill for fill in fills if fill.book == spec.source and fill.kind == "MARKET"]
        assert len(prints) > 100
        for fill, each in zip(source, prints, strict=False):  # the newest are still on their way
            assert (each.time_ms, each.price) == (fill.time_ms + LAG_MS[spec.exchange], fill.price)
            assert (each.taker_buys, each.forced) == (not fill.buyer_is_maker, fill.forced)
            if spec.counts == "base":
                coins = Decimal(spec.native_text(each.units)).scaleb(-spec.contract_decimals)
                assert coins == Decimal(SPECS[spec.source].quantity_text(fill.lots))
            else:
                dollars = fill.lots * fill.price / 10 ** (spec.lot_decimals + spec.tick_decimals)
                assert abs(each.units * spec.dollars - dollars) <= max(spec.dollars / 2, spec.dollars - dollars) + 1e-6


def test_books_chain_and_never_cross(ran: tuple[Mirrors, list[Fill], list[object]]) -> None:
    mirrors, _, out = ran
    last: dict[int, int] = {}
    for event in out:
        if isinstance(event, Changed):
            assert event.change_id > event.previous_id == last.get(event.mirror, event.previous_id)
            last[event.mirror] = event.change_id
    assert set(last) == {follower.number for follower in mirrors.followers}
    for follower in mirrors.followers:
        assert max(follower.bids) < min(follower.asks)
        assert follower.change_id == last[follower.number]


def test_who_subscribes_between_two_changes_of_a_step_gets_the_book_of_its_id() -> None:
    """Changes have their ids when they are due, and are sent one by one: clients are answered in between."""
    market = Market(SPECS, seed=5, start_ms=START_MS)
    mirrors = Mirrors(market, mirror_specs(SPECS, MIRRORS + BYBIT_VENUES, START_MS), seed=5, first_id=1)
    wires = {"okx": OkxWire(mirrors.followers), "deribit": DeribitWire(mirrors.followers, 5)}
    bybit = BybitWire(mirrors.followers)
    seen = Counter[str]()
    for _ in range(20):
        due = mirrors.take([event for _ in range(3) for event in market.advance(100)], market.time_ms)
        for event in (event for event in due if isinstance(event, Changed)):
            follower = mirrors.followers[event.mirror]
            symbol, exchange = follower.spec.symbol, follower.spec.exchange
            if exchange == "okx":
                book = json.loads(wires[exchange].opening(f"books:{symbol}", 0) or "")["data"][0]
                told = book["seqId"]
            elif exchange == "deribit":
                book = json.loads(wires[exchange].opening(f"book.{symbol}.100ms", 0) or "")["params"]["data"]
                told = book["change_id"]
            else:
                book = json.loads(bybit.opening(follower.spec.venue, f"orderbook.200.{symbol}", 0) or "")["data"]
                told = book["u"]
            assert told == event.previous_id, follower.spec.venue
            seen[exchange] += follower.change_id != event.change_id
            follower.apply(event)
    assert set(+seen) == {"okx", "deribit", "bybit"}


def test_two_runs_are_equal() -> None:
    assert run(0.2)[2] == run(0.2)[2]


def test_a_change_repeated_by_a_copy_in_the_middle_does_no_harm() -> None:
    """A follower begins with the model's book; what was on its way by then is absolute."""
    market = Market(SPECS, seed=5, start_ms=START_MS)
    for _ in range(5):
        market.advance(100)
    mirrors = Mirrors(market, mirror_specs(SPECS, ["okx.linear"], START_MS), seed=5, first_id=1)
    (follower,) = mirrors.followers
    book = market.books[follower.spec.source].book
    for event in mirrors.take(market.advance(100), market.time_ms + 1000):
        if isinstance(event, Changed):
            follower.apply(event)
    # the makers' answer to the last step is not told yet
    pending = book.take_change(0)
    assert isinstance(pending, DepthChange)
    for side, levels in ((follower.bids, pending.bids), (follower.asks, pending.asks)):
        for price, lots in levels:
            side[price] = lots
    for side, model in ((follower.bids, book.bids), (follower.asks, book.asks)):
        assert {price: units for price, units in side.items() if units} == dict(list(model))


def test_option_prices_obey_parity_and_bounds() -> None:
    specs = [spec for spec in mirror_specs(SPECS, ["deribit.option"], START_MS) if spec.call]
    puts = [spec for spec in mirror_specs(SPECS, ["deribit.option"], START_MS) if not spec.call]
    for call, put in zip(specs, puts, strict=True):
        for forward in (60_000.0, 96_000.0, 150_000.0):
            price, other = (option_price(forward, spec, 55.0, START_MS) for spec in (call, put))
            assert math.isclose(price - other, 1 - call.strike / forward, abs_tol=1e-12)
            assert 0 <= price <= 1


def test_unknown_venues_are_refused() -> None:
    with pytest.raises(SettingsError, match="unknown venue 'kraken"):
        mirror_specs(SPECS, ["kraken.spot"], START_MS)


def test_every_message_is_json_of_the_right_stream(ran: tuple[Mirrors, list[Fill], list[object]]) -> None:
    mirrors, _, out = ran
    okx, deribit = OkxWire(mirrors.followers), DeribitWire(mirrors.followers, 5)
    seen = set()
    for event in out[-4000:]:
        assert isinstance(event, Done | Changed | Said | Liquidated)
        exchange = mirrors.followers[event.mirror].spec.exchange
        for (venue, stream), text in (okx if exchange == "okx" else deribit).messages(event):
            message = json.loads(text)
            assert venue == exchange
            name = OkxDialect.name_of(message["arg"]) if exchange == "okx" else message["params"]["channel"]
            assert name == stream
            seen.add((venue, stream.partition(":")[0] if venue == "okx" else stream.partition(".")[0]))
    assert {("okx", "books"), ("okx", "trades-all"), ("okx", "opt-summary"), ("deribit", "ticker")} <= seen
    assert ("deribit", "deribit_volatility_index") in seen


def test_dialects() -> None:
    okx = OkxDialect()
    assert okx.understand("ping").replies == ["pong"]
    asked = {
        "op": "subscribe",
        "args": [{"channel": "books", "instId": "A"}, {"channel": "instruments", "instType": "SWAP"}],
    }
    understood = okx.understand(json.dumps(asked))
    assert understood.subscribe == ["books:A", "instruments:SWAP"]
    assert [json.loads(text)["event"] for text in understood.replies] == ["subscribe", "subscribe"]
    assert json.loads(okx.understand("{").replies[0])["event"] == "error"
    assert carries("business", "trades-all:A")
    assert not carries("public", "trades-all:A")
    assert not carries("business", "books:A")
    deribit = DeribitDialect()
    request = {"jsonrpc": "2.0", "id": 4, "method": "public/subscribe", "params": {"channels": ["book.A.raw"]}}
    refused = deribit.understand(json.dumps(request))
    assert (refused.subscribe, json.loads(refused.replies[0])["error"]["code"]) == ([], 13778)
    assert DeribitDialect(raw=True).understand(json.dumps(request)).subscribe == ["book.A.raw"]
    assert json.loads(deribit.understand('{"method":"public/test","id":9}').replies[0])["id"] == 9
    bybit = BybitDialect().understand('{"op":"subscribe","args":["publicTrade.A"]}')
    assert (bybit.subscribe, json.loads(bybit.replies[0])["success"]) == (["publicTrade.A"], True)
