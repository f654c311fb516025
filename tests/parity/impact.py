"""Regressions of statsmodels and frds against price impact by bucket."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.parity.market import Market, agree
from tests.parity.packages import frds_measure

WINDOW = 50
EVERY = 7
"""Each seventh window: neighbours share 49 of their 50 points."""


def line(y: pd.Series, x: pd.Series, weights: pd.Series | None = None) -> tuple[float, float, float]:
    """(slope, standard error, R²) with an intercept."""
    from statsmodels.regression.linear_model import OLS, WLS  # two seconds, for each process that collects tests

    design = np.column_stack([np.ones(len(x)), x])
    fit = (OLS(y.to_numpy(), design) if weights is None else WLS(y.to_numpy(), design, weights.to_numpy())).fit()
    return fit.params[1], fit.bse[1], fit.rsquared


def ends(market: Market, rows: pd.DataFrame) -> range:
    """Positions of the last bucket of each compared window."""
    assert list(rows.index) == list(market.bars.index)
    return range(WINDOW, len(rows), EVERY)


def kyle_within_buckets(market: Market) -> int:
    """kyle_lambda_by_bucket is the OLS of price changes within buckets on their signed volume: 1e-9."""
    rows = market.feature("kyle_lambda_by_bucket", "kyle_lambda_ols", "kyle_r2")
    moves = market.bars["close"] - market.bars["open"]
    compared = 0
    for at in ends(market, rows):
        part = slice(at + 1 - WINDOW, at + 1)
        slope, _, r2 = line(moves[part], market.bars["signed"][part])
        compared += agree(rows.iloc[at], [slope, r2], rel=1e-9, absolute=1e-12)
    return compared


def kyle_between_buckets(market: Market) -> int:
    """impact_by_bucket's slopes are OLS, and WLS by volume, of changes of the as-of mid on signed notional: 1e-8."""
    columns = [f"kyle_{name}" for name in ("lambda_mid", "mid_stderr", "mid_r2", "lambda_wls", "wls_stderr", "wls_r2")]
    rows = market.feature("impact_by_bucket", *columns)
    held = pd.merge_asof(market.bars.reset_index(), market.books, left_on="end", right_on="ms", suffixes=("", "_book"))
    change = held["mid"].where(held["end"] - held["age_from"] <= 60_000).diff()
    flow, volume = market.bars["flow"].reset_index(drop=True), held["volume"]
    compared = 0
    for at in ends(market, rows):
        part = slice(at + 1 - WINDOW, at + 1)
        if change[part].isna().any():
            assert rows.iloc[at].isna().all()
            continue
        expected = [*line(change[part], flow[part]), *line(change[part], flow[part], volume[part])]
        compared += agree(rows.iloc[at], expected, rel=1e-8, absolute=1e-15)
    return compared


def lambdas_through_the_origin(market: Market) -> int:
    """Hasbrouck's and Amihud's lambda are the slope of frds (times a million), t that of statsmodels: 1e-9.

    Hasbrouck's slope may be near 0: its tolerance is one of its standard error.
    """
    from statsmodels.regression.linear_model import OLS

    kyle_lambda = frds_measure("_kyle_lambda").kyle_lambda
    rows = market.feature("impact_by_bucket", "hasbrouck_lambda", "hasbrouck_t", "amihud_lambda")
    trades = market.trades
    root = (trades["sign"] * np.sqrt(trades["amount"])).groupby(trades["bucket_id"]).sum()[market.bars.index]
    moves = np.log(market.bars["close"]).diff()
    compared = 0
    for at in ends(market, rows):
        part = slice(at + 1 - WINDOW, at + 1)
        move, flow, amount = (each[part].to_numpy() for each in (moves, root, market.bars["amount"]))
        hasbrouck, amihud = kyle_lambda(move, flow) / 1e6, kyle_lambda(np.abs(move), amount) / 1e6
        fit, shown = OLS(move, flow).fit(), rows.iloc[at]
        compared += agree([shown["hasbrouck_lambda"]], [hasbrouck], rel=1e-9, absolute=1e-9 * fit.bse[0])
        compared += agree([shown["hasbrouck_t"]], fit.tvalues, rel=1e-9, absolute=1e-9)
        compared += agree([shown["amihud_lambda"]], [amihud], rel=1e-9)
    return compared


CHECKS = [kyle_within_buckets, kyle_between_buckets, lambdas_through_the_origin]
