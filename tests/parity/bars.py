"""Bars of polars-trading against minute bars and exact VPIN.

The package sorts by time alone and not stably, so trades of one millisecond are told apart by their rank in it.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from tests.parity.market import Market, agree
from tests.parity.packages import polars_trading_bars


def frame(market: Market, price: str) -> pl.DataFrame:
    """The trades as the package takes them; sizes are integers of 1e-8."""
    trades = market.trades
    rank = trades.groupby("ms").cumcount()
    return pl.DataFrame(
        {
            "ts_event": pl.Series((trades["ms"] * 1_000_000 + rank).to_numpy()).cast(pl.Datetime("ns")),
            "symbol": [market.symbol] * len(trades),
            "price": (trades["sign"].eq(1) if price == "side" else trades[price]).to_numpy(dtype=float),
            "size": trades["units"].to_numpy(dtype=np.int64),
        }
    )


def minute_bars(market: Market) -> int:
    """trades_1m is its time_bars; sums of floats against exact ones: 1e-12."""
    bars = polars_trading_bars("time_bars", frame(market, "price"), "1m")
    names = {"open": "open", "high": "high", "low": "low", "close": "close", "vwap": "vwap"}
    names |= {"total_volume": "volume", "trade_count": "n_trades"}
    ours = market.feature("trades_1m", *names, key="ts_1m")
    scales = {"volume": 1e8}
    return sum(agree(ours[a], bars[b].to_numpy() / scales.get(b, 1), rel=1e-12) for a, b in names.items())


def exact_vpin(market: Market) -> int:
    """vpin_exact against its volume_bars, both of which split the crossing trade: 1e-11.

    It knows no sides; where the price is 1 for a buy and 0 for a sell, a bar's VWAP is the share of buys.
    """
    day = market.trades["bucket_id"].floordiv(1_000_000).mode()[0]
    chosen = market.trades["bucket_id"].floordiv(1_000_000).eq(day).to_numpy()
    trades = frame(market, "side").filter(pl.Series(chosen))
    units = int(trades["size"].sum()) // 200
    bars = polars_trading_bars("volume_bars", trades, units)
    full = bars.filter(pl.col("volume") == units)
    assert bars.height - full.height <= 1, "only the last bar is unfinished"
    rows = market.ask(
        f"SELECT buy_volume, sell_volume, vpin FROM marketprism_features.vpin_exact({market.parameters}, "
        f"day = '{day // 10000}-{day // 100 % 100:02}-{day % 100:02}', bucket_volume = '{units / 1e8:.8f}') "
        "ORDER BY bucket_seq"
    )
    buys = full["vwap"].to_numpy() * units / 1e8
    vpin = full.select((2 * pl.col("vwap") - 1).abs().rolling_mean(50)).to_series().to_numpy()
    absolute = 1e-11 * units / 1e8
    compared = agree(rows["buy_volume"], buys, rel=1e-11, absolute=absolute)
    compared += agree(rows["sell_volume"], units / 1e8 - buys, rel=1e-11, absolute=absolute)
    return compared + agree(rows["vpin"], vpin, rel=1e-11)


CHECKS = [minute_bars, exact_vpin]
