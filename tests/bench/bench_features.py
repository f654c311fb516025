"""What features cost to read over HTTP, in units of SELECT 1 of the same run, and to compute, per million rows.

``python -m tests.bench.bench_features [--symbols N] [--hours H] [--costs]``: an embedded ClickHouse with hours of a
synthetic market that end now, its views refreshing. Reads take turns, so that other work on the machine moves all
alike; targets: latest_features 2, the last 100 buckets and Top5 4 times SELECT 1, at p50 and p99; dynamic levels of 200
clusters 2 ms.
``--costs`` writes sql/costs.json for the catalogue page, and does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import clickhouse_connect

from marketprism.migrate import migrate, shipped
from tests.bench.market_hours import Hours, fill, until_now
from tests.integration.embedded_process import EmbeddedServer

KEY = "exchange = 'binance' AND market_type = 'spot' AND symbol = 'S1USDT'"
F = "marketprism_features"
READS = {
    "SELECT 1": "SELECT 1",
    "latest_features": f"SELECT * FROM {F}.latest_features FORMAT Native",
    "latest_features of a symbol": f"SELECT * FROM {F}.latest_features WHERE {KEY} FORMAT Native",
    "last 100 buckets": f"SELECT * FROM {F}.recent_buckets WHERE {KEY} ORDER BY bucket_id DESC LIMIT 100 FORMAT Native",
    "Top5": (
        "SELECT mid_price, bid_prices_5, bid_quantities_5, ask_prices_5, ask_quantities_5 "
        f"FROM {F}.lob_top5 WHERE {KEY} ORDER BY timestamp DESC LIMIT 1 FORMAT Native"
    ),
    "serving_features": f"SELECT * FROM {F}.serving_features FORMAT Native",
    "levels of latest_features": f"SELECT levels FROM {F}.latest_features WHERE {KEY} FORMAT Native",
    **{
        name: f"SELECT * FROM {F}.dynamic_levels(exchange = 'binance', market_type = 'spot', symbol = '{symbol}', "
        "at = now64(3), price = 50000) FORMAT Native"
        for name, symbol in (("dynamic levels", "S1USDT"), ("dynamic levels of no clusters", "NONEUSDT"))
    },
}
CLUSTERS = f"""
INSERT INTO {F}.footprint_clusters (exchange, market_type, symbol, run_ts, run_id, cluster_price, total_vol, delta,
    bins, last_ts, quality)
