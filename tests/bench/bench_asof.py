"""What a point-in-time join costs as history grows: the same instants of the last day, behind few days and behind many.

    python -m tests.bench.bench_asof --days 16 --symbols 4

A trade every two seconds, a bucket every thirty, a book every ten, made by the engine. ``server_mb`` is the server's
highest resident size up to then; a feature's cost is flat when ``many / few`` is 1.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from marketprism.clickhouse import connect
from marketprism.features import Features
from marketprism.migrate import migrate
from marketprism.settings import ClickHouseSettings
from tests.bench.bench_panel import peak_mb
from tests.integration.embedded_process import EmbeddedServer

FEW_DAYS = 4
"""More than the windows of the last day reach back to."""
LAST = datetime(2024, 3, 31, tzinfo=UTC)
FEATURES = (
    *(
        "log_return_10",
        "returns_by_bucket.log_return_10",
        "vpin_by_bucket.vpin",
        "impact_by_bucket.kyle_lambda_mid",
        "volatility_by_bucket.jump_share",
    ),
    *("trend_state_by_bucket.trend_state", "returns_1s.log_return_1m", "returns_1m.log_return_10"),
    *("volatility_1m.regime", "trade_flow_1m.cvd", "unified_features_1m.kyle_lambda"),
)
_KEY = "'binance' AS exchange, 'spot' AS market_type, '{symbol}' AS symbol, 'archive' AS data_source"
_AT = "toDateTime64('{day} 00:00:00', 3, 'UTC') + toIntervalSecond(number * {step})"
_TRADES = (
    "INSERT INTO marketprism_hot.trades (timestamp, received_at, exchange, market_type, symbol, data_source, sequence, "
    f"price, quantity, native_quantity, side, is_market, bucket_id, bucket_t_max_ms) SELECT {_AT} AS timestamp, "
    f"toDateTime64(timestamp, 6, 'UTC'), {_KEY}, number, 1000 + sipHash64(number, '{{day}}') % 50, 1 + number % 3, "
    "1 + number % 3, if(sipHash64(number) % 2, 'buy', 'sell'), 1, "
    "toUInt64(formatDateTime(timestamp, '%Y%m%d')) * 1000000 + intDiv(number, 15) + 1, 60000 FROM numbers(43200)"
)
_BOOKS = (
    "INSERT INTO marketprism_hot.orderbooks (timestamp, received_at, exchange, market_type, symbol, data_source, "
    "sequence, best_bid_price, best_ask_price, bid_prices, bid_quantities, ask_prices, ask_quantities) "
    f"SELECT {_AT} AS timestamp, toDateTime64(timestamp, 6, 'UTC'), {_KEY}, number, mid - 0.5, mid + 0.5, "
    "arrayMap(n -> mid - 0.5 - n, range(20)), arrayMap(n -> 1 + n, range(20)), "
    "arrayMap(n -> mid + 0.5 + n, range(20)), arrayMap(n -> 1 + n, range(20)) "
    "FROM (SELECT number, 1000 + sipHash64(number, '{day}') % 50 AS mid FROM numbers(8640))"
)


def fill(client: Any, symbols: tuple[str, ...], day: datetime) -> None:
    for symbol in symbols:
        client.command(_BOOKS.format(symbol=symbol, day=day.date(), step=10))
        client.command(_TRADES.format(symbol=symbol, day=day.date(), step=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=16, help="of the long history [16]")
    parser.add_argument("--symbols", type=int, default=4, help="how many [4]")
    given = parser.parse_args()
    symbols = tuple(f"S{number}USDT" for number in range(given.symbols))
    entities = [("binance", "spot", symbol) for symbol in symbols]
    with tempfile.TemporaryDirectory(prefix="marketprism-bench-") as name:
        server = EmbeddedServer(Path(name)).stand_still().start()
        assert server.process is not None
        client = connect(ClickHouseSettings(url=server.url, _env_file=None), send_receive_timeout=3600)
        migrate(client)
        features = Features(client)
        first: dict[str, float] = {}
        for days in (FEW_DAYS, given.days):
            for back in range(FEW_DAYS if first else 0, days):
                fill(client, symbols, LAST - timedelta(days=back))
            for feature in FEATURES:
                began = time.perf_counter()
                rows = features.panel(
                    entities, LAST, LAST + timedelta(days=1), timedelta(minutes=1), [feature], keep_excluded=True
                )
                took = time.perf_counter() - began
                found = len(rows) - rows.column(feature.rpartition(".")[2]).null_count
                line: dict[str, Any] = {"days": days, "feature": feature, "seconds": round(took, 2), "values": found}
                if feature in first:
                    line["many / few"] = round(took / first[feature], 2)
                first.setdefault(feature, took)
                print(json.dumps({**line, "server_mb": peak_mb(server.process.pid)}), flush=True)
        server.stop()


if __name__ == "__main__":
    main()
