"""One file of every kind in its exact layout, and the row that comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.days.engine import Engine
from storage_service.days.fetching import Request
from storage_service.days.history import Backfill, Summary
from storage_service.days.layouts import LAYOUTS, MARKETS
from storage_service.days.vision import ArchiveFile
from tests.integration.embedded_process import EmbeddedServer
from tests.migrated import Template
from tests.unit.days.vision_files import write_file

D = Decimal
NOON = 1_709_553_600_000  # 2024-03-04 12:00 UTC
KLINE = [NOON, "10.0", "12.5", "9.5", "11.0", "300", NOON + 59_999, "27.5", 42, "100", "9.25", 0]
KLINE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
EIGHT = "8.000000000000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> Iterator[EmbeddedServer]:
    data = tmp_path_factory.mktemp("days-kinds")
    migrated.seed(data)
    server = EmbeddedServer(data).stand_still().start()
    yield server
    server.stop()


def utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)


CASES: list[tuple[str, str, str, str, list[list[object]], list[dict[str, Any]]]] = [
    ("um", "trades", "", "id,price,qty,quote_qty,time,is_buyer_maker",
     [[5, "10.25", "2.5", "25.625", NOON, "true"], [6, "10.00", "1", "10", NOON + 1, "false"]],
     [{"sequence": 5, "trade_kind": "trade", "price": D("10.25"), "quantity": D("2.5"), "side": "sell",
       "is_maker": True, "first_trade_id": 5, "last_trade_id": 5, "tick_size": D("0.01"), "price_tick": 1025},
      {"sequence": 6, "side": "buy", "price_tick": 1000, "is_market": True}]),
    ("spot", "trades", "", "", [[5, "10.25000000", "2.50000000", "25.625", NOON * 1000 + 7, "False", "True"]],
     [{"sequence": 5, "timestamp": utc(NOON), "side": "buy", "tick_size": D("0.01"), "data_source": "archive"}]),
    ("cm", "trades", "", "", [[5, "3.0", "1", "3.333", NOON, "false"]],
     [{"quantity": D("3.333333333333"), "native_quantity": D(1)}]),
    ("spot", "klines", "1m", "", [[str(v) for v in KLINE]],
     [{"timestamp": utc(NOON), "interval": "1m", "open": D(10), "high": D("12.5"), "low": D("9.5"), "close": D(11),
       "volume": D(300), "quote_volume": D("27.5"), "trades": 42, "taker_buy_volume": D(100),
       "taker_buy_quote_volume": D("9.25"), "close_time": utc(NOON + 59_999), "received_at": utc(NOON + 60_099)}]),
    ("cm", "klines", "1h", KLINE_HEADER, [list(KLINE)],
     [{"volume": D("27.5"), "quote_volume": D(3000), "taker_buy_volume": D("9.25"),
       "taker_buy_quote_volume": D(1000)}]),
    ("um", "markPriceKlines", "1m", KLINE_HEADER, [[*KLINE[:5], 0, KLINE[6], 0, 60, 0, 0, 0]],
     [{"close": D(11), "volume": D(0), "interval": "1m"}]),
    ("cm", "indexPriceKlines", "1m", KLINE_HEADER, [[*KLINE[:5], 0, KLINE[6], 0, 60, 0, 0, 0]],
     [{"close": D(11), "quote_volume": D(0)}]),
    ("um", "premiumIndexKlines", "1m", "",
     [[NOON, "-0.00012", "0.1", "-0.2", "0.00003", 0, NOON + 59_999, 0, 12, 0, 0, 0]],
     [{"open": D("-0.00012"), "close": D("0.00003")}]),
    ("um", "fundingRate", "", "calc_time,funding_interval_hours,last_funding_rate", [[NOON + 7, 8, "-0.00003449"]],
     [{"timestamp": utc(NOON + 7), "funding_rate": D("-0.00003449"), "funding_kind": "settled",
       "funding_interval_h": 8, "funding_time": utc(NOON), "next_funding_time": utc(NOON + 8 * 3_600_000)}]),
    ("um", "metrics", "",
     "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
     "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio",
     [["2024-03-04 12:05:00", "X", "8.5", "850.25", "1.5", "1.25", "1.75", "0.5"],
      ["2024-03-04 12:00:00", "X", "8.25", "850.25", "1.5", "", "1.75", "0.5"],
      ["2024-03-05 00:00:00", "X", "9", "900", "1", "1", "1", "1"]],
     [{"timestamp": utc(NOON), "sum_open_interest": D("8.25"), "count_long_short_ratio": 1.75},
      {"timestamp": utc(NOON + 300_000), "sum_toptrader_long_short_ratio": 1.25},
      {"timestamp": utc(NOON + 12 * 3_600_000), "sum_open_interest": D(9)}]),
    ("um", "bookDepth", "", "timestamp,percentage,depth,notional",
     [["2024-03-04 12:00:07", "-5.00", "100.5", "1000"], ["2024-03-04 12:00:07", "5", "90", "950.125"]],
     [{"percentage": D("-5"), "depth": D("100.5")}, {"percentage": D(5), "notional": D("950.125")}]),
    ("um", "bookTicker", "",
     "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time",
     [[9, "10.0", "1", "10.5", "2", NOON, NOON + 3], [8, "9.5", "1", "10.5", "2", NOON - 1, NOON]],
     [{"sequence": 8, "best_bid_price": D("9.5")},
      {"sequence": 9, "best_ask_quantity": D(2), "event_time": utc(NOON + 3), "received_at": utc(NOON + 103)}]),
    ("cm", "liquidationSnapshot", "",
     "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,"
     "accumulated_fill_quantity",
     [[NOON, "SELL", "LIMIT", "IOC", "9", "9.0", "10.0", "FILLED", "4", "4"]] * 2
     + [[NOON, "BUY", "LIMIT", "IOC", "9", "8.0", "0.0", "NEW", "0", "0"]] * 4,
     [{"side": "buy", "price": D(8), "price_kind": "bankruptcy", "quantity": D("11.25")}] * 2
     + [{"side": "sell", "price": D(10), "price_kind": "fill", "quantity": D(4), "native_quantity": D(4)}]),
]  # fmt: skip


@pytest.mark.parametrize(("market", "kind", "interval", "header", "rows", "expected"), CASES)
def test_every_kind_of_file(
    server: EmbeddedServer,
    tmp_path: Path,
    market: str,
    kind: str,
    interval: str,
    header: str,
    rows: list[list[object]],
    expected: list[dict[str, Any]],
) -> None:
    layout = LAYOUTS[kind]
    symbol = f"{market}{kind}USD"
    period = "2024-03-04" if layout.daily else "2024-03"
    file = ArchiveFile(market, kind, symbol, interval, period)
    write_file(tmp_path, file, rows, header=header)

    def load() -> Summary:
        day = date(2024, 3, 4)
        request = Request(market, layout, (symbol,), (interval,), day, day)
        clickhouse = ClickHouseSettings(url=server.url, _env_file=None)
        return Backfill(clickhouse, StorageSettings(_env_file=None), request, base_url=str(tmp_path)).run()

    summary = load()
    assert (summary.failed, summary.files, summary.rows) == ([], 1, len(expected))
    engine = Engine.open(ClickHouseSettings(url=server.url, _env_file=None))
    key = f"symbol = '{symbol}' AND market_type = '{MARKETS[market]}'"
    for number, wanted in enumerate(expected):
        names = ", ".join(wanted)
        order = "timestamp, sequence, side" if layout.table == "liquidations" else "timestamp, sequence"
        order = "timestamp, percentage" if kind == "bookDepth" else order
        got = engine.rows(
            f"SELECT {names} FROM marketprism_cold.{layout.table} WHERE {key} ORDER BY {order} LIMIT 1 OFFSET {number}"
        )
        assert dict(zip(wanted, got[0], strict=True)) == wanted
    assert load().skipped == 1
    if len(rows) == 1:
        return
    write_file(tmp_path, file, rows[:1] if kind != "liquidationSnapshot" else rows[:2], header=header)  # issued anew
    assert load().rows == 1
    left = 2 if kind == "metrics" else 1  # its midnight row lies on the next day, which the next file may own
    assert engine.rows(f"SELECT count() FROM marketprism_cold.{layout.table} WHERE {key}")[0][0] == left