SETTINGS insert_deduplication_token = 'bench'
SELECT 'binance', 'spot', 'S1USDT', now64(3), 'bench', 49000 + number * 10, 1 + number % 7, 0, 3, now64(3), 'ok'
FROM numbers(200)"""
REFRESHED = (
    *("latest_details", "latest_impact", "latest_minutes", "recent_buckets"),
    *("latest_buckets", "latest_features_mv"),
)


def percentiles(server: EmbeddedServer, rounds: int) -> None:
    """p50 and p99 of every read, and their ratio to SELECT 1."""
    took: dict[str, list[float]] = {name: [] for name in READS}
    for number in range(rounds + 10):
        for name, sql in READS.items():
            begun = time.perf_counter()
            answer = server.post(sql)
            assert answer.status == 200, answer.data
            if number >= 10:
                took[name].append((time.perf_counter() - begun) * 1000)
    nothing = sorted(took["SELECT 1"])
    for name, times in took.items():
        times.sort()
        row: dict[str, Any] = {"read": name}
        for label, place in (("p50", len(times) // 2), ("p99", len(times) * 99 // 100)):
            row[f"{label}_ms"] = round(times[place], 2)
            row[f"{label}_ratio"] = round(times[place] / nothing[place], 2)
        print(json.dumps(row))
    levels, plan = (statistics.median(took[name]) for name in ("dynamic levels", "dynamic levels of no clusters"))
    print(json.dumps({"dynamic levels": "what 200 clusters add to planning them", "p50_ms": round(levels - plan, 2)}))


def refreshes(server: EmbeddedServer, times: int = 10) -> None:
    """Seconds of one refresh of each table that is kept ready, and seconds of processor, with the others stopped."""
    assert server.process is not None
    stat = Path(f"/proc/{server.process.pid}/stat")

    def cpu() -> float:
        return sum(int(field) for field in stat.read_text().rsplit(")", 1)[1].split()[11:13]) / os.sysconf("SC_CLK_TCK")

    with server.client() as client:
        client.command("SYSTEM STOP VIEWS")
        for name in REFRESHED:
            client.command(f"SYSTEM START VIEW {F}.{name}")
            begun, spent = time.perf_counter(), cpu()
            for _ in range(times):
                client.command(f"SYSTEM REFRESH VIEW {F}.{name}")
                client.command(f"SYSTEM WAIT VIEW {F}.{name}")
            took, spent = (time.perf_counter() - begun) / times, (cpu() - spent) / times
            print(json.dumps({"refresh": name, "seconds": round(took, 3), "cpu_s": round(spent, 3)}))
            client.command(f"SYSTEM STOP VIEW {F}.{name}")
        client.command("SYSTEM START VIEWS")
        for name in REFRESHED:
            client.command(f"SYSTEM START VIEW {F}.{name}")


def views(market: Hours) -> None:
    """Seconds of each view over everything, per million trades and per million books; and of one symbol alone."""
    with tempfile.TemporaryDirectory(prefix="features-") as folder:
        client = clickhouse_connect.get_client(interface="chdb", path=folder)
        migrate(client)
        client.command("SYSTEM STOP VIEWS")
        fill(client, market)
        names = client.query(
            f"SELECT name FROM system.tables WHERE database = '{F}' AND engine = 'View' "
            "AND create_table_query NOT LIKE '%{%:%}%' AND NOT startsWith(name, 'all_') "
            f"AND name IN (SELECT table FROM system.columns WHERE database = '{F}' AND name = 'exchange') ORDER BY name"
        ).result_rows
        trades, books = (market.symbols * rows / 1e6 for rows in (market.trades, market.books))
        for (name,) in names:
            seconds = []
            for where in ("", f" WHERE {KEY}"):
                begun = time.perf_counter()
                client.raw_query(f"SELECT * FROM {F}.{name}{where}", fmt="Native")
                seconds.append(time.perf_counter() - begun)
            per = {"per_million_trades_s": seconds[0] / trades, "per_million_books_s": seconds[0] / books}
            print(
                json.dumps(
                    {"view": name, "one_symbol_s": round(seconds[1], 3)} | {k: round(v, 3) for k, v in per.items()}
                )
            )
        client.close()


def costs(market: Hours, times: int = 3) -> dict[str, float]:
    """Object → best time of one read of everything, or of one refresh, over that of unified_buckets."""
    with tempfile.TemporaryDirectory(prefix="features-") as folder:
        client = clickhouse_connect.get_client(interface="chdb", path=folder)
        migrate(client)
        client.command("SYSTEM STOP VIEWS")
        fill(client, market)
        rows = client.query(
            "SELECT database || '.' || name, create_table_query LIKE '%REFRESH EVERY%', "
            "extract(create_table_query, ' TO (marketprism_features[.][a-z0-9_]+)') FROM system.tables "
            "WHERE database IN ('marketprism_features', 'marketprism_labels') AND NOT startsWith(name, 'all_') AND "
            "(engine = 'View' AND create_table_query NOT LIKE '%{%:%}%' OR create_table_query LIKE '%REFRESH EVERY%') "
            "ORDER BY database, name"
        ).result_rows
        seconds: dict[str, float] = {}
        for name, refreshed, target in rows:
            for _ in range(times):
                begun = time.perf_counter()
                if refreshed:
                    client.command(f"SYSTEM START VIEW {name}")
                    client.command(f"SYSTEM REFRESH VIEW {name}")
                    client.command(f"SYSTEM WAIT VIEW {name}")
                else:
                    client.raw_query(f"SELECT * FROM {name}", fmt="Native")
                took = time.perf_counter() - begun
                seconds[target or name] = min(took, seconds.get(target or name, took))
            if refreshed:
                client.command(f"SYSTEM STOP VIEW {name}")
        client.close()
    base = seconds[f"{F}.unified_buckets"]
    return {name: round(took / base, 1) for name, took in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=5)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--costs", action="store_true", help="write sql/costs.json only")
    given = parser.parse_args()
    market = until_now(given.symbols, given.hours)
    if given.costs:
        text = json.dumps(costs(market), indent=1, sort_keys=True)
        (shipped("sql") / "costs.json").write_text(f"{text}\n", encoding="utf-8")
        return
    with tempfile.TemporaryDirectory(prefix="features-") as folder:
        server = EmbeddedServer(Path(folder)).start()
        try:
            with server.client() as client:
                migrate(client)
                fill(client, market)
                client.command(CLUSTERS)
            refreshes(server)
            percentiles(server, given.rounds)
        finally:
            server.stop()
    views(market)


if __name__ == "__main__":
    main()
