"""Five families on one synthetic day of 5 million trades: MarketPrism's views, polars, polars + numba, DuckDB.

``python -m tests.bench.bench_families [--trades N]`` prints seconds and ratios to polars of the same run (lower is
faster). Who pays what: MarketPrism pays when trades are stored (its five views keep the states; the insert is timed
below) and a read only merges them; the others start from columns in memory and compute everything on each read, bucket
assignment included, and have nothing to pay before. The results are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import clickhouse_connect
import duckdb
import numpy as np
import polars as pl

from marketprism.migrate import migrate
from tests.bench.numba_families import of_numba

DAY_MS = 1_723_075_200_000
Q = 20.0
TICK = 0.1
FAMILIES = ("bucket bars", "VPIN", "Kyle", "1-minute OHLCV + CVD", "footprint")


def trades(count: int) -> pl.DataFrame:
    """``count`` trades over one day, seed 42; ``bucket`` is (minute, volume before the trade in the minute / q)."""
    rng = np.random.default_rng(42)
    at = np.sort(rng.integers(0, 86_400_000, count))
    ticks = 500_000 + np.cumsum(rng.integers(-2, 3, count))
    return pl.DataFrame(
        {
            "id": np.arange(1, count + 1),
            "ts": at,
            "price": np.round(ticks * TICK, 1),
            "tick": ticks,
            "quantity": np.round(rng.exponential(0.0535, count) + 0.0001, 4),
            "buy": rng.integers(0, 2, count) == 1,
        }
    )


def bucketed(frame: pl.LazyFrame) -> pl.LazyFrame:
    """With the id of the bucket, as each reader but MarketPrism computes it again."""
    minute = frame.with_columns(minute=pl.col("ts") // 60_000)
    before = pl.col("quantity").cum_sum().over("minute") - pl.col("quantity")
    return minute.with_columns(bucket=pl.col("minute") * 100_000 + (before / Q + 1e-9).floor().cast(pl.Int64))


def bars(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Open to close, volume and taker buys of each bucket."""
    return (
        bucketed(frame)
        .group_by("bucket", maintain_order=True)
        .agg(
            open=pl.col("price").first(),
            high=pl.col("price").max(),
            low=pl.col("price").min(),
            close=pl.col("price").last(),
            volume=pl.col("quantity").sum(),
            bought=pl.col("quantity").filter(pl.col("buy")).sum(),
            notional=(pl.col("price") * pl.col("quantity")).sum(),
            trades=pl.len(),
        )
    )


