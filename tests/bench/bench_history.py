"""History: a synthetic month from zip to features, against the engine's own insert and against polars; memory.

    python -m tests.bench.bench_history --trades 30000000 --symbols 10

Rates are rows per second of the clock and of the CPU (server and client: on a busy machine the one to look at).
(a) inserts the unzipped rows, buckets given to it for nothing, into a copy of the same table with the same views.
(b) is polars on the same zip: the minute layer, volume bars within a minute, VPIN over 50 bars; it stores nothing.
(c) is polars on the same zip making what is stored: every row with the columns of the table, and the five tables of the
views in Float64, as parquet with ZSTD(6); it checks nothing. ``three_outputs`` reads those of (b) from what was loaded.
``resident_mb`` is the server's highest resident size after the first symbol and after the last.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import polars as pl

from marketprism.clickhouse import COLD, FEATURES, HOT
from marketprism.migrate import migrate
from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.days.content import columns_of
from storage_service.days.engine import Engine
from storage_service.days.fetching import Request
from storage_service.days.history import Backfill
from storage_service.days.layouts import LAYOUTS
from storage_service.days.views import swapped, views_on
from tests.bench.history_archive import days, write_month
from tests.integration.embedded_process import EmbeddedServer

BUCKETS = ("bucket_id", "bucket_cut", "bucket_t_max_ms")
_TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """Seconds of the clock and of the CPU, of this process and a server, while the block runs."""

    def __init__(self, server: EmbeddedServer) -> None:
        assert server.process is not None
        self._stat = Path(f"/proc/{server.process.pid}/stat")
        self.wall = self.cpu = 0.0

    def _spent(self) -> float:
        fields = self._stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS + time.process_time()

    def __enter__(self) -> Meter:
        self._wall, self._cpu = time.perf_counter(), self._spent()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self._wall, self._spent() - self._cpu

    def rates(self, rows: int) -> dict[str, int]:
        return {"rows_per_s": round(rows / self.wall), "rows_per_cpu_s": round(rows / self.cpu)}


def peak_mb(server: EmbeddedServer) -> int:
    assert server.process is not None
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1]) >> 10


def backfill(server: EmbeddedServer, root: Path, symbols: tuple[str, ...]) -> int:
    clickhouse = ClickHouseSettings(url=server.url, _env_file=None)
    request = Request("um", LAYOUTS["aggTrades"], symbols, ("",), *days())
    summary = Backfill(clickhouse, StorageSettings(_env_file=None), request, base_url=str(root), workers=2).run()
    assert not summary.failed, summary.failed
    return summary.rows


def engine_insert(server: EmbeddedServer, folder: Path, symbol: str) -> tuple[Meter, int]:
    """(a): a copy of the table and of what hangs on it, filled from a CSV file by one INSERT."""
    engine = Engine.open(ClickHouseSettings(url=server.url, _env_file=None))
    layout = LAYOUTS["aggTrades"]
    fields = [*layout.fields["um"], "UInt64", "String", "UInt32"]
    names = [f"c{number}" for number in range(1, len(fields) + 1)]
    values = {name: name for name in names} | {"latency_us": "100000"}
    given = dict(zip(BUCKETS, names[-3:], strict=True))
    expressions = {name: text.format(**values) for name, text in layout.expressions("um").items()} | given
    expressions |= {"exchange": "'binance'", "market_type": "'linear'", "symbol": f"'{symbol}'"}
    expressions |= {"data_source": "'archive'", "tick_size": "0.1", "price_tick": "toInt64(c2 * 10)"}
    columns = [f"{name} {kind} EPHEMERAL" for name, kind in zip(names, fields, strict=True)]
    for name, kind in columns_of(engine, f"{COLD}.trades").items():
        default = f" DEFAULT {expressions[name]}" if name in expressions else ""
        columns.append(f"`{name}` {kind}{default} CODEC(ZSTD(6))")
    engine.run("CREATE DATABASE bench")
    engine.run(
        f"CREATE TABLE bench.trades ({', '.join(columns)}) ENGINE = MergeTree PARTITION BY toYYYYMMDD(timestamp) "
        "ORDER BY (exchange, market_type, symbol, timestamp, sequence)"
    )
    for view in views_on(engine, f"{HOT}.trades"):
        target = f"bench.{view.target.partition('.')[2]}"
        engine.run(f"CREATE TABLE {target} AS {view.target}")
        select = swapped(view.select, {f"{HOT}.trades": "bench.trades"})
        engine.run(f"CREATE MATERIALIZED VIEW bench.{view.name.partition('.')[2]} TO {target} AS {select}")
    lines = folder / "rows.csv"
    query = (
        "SELECT sequence, price, quantity, first_trade_id, last_trade_id, toUnixTimestamp64Milli(timestamp), is_maker, "
        f"{', '.join(BUCKETS)} FROM {COLD}.trades WHERE symbol = '{symbol}' ORDER BY sequence FORMAT CSV"
    )
    client = server.client()
    with lines.open("wb") as file, client.raw_stream(query) as stream:
        while chunk := stream.read(1 << 20):
            file.write(chunk)
    with Meter(server) as meter, lines.open("rb") as file:
        engine.insert_csv("bench.trades", names, iter(lambda: file.read(1 << 20), b""))
    counted = engine.rows("SELECT (SELECT count() FROM bench.trades), (SELECT sum(trades) FROM bench.bucket_flow)")[0]
    assert counted[0] == counted[1], counted
    lines.unlink()
    return meter, int(counted[0])


def three_outputs(server: EmbeddedServer, symbol: str) -> Meter:
    """The minute layer, bars and VPIN of a loaded month, to the client as Arrow."""
    client = server.client()
    with Meter(server) as meter:
        for view in ("agg_trades_1m", "unified_buckets", "vpin_by_bucket"):
            assert client.query_arrow(f"SELECT * FROM {FEATURES}.{view} WHERE symbol = '{symbol}'").num_rows
    return meter


def with_polars(path: Path, *arguments: str) -> dict[str, Any]:
    """(b) or (c), in a process of its own: rows, seconds of the clock and of the CPU, highest resident size."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_history", "--polars", str(path), *arguments],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def polars_month(path: Path, q: float = 60.0) -> dict[str, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    with zipfile.ZipFile(path) as archive:
        trades = pl.read_csv(archive.read(archive.namelist()[0]))
    signed = pl.col("quantity") * (1 - 2 * pl.col("is_buyer_maker").cast(pl.Int8))
    trades = trades.with_columns(minute=pl.col("transact_time") // 60_000, signed=signed)
    quote = pl.col("price") * pl.col("quantity")
    minutes = trades.group_by("minute").agg(
        pl.len(), pl.col("quantity").sum().alias("base"), quote.sum().alias("quote"), pl.col("signed").sum(),
        pl.col("price").first().alias("open"), pl.col("price").last().alias("close"),
        pl.col("price").max().alias("high"), pl.col("price").min().alias("low"),
    )  # fmt: skip
    before = pl.col("quantity").cum_sum().over("minute") - pl.col("quantity")
    bars = (
        trades.with_columns(bar=(before / q).cast(pl.Int64))
        .group_by("minute", "bar")
        .agg(pl.col("quantity").sum().alias("vol"), pl.col("signed").sum().abs(), pl.col("price").last())
        .sort("minute", "bar")
    )
    vpin = bars["signed"].rolling_sum(50) / bars["vol"].rolling_sum(50)
    assert minutes.height
    assert vpin.len()
    return {
        "rows": trades.height,
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def polars_stored(path: Path, out: Path, q: float = 60.0) -> dict[str, Any]:
    """(c): like (b), but what MarketPrism keeps of the month, in Float64."""
    wall, cpu = time.perf_counter(), time.process_time()
    with zipfile.ZipFile(path) as archive:
        trades = pl.read_csv(archive.read(archive.namelist()[0]))
    time_ms, price, quantity = pl.col("transact_time"), pl.col("price"), pl.col("quantity")
    before = quantity.cum_sum().over("minute") - quantity
    rows = trades.with_columns(
        minute=time_ms // 60_000, second=time_ms // 1_000, received=time_ms * 1_000 + 100_000, native=quantity,
        exchange=pl.lit("binance"), market=pl.lit("linear"), symbol=pl.lit("S0USDT"), kind=pl.lit("agg_trade"),
        source=pl.lit("archive"), trade_id=pl.col("agg_trade_id").cast(pl.String), trade_time=time_ms, tick=pl.lit(0.1),
        side=pl.when("is_buyer_maker").then(pl.lit("sell")).otherwise(pl.lit("buy")),
        price_tick=(price * 10).round().cast(pl.Int64),
    )  # fmt: skip
    rows = rows.with_columns(bucket=pl.col("minute") * 1_000 + (before / q).cast(pl.Int64))
    buy = pl.col("side") == "buy"
    value = price * quantity
    flow = [
        pl.len(), buy.sum().alias("buys"), quantity.sum().alias("vol"), quantity.filter(buy).sum().alias("buy_vol"),
        value.sum().alias("notional"), value.filter(buy).sum().alias("buy_notional"), price.first().alias("open"),
        price.last().alias("close"), price.max().alias("high"), price.min().alias("low"), pl.col("received").max(),
    ]  # fmt: skip
    layer = [
        (value * value).filter(buy).sum().alias("buy_square"), (value * value).filter(~buy).sum().alias("sell_square"),
        *(value.filter(side & of).sum().alias(f"{name}{n}") for n, side in enumerate((buy, ~buy))
          for name, of in (("whale", value >= 50_000), ("retail", value <= 1_000))),
        time_ms.min().alias("first"), time_ms.max().alias("last"),
    ]  # fmt: skip
    cells = [pl.len(), quantity.filter(buy).sum().alias("ask"), quantity.filter(~buy).sum().alias("bid")]
    ids = [pl.col("agg_trade_id").min().alias("from_id"), pl.col("agg_trade_id").max().alias("to_id")]
    made = {
        "second": rows.group_by("second").agg(flow).sort("second"),
        "minute": rows.group_by("minute").agg(*flow, *layer).sort("minute"),
        "bucket": rows.group_by("bucket").agg(*flow, *ids).sort("bucket"),
        "cells_1m": rows.group_by("minute", "price_tick").agg(cells).sort("minute", "price_tick"),
        "cells": rows.group_by("bucket", "price_tick").agg(cells).sort("bucket", "price_tick"),
        "rows": rows,
    }
    for name, frame in made.items():
        frame.write_parquet(out / f"{name}.parquet", compression="zstd", compression_level=6)
    return {
        "rows": trades.height,
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trades", type=int, default=600_000, help="of all symbols together [600000]")
    parser.add_argument("--symbols", type=int, default=3, help="how many [3]")
    parser.add_argument("--no-baselines", action="store_true", help="only the load itself")
    parser.add_argument("--polars", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.store:
        print(json.dumps(polars_stored(given.polars, given.store)))
        return
    if given.polars:
        print(json.dumps(polars_month(given.polars)))
        return
    symbols = tuple(f"S{number}USDT" for number in range(given.symbols))
    with tempfile.TemporaryDirectory(prefix="marketprism-bench-") as name:
        folder = Path(name)
        zips = [write_month(folder, symbol, given.trades // given.symbols) for symbol in symbols]
        server = EmbeddedServer(folder / "server").start()
        client = server.client()
        migrate(client)
        client.command("SYSTEM STOP VIEWS")  # refreshes belong to nobody's time here
        results: dict[str, Any] = {"zip_mb": sum(path.stat().st_size for path in zips) >> 20}
        with Meter(server) as first:
            one = backfill(server, folder, symbols[:1])
        results["marketprism"] = first.rates(one)
        after_one = peak_mb(server)
        if not given.no_baselines:
            meter, rows = engine_insert(server, folder, symbols[0])
            results["engine"] = meter.rates(rows)
            results["of_engine"] = {"wall": meter.wall / first.wall, "cpu": meter.cpu / first.cpu}
            results["polars"] = with_polars(zips[0])
            polars = results["polars"]
            results["of_polars"] = {"wall": polars["wall"] / first.wall, "cpu": polars["cpu"] / first.cpu}
            stored = results["polars_stored"] = with_polars(zips[0], "--store", str(folder))
            results["of_polars_stored"] = {"wall": stored["wall"] / first.wall, "cpu": stored["cpu"] / first.cpu}
            outputs = three_outputs(server, symbols[0])
            results["three_outputs"] = {"wall": outputs.wall, "cpu": outputs.cpu}
        if given.symbols > 1:
            with Meter(server) as others:
                rest = backfill(server, folder, symbols[1:])
            results["all_symbols"] = {"rows": one + rest, **others.rates(rest)}
        results["resident_mb"] = {"first": after_one, "last": peak_mb(server)}
        results["client_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        server.stop()
    print(json.dumps(results, indent=1, default=lambda value: round(value, 3)))


if __name__ == "__main__":
    main()
