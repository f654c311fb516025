"""Memory and rate of a panel export: the same panel of one day and of many, client and server.

    python -m tests.bench.bench_panel --days 8 --symbols 4

Books once a second and a trade every two seconds, made by the engine; every group of the panel, 5 levels, grid of 1 s.
``client_mb`` and ``server_mb`` are the highest resident sizes up to then: flat when the second line's are the first's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from marketprism.clickhouse import connect
from marketprism.migrate import migrate
from marketprism.panel import GROUPS, Panel
from marketprism.panel_export import export_panel
from marketprism.settings import ClickHouseSettings
from tests.integration.embedded_process import EmbeddedServer

START = datetime(2024, 3, 4)
_KEY = "'binance' AS exchange, 'linear' AS market_type, '{symbol}' AS symbol, 'archive' AS data_source"
_AT = "toDateTime64('2024-03-04 00:00:00', 3, 'UTC') + toIntervalDay({day}) + toIntervalSecond(number * {step})"
_BOOKS = (
    "INSERT INTO marketprism_cold.orderbooks (timestamp, received_at, exchange, market_type, symbol, data_source, "
    "sequence, best_bid_price, best_ask_price, bid_prices, bid_quantities, ask_prices, ask_quantities) "
    f"SELECT {_AT} AS timestamp, toDateTime64(timestamp, 6, 'UTC'), {_KEY}, number, mid - 0.5, mid + 0.5, "
    "arrayMap(n -> mid - 0.5 - n, range(20)), arrayMap(n -> 1 + n, range(20)), "
    "arrayMap(n -> mid + 0.5 + n, range(20)), arrayMap(n -> 1 + n, range(20)) "
    "FROM (SELECT number, 1000 + sipHash64(number, {day}) % 50 AS mid FROM numbers(86400))"
)
_TRADES = (
    "INSERT INTO marketprism_cold.trades (timestamp, received_at, exchange, market_type, symbol, data_source, "
    f"sequence, price, quantity, side, bucket_id) SELECT {_AT} AS timestamp, toDateTime64(timestamp, 6, 'UTC'), "
    f"{_KEY}, number, 1000 + number % 50, 1 + number % 3, if(number % 2, 'buy', 'sell'), 20240304000001 "
    "FROM numbers(43200)"
)


def fill(client: Any, symbols: tuple[str, ...], days: int) -> None:
    for symbol in symbols:
        for day in range(days):
            client.command(_BOOKS.format(symbol=symbol, day=day, step=1))
            client.command(_TRADES.format(symbol=symbol, day=day, step=2))


def peak_mb(process: str | int) -> int:
    text = Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1]) >> 10


def export(url: str, symbols: tuple[str, ...], days: int, out: Path) -> dict[str, int]:
    """One export in this process."""
    panel = Panel(symbols, START, START + timedelta(days=days), features=GROUPS)
    client = connect(ClickHouseSettings(url=url, _env_file=None), send_receive_timeout=3600)
    began = time.perf_counter()
    rows = export_panel(client, panel, out)
    return {"rows": rows, "rows_per_s": round(rows / (time.perf_counter() - began)), "client_mb": peak_mb("self")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=4, help="of the long export [4]")
    parser.add_argument("--symbols", type=int, default=4, help="how many [4]")
    parser.add_argument("--export", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    symbols = tuple(f"S{number}USDT" for number in range(given.symbols))
    if given.export:
        url, days, out = given.export
        print(json.dumps(export(url, symbols, int(days), Path(out))))
        return
    with tempfile.TemporaryDirectory(prefix="marketprism-bench-") as name:
        folder = Path(name)
        server = EmbeddedServer(folder / "server").stand_still().start()
        assert server.process is not None
        client = server.client()
        migrate(client)
        fill(client, symbols, given.days)
        for days in (1, given.days):
            # a process each: the highest size of one says nothing of the other
            arguments = ["--symbols", str(given.symbols), "--export", server.url, str(days), str(folder / f"out{days}")]
            done = subprocess.run(
                [sys.executable, "-m", "tests.bench.bench_panel", *arguments],
                check=True,
                capture_output=True,
                text=True,
            )
            found = json.loads(done.stdout)
            print(json.dumps({"days": days, **found, "server_mb": peak_mb(server.process.pid)}), flush=True)
        server.stop()


if __name__ == "__main__":
    main()
