"""Who trades how: DuckDB over the same trades against trade_flow and the minute forms of impact."""

from __future__ import annotations

import duckdb
import pandas as pd

from tests.parity.market import Market, agree

SUMS = """
WITH tape AS (
    SELECT *, {key} AS key, price - lag(price) OVER part AS step, sign = lag(sign) OVER part AS held
    FROM trades WINDOW part AS (PARTITION BY {key} ORDER BY sequence)
), steps AS (SELECT *, lag(step) OVER (PARTITION BY key ORDER BY sequence) AS before FROM tape)
SELECT
    key, count(*) AS trades, sum(sign * quantity) / sum(quantity) AS flow_imbalance,
    sum(amount) / sum(quantity) AS vwap, avg(quantity) AS avg_trade_size, avg(amount) AS avg_trade_quote,
    avg(held::int) AS direction_persistence,
    sum(amount * amount) FILTER (sign = 1) / pow(sum(amount) FILTER (sign = 1), 2) AS buy_hhi,
    sum(amount * amount) FILTER (sign = -1) / pow(sum(amount) FILTER (sign = -1), 2) AS sell_hhi,
    sum(sign * sqrt(amount)) AS signed_sqrt_quote,
    coalesce(sum(amount) FILTER (sign = 1 AND amount >= 50000), 0) AS large_buy_quote,
    coalesce(sum(amount) FILTER (sign = -1 AND amount <= 1000), 0) AS retail_sell_quote,
    CASE WHEN count(*) >= 4 THEN 2 * sqrt(greatest(-covar_samp(step, before), 0)) / vwap * 10000 END AS roll_spread_bps,
    sum(sign * quantity) AS signed_volume, sum(sum(sign * quantity)) OVER (PARTITION BY {day} ORDER BY key) AS cvd
FROM steps GROUP BY key ORDER BY key
"""
MINUTE = """
WITH minutes AS (
    SELECT ms // 60000 * 60 AS key, sum(sign * quantity) AS signed, sum(amount) AS amount, sum(quantity) AS volume,
        arg_min(price, sequence) AS first, arg_max(price, sequence) AS last FROM trades GROUP BY key
)
SELECT key, CASE WHEN abs(signed) > 1e-9 THEN (last - first) / signed END AS kyle_lambda,
    abs(last - first) / first / amount AS amihud_illiq,
    abs(signed) / volume AS vpin_approx,
    CASE WHEN count(*) OVER five = 5 THEN avg(abs(signed) / volume) OVER five END AS vpin_approx_5m
FROM minutes WINDOW five AS (ORDER BY key RANGE BETWEEN 240 PRECEDING AND CURRENT ROW) ORDER BY key
"""
ROOT_OF_NOISE = 1e-3
"""A covariance of 0 comes out as ±1e-17 or so, of which Roll's root makes 1e-4 of a basis point."""


def asked(market: Market, sql: str, **parts: str) -> pd.DataFrame:
    with duckdb.connect() as connection:
        connection.register("trades", market.trades)
        return connection.execute(sql.format(**parts)).df().set_index("key").astype(float)


def compare(market: Market, view: str, key: str, expected: pd.DataFrame) -> int:
    rows = market.feature(view, *expected, key=key)
    expected = expected.loc[rows.index] if key == "bucket_id" else expected
    loose = {"roll_spread_bps": ROOT_OF_NOISE}
    return sum(agree(rows[name], expected[name], rel=1e-8, absolute=loose.get(name, 1e-8)) for name in expected)


def flow_by_bucket(market: Market) -> int:
    """Sums, concentration, persistence, Roll's spread and CVD of each bucket: 1e-8."""
    theirs = asked(market, SUMS, key="bucket_id", day="key // 1000000")
    return compare(market, "trade_flow_by_bucket", "bucket_id", theirs)


def flow_by_minute(market: Market) -> int:
    """The same by minute."""
    return compare(market, "trade_flow_1m", "ts_1m", asked(market, SUMS, key="ms // 60000 * 60", day="key // 86400"))


def impact_by_minute(market: Market) -> int:
    """Kyle's ratio, Amihud's illiquidity and approximate VPIN of each minute: 1e-8 (illiquidity absolutely 1e-20)."""
    theirs = asked(market, MINUTE)
    impact = market.feature("price_impact_1m", "kyle_lambda", "amihud_illiq", key="ts_1m")
    compared = agree(impact["kyle_lambda"], theirs["kyle_lambda"], rel=1e-8)
    compared += agree(impact["amihud_illiq"], theirs["amihud_illiq"], rel=1e-8, absolute=1e-20)
    vpin = market.feature("vpin_1m", "vpin_approx", "vpin_approx_5m", key="ts_1m")
    return compared + sum(agree(vpin[name], theirs[name], rel=1e-8) for name in vpin)


CHECKS = [flow_by_bucket, flow_by_minute, impact_by_minute]
