"""Pages of the trade history, periods of the statistics, and going on after a restart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism.errors import ReplayError
from marketprism.simulator import continuation, statistics, trade_log
from marketprism.simulator.events import Aggregate, Fill
from marketprism.simulator.market import Market
from marketprism.simulator.specs import default_specs
from marketprism.simulator.trade_log import Rows, TradeLog
from marketprism.simulator.venue_book import FirstIds

START_MS = 1_790_000_000_000


def test_pages_start_at_the_id_asked_for() -> None:
    rows = Rows(100, "time_ms", "price")
    for number in range(10):
        rows.append(1000 + number, number)
    assert [row["id"] for row in rows.page(103, 4)] == [103, 104, 105, 106]
    assert [row["id"] for row in rows.page(None, 3)] == [107, 108, 109]
    assert [row["id"] for row in rows.page(5, 2)] == [100, 101]
    assert rows.page(500, 2) == []
    assert [row["price"] for row in rows.between(1003, 1005, 10)] == [3, 4, 5]


def test_old_rows_leave_and_ids_stay_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trade_log, "KEEP", 4)
    rows = Rows(1, "time_ms")
    for number in range(1, 30):
        rows.append(number)
    assert 4 <= len(rows) < 8
    assert rows.page(29, 1) == [{"id": 29, "time_ms": 29}]
    assert all(row["id"] == row["time_ms"] for row in rows.page(None, 100))


def test_the_ledger_has_every_fill_as_decimal_text(tmp_path: Path) -> None:
    specs = default_specs(("BTCUSDT",))
    log = TradeLog(specs, [(1, 1), (1, 1)], tmp_path / "ledger.jsonl")
    log.add_fill(Fill(0, 5, 1, 1, 9_600_001, 150, True))
    log.add_fill(Fill(1, 6, 1, 0, 960_001, 2, False, "INSURANCE_FUND"))
    log.close()
    first, second = map(json.loads, (tmp_path / "ledger.jsonl").read_text().splitlines())
    assert first == {
        "venue": "binance.spot", "symbol": "BTCUSDT", "id": 1, "aggregate_id": 1, "price": "96000.01",
        "quantity": "0.00150", "side": "sell", "time": 5, "kind": "MARKET",
    }  # fmt: skip
    assert (second["kind"], second["side"], second["aggregate_id"]) == ("INSURANCE_FUND", "buy", 0)


@given(st.sampled_from(sorted(statistics.PERIODS_MS)), st.integers(10**12, 2 * 10**12), st.integers(1, 40))
def test_periods_end_before_now_and_are_whole(period: str, now_ms: int, limit: int) -> None:
    period_ms = statistics.PERIODS_MS[period]
    ends = statistics.period_ends(period_ms, now_ms, limit, None, None)
    assert len(ends) == limit
    assert all(end % period_ms == 0 for end in ends)
    assert now_ms - period_ms < ends[-1] <= now_ms
    assert statistics.period_ends(period_ms, now_ms, limit, ends[0], None) == ends
    assert statistics.period_ends(period_ms, now_ms, limit, ends[0] + 1, ends[-1] - 1) == ends[1:-1]


@given(st.integers(0, 99), st.integers(10**12, 2 * 10**12))
def test_shares_and_rates_stay_in_their_ranges(seed: int, time_ms: int) -> None:
    assert 0.3 < statistics.long_share(seed, "BTCUSDT", "all", time_ms) < 0.7
    assert abs(statistics.settled_rate(seed, "BTCUSDT", time_ms)) < 0.001
    assert statistics.open_interest(seed, "BTCUSDT", 1e5, time_ms) > 0


def played(first: dict[tuple[str, str], FirstIds] | None = None) -> tuple[Market, TradeLog]:
    market = Market(default_specs(("BTCUSDT",)), seed=1, start_ms=START_MS, first_ids=first)
    log = TradeLog(
        tuple(book.spec for book in market.books), [(b.next_trade_id, b.next_aggregate_id) for b in market.books]
    )
    for _ in range(20):
        for event in market.advance(1000):
            if isinstance(event, Fill):
                log.add_fill(event)
            elif isinstance(event, Aggregate):
                log.add_aggregate(event)
    return market, log


def test_after_a_clean_end_ids_go_on_and_the_newest_trades_can_still_be_asked_for(tmp_path: Path) -> None:
    market, log = played()
    continuation.save(tmp_path / "state.json", market, log, clean=True)
    state = continuation.load(tmp_path / "state.json")
    assert state is not None
    assert state.time_ms == market.time_ms
    assert state.prices == market.prices()
    book = market.books[1]
    ids = state.first_ids["binance.linear", "BTCUSDT"]
    assert (ids.trade, ids.aggregate, ids.update) == (book.next_trade_id, book.next_aggregate_id, book.book.last_id)
    again = Rows(ids.trade, "time_ms", "price", "lots", "maker", "market")
    again.restore(state.books["binance.linear", "BTCUSDT"].fills)
    assert again.page(ids.trade - 5, 10) == log.fills[1].page(ids.trade - 5, 10)


def test_after_a_crash_no_id_is_given_out_twice(tmp_path: Path) -> None:
    market, log = played()
    continuation.save(tmp_path / "state.json", market, log, clean=False)
    market.advance(60_000)
    state = continuation.load(tmp_path / "state.json")
    assert state is not None
    for book in market.books:
        ids = state.first_ids[book.spec.venue, book.spec.symbol]
        assert ids.trade > book.next_trade_id
        assert ids.aggregate > book.next_aggregate_id
        assert ids.update > book.book.last_id


def test_no_file_is_a_new_market_and_a_broken_one_is_a_clear_error(tmp_path: Path) -> None:
    assert continuation.load(tmp_path / "none.json") is None
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ReplayError, match="delete it to start a new market"):
        continuation.load(tmp_path / "state.json")