def of_polars(frame: pl.DataFrame) -> dict[str, Callable[[], pl.DataFrame]]:
    """The five as a polars user writes them."""
    lazy, signed = frame.lazy(), 2 * pl.col("bought") - pl.col("volume")
    change = pl.col("close") - pl.col("open")

    def vpin() -> pl.DataFrame:
        ratio = signed.abs().rolling_sum(50) / pl.col("volume").rolling_sum(50)
        return bars(lazy).with_columns(vpin=ratio).collect()

    def kyle() -> pl.DataFrame:
        slope = pl.rolling_cov(signed, change, window_size=50) / signed.rolling_var(50)
        return bars(lazy).with_columns(kyle=slope).collect()

    def minutes() -> pl.DataFrame:
        flow = pl.when("buy").then("quantity").otherwise(-pl.col("quantity"))
        made = lazy.with_columns(minute=pl.col("ts") // 60_000, flow=flow).group_by("minute", maintain_order=True)
        return (
            made.agg(
                open=pl.col("price").first(),
                high=pl.col("price").max(),
                low=pl.col("price").min(),
                close=pl.col("price").last(),
                volume=pl.col("quantity").sum(),
                flow=pl.col("flow").sum(),
            )
            .with_columns(cvd=pl.col("flow").cum_sum())
            .collect()
        )

    def footprint() -> pl.DataFrame:
        made = lazy.with_columns(minute=pl.col("ts") // 60_000).group_by("minute", "tick")
        return made.agg(
            bought=pl.col("quantity").filter(pl.col("buy")).sum(), volume=pl.col("quantity").sum(), trades=pl.len()
        ).collect()

    return dict(zip(FAMILIES, (lambda: bars(lazy).collect(), vpin, kyle, minutes, footprint), strict=True))


def of_duckdb(frame: pl.DataFrame) -> dict[str, Callable[[], Any]]:
    """The same as SQL over the same columns in memory."""
    base = duckdb.connect()
    base.register("arrow", frame.to_arrow())
    base.execute("CREATE TABLE t AS SELECT * FROM arrow")
    bucket = (
        f"SELECT *, ts // 60000 * 100000 + CAST(floor((sum(quantity) OVER (PARTITION BY ts // 60000 ORDER BY id) "
        f"- quantity) / {Q} + 1e-9) AS BIGINT) AS bucket FROM t"
    )
    made = (
        "SELECT bucket, first(price ORDER BY id) AS open, max(price) AS high, min(price) AS low, "
        "last(price ORDER BY id) AS close, sum(quantity) AS volume, sum(quantity) FILTER (buy) AS bought, "
        f"sum(price * quantity) AS notional, count(*) AS trades FROM ({bucket}) GROUP BY bucket"
    )
    window = "OVER (ORDER BY bucket ROWS 49 PRECEDING)"
    signed = "2 * bought - volume"
    vpin = f"sum(abs({signed})) {window} / sum(volume) {window}"
    kyle = f"covar_samp({signed}, close - open) {window} / var_samp({signed}) {window}"
    minute = (
        "SELECT ts // 60000 AS minute, first(price ORDER BY id), max(price), min(price), last(price ORDER BY id), "
        "sum(quantity), sum(CASE WHEN buy THEN quantity ELSE -quantity END) AS flow FROM t GROUP BY 1"
    )
    queries = (
        made,
        f"SELECT *, {vpin} FROM ({made})",
        f"SELECT *, {kyle} FROM ({made})",
        f"SELECT *, sum(flow) OVER (ORDER BY minute) FROM ({minute})",
        "SELECT ts // 60000, tick, sum(quantity) FILTER (buy), sum(quantity), count(*) FROM t GROUP BY 1, 2",
    )

    def run(query: str) -> Callable[[], Any]:
        return lambda: base.sql(query).to_arrow_table()

    return {name: run(query) for name, query in zip(FAMILIES, queries, strict=True)}


def stored(frame: pl.DataFrame, folder: str) -> tuple[Any, float, float]:
    """(client, seconds of the insert with its five views, seconds of one without views)."""
    client = clickhouse_connect.get_client(interface="chdb", path=folder)
    migrate(client)
    client.command("SYSTEM STOP VIEWS")
    wire = (
        bucketed(frame.lazy())
        .with_columns(pl.col("bucket").rank("dense").cast(pl.UInt64).alias("number"), side=pl.col("buy"))
        .collect()
        .to_arrow()
    )
    client.command(
        "CREATE TABLE default.wire (id Int64, ts Int64, price Float64, tick Int64, quantity Float64, buy Bool, "
        "minute Int64, bucket Int64, number UInt64, side Bool) ENGINE = MergeTree ORDER BY id"
    )
    client.insert_arrow("default.wire", wire)
    columns = [row[0] for row in client.query("DESCRIBE marketprism_hot.trades").result_rows if row[0] != "created_at"]
    values = {
        "timestamp": f"fromUnixTimestamp64Milli(toInt64({DAY_MS} + ts), 'UTC')",
        "received_at": f"fromUnixTimestamp64Micro(toInt64(({DAY_MS} + ts) * 1000 + 20000), 'UTC')",
        **{"exchange": "'binance'", "market_type": "'spot'", "symbol": "'DAYUSDT'", "data_source": "'marketprism'"},
        **{"trade_kind": "'trade'", "sequence": "id", "stream_seq": "id", "trade_id": "toString(id)"},
        **{name: f"toDecimal128({name}, 12)" for name in ("price", "quantity")},
        **{"native_quantity": "toDecimal128(quantity, 12)", "side": "if(buy, 'buy', 'sell')", "is_maker": "NOT buy"},
        **{"trade_time": "timestamp", "is_market": "true", "first_trade_id": "id", "last_trade_id": "id"},
        **{"tick_size": f"toDecimal128({TICK}, 12)", "price_tick": "tick", "bucket_cut": "''", "late": "false"},
        **{"bucket_id": "20240808000000 + number", "bucket_t_max_ms": "60000"},
    }
    select = f"SELECT {', '.join(f'{values[name]} AS {name}_' for name in columns)} FROM default.wire"
    settings = "SETTINGS async_insert = 0, max_insert_threads = 1, max_block_size = 200000"
    select = select.replace("timestamp AS trade_time_", f"{values['timestamp']} AS trade_time_")
    client.command("CREATE TABLE default.bare AS marketprism_hot.trades")
    seconds = []
    for table in ("default.bare", "marketprism_hot.trades"):
        begun = time.perf_counter()
        client.command(f"INSERT INTO {table} ({', '.join(columns)}) {select} {settings}")
        seconds.append(time.perf_counter() - begun)
    return client, seconds[1], seconds[0]


def of_marketprism(client: Any) -> dict[str, Callable[[], Any]]:
    """The same families as anyone queries them."""
    own = "FROM marketprism_features.{} WHERE exchange = 'binance' AND market_type = 'spot' AND symbol = 'DAYUSDT'"
    bar = "SELECT bucket_id, open, high, low, close, vol, buy_vol, notional, trades "
    cvd = "sum(buy_volume - sell_volume) OVER (ORDER BY ts_1m)"
    queries = (
        bar + own.format("unified_buckets"),
        "SELECT bucket_id, buy_volume, total_volume, vpin " + own.format("vpin_by_bucket"),
        "SELECT bucket_id, price_change, signed_volume, kyle_lambda_ols " + own.format("kyle_lambda_by_bucket"),
        f"SELECT ts_1m, open, high, low, close, total_volume, {cvd} AS cvd " + own.format("trades_1m"),
        "SELECT ts_1m, px_bin, ask_vol, total_vol, trades " + own.format("footprint_1m"),
    )

    def run(query: str) -> Callable[[], Any]:
        return lambda: client.query_arrow(query)

    return {name: run(query) for name, query in zip(FAMILIES, queries, strict=True)}


def agree(ours: dict[str, Callable[[], Any]], theirs: dict[str, Callable[[], pl.DataFrame]]) -> None:
    """The same counts and sums on both sides, or there is nothing to time."""
    one, two = ours["VPIN"]().sort_by("bucket_id"), theirs["VPIN"]().sort("bucket")
    assert one.num_rows == two.height, (one.num_rows, two.height)
    got = np.array([value if value is not None else np.nan for value in one["vpin"].to_pylist()], dtype=float)
    assert np.allclose(np.nansum(got), two["vpin"].sum(), rtol=1e-6)
    slopes = [value for value in ours["Kyle"]()["kyle_lambda_ols"].to_pylist() if value is not None]
    assert np.allclose(sum(slopes), theirs["Kyle"]()["kyle"].fill_nan(0).sum(), rtol=1e-4)
    for family in ("bucket bars", "1-minute OHLCV + CVD", "footprint"):
        assert ours[family]().num_rows == theirs[family]().height, family


def agree_in_memory(one: dict[str, Callable[[], pl.DataFrame]], two: dict[str, Callable[[], pl.DataFrame]]) -> None:
    """Two that start from the same columns make the same rows."""
    keys = {"1-minute OHLCV + CVD": ["minute"], "footprint": ["minute", "tick"]}
    for family in FAMILIES:
        key = keys.get(family, ["bucket"])
        left, right = one[family]().sort(key), two[family]().sort(key)
        assert left[key].equals(right[key]), family
        for name in left.columns:
            a, b = (side[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for side in (left, right))
            assert np.allclose(a, b, rtol=1e-6, atol=1e-6, equal_nan=True), (family, name)


def timed(runs: dict[str, dict[str, Callable[[], Any]]], rounds: int) -> dict[str, dict[str, float]]:
    """Family → engine → median seconds; engines take turns, so that other work on the machine moves all alike."""
    took: dict[str, dict[str, list[float]]] = {family: {engine: [] for engine in runs} for family in FAMILIES}
    for family in FAMILIES:
        for number in range(rounds + 1):
            for engine, families in runs.items():
                begun = time.perf_counter()
                families[family]()
                if number:
                    took[family][engine].append(time.perf_counter() - begun)
    return {f: {engine: statistics.median(times) for engine, times in row.items()} for f, row in took.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trades", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    frame = trades(given.trades)
    with tempfile.TemporaryDirectory(prefix="families-") as folder:
        client, with_views, bare = stored(frame, folder)
        runs: dict[str, dict[str, Callable[[], Any]]] = {
            "polars": dict(of_polars(frame)),
            "polars + numba": dict(zip(FAMILIES, of_numba(frame, Q), strict=True)),
            "duckdb": of_duckdb(frame),
            "marketprism": of_marketprism(client),
        }
        agree(runs["marketprism"], of_polars(frame))
        agree_in_memory(runs["polars"], runs["polars + numba"])
        found = timed(runs, given.rounds)
        client.close()
    for family, row in found.items():
        ratios = {engine: round(seconds / row["polars"], 2) for engine, seconds in row.items()}
        print(json.dumps({"family": family, "polars_s": round(row["polars"], 3), "ratio_to_polars": ratios}))
    paid = {"insert_with_views_s": round(with_views, 2), "insert_without_views_s": round(bare, 2)}
    print(json.dumps({"paid_when_stored": paid, "trades": given.trades}))


if __name__ == "__main__":
    main()
