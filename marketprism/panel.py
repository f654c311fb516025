"""Grid panels for research: books as of each instant, trades binned, factors, ranks and prices, read piece by piece.

The SQL is that of the views ``grid_panel_between``, ``panel_factors_between``, ``panel_ranks_between``,
``execution_prices_between`` and ``tradable_universe``; here are only their defaults, the pieces in which a long range
is read, and what joins them. Memory is that of one piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from marketprism import ranges
from marketprism.clickhouse import FEATURES
from marketprism.errors import QueryError

ROWS_AT_ONCE: Final = 40_000
"""Rows of a piece, all symbols together."""
BUCKETS: Final = "unified_features_by_bucket"
BUCKET_MAX_AGE: Final = timedelta(seconds=300)
"""A bucket feature is shown for so long after it became available, as in unified_features_1s and as-of reads."""
KEY: Final = ("exchange", "market_type", "symbol", "ts")
BASE: Final = ("mid", "spread", "mask_live", "staleness_ms", "segment_id", "excluded")
TRADES: Final = (
    *("n_trades", "vol", "vol_buy", "vol_sell", "vol_net", "dollar_vol", "signed_dv", "of_buy_ratio", "vwap"),
    *("last_price", "ret_last", "mask_trade"),
)
FACTORS: Final = (
    *("momentum", "realised_volatility", "mid_zscore", "flow_imbalance", "vwap_distance_bps", "spread_bps_mean"),
)
EXECUTION: Final = ("can_trade", "buy_price", "sell_price", "mark_price", "gap_exit")
GROUPS: Final = ("book", "trades", "factors", "ranks", "execution", "universe")
_CHEAP: Final = frozenset(
    (
        *("trades", "buy_trades", "vol", "buy_vol", "sell_vol", "notional", "buy_notional", "vwap", "open", "high"),
        *("low", "close", "cut_trigger", "signed_volume", "price_change", "kyle_lambda", "kyle_lambda_ols", "kyle_r2"),
        *("amihud_illiq", "vpin", "imbalance", "window_buckets", "mid", "mid_avg", "mid_staleness_ms", "poc_px"),
        *("value_area_low", "value_area_high", "range_bps", "bucket_id", "bucket_ts_start"),
    )
)
"""Columns of unified_features_between; the others cost the wide unified_features_since."""
_NARROW: Final = ranges.Form(BUCKETS, "unified_features_between", ("from_bucket", "to_bucket", "newest"), "bucket_id")
_WIDE: Final = ranges.Form(BUCKETS, "unified_features_since", (*_NARROW.parameters, "since"), "bucket_id")
_LEVELS: Final = {"ap": "ask_prices", "av": "ask_quantities", "bp": "bid_prices", "bv": "bid_quantities"}


@dataclass(frozen=True, slots=True)
class Panel:
    """What a panel shows: instants of [start, end) on multiples of ``grid_ms``, one row a symbol and instant.

    ``features``: of ``GROUPS``, and columns of unified_features_by_bucket, joined as of their availability; one whose
    name the panel has already is called unified_features_by_bucket.<name>. ``window`` rows are what factors look back;
    ``penalty_bps_per_s`` is what an old book costs a backtest.
    """

    symbols: tuple[str, ...]
    start: datetime
    end: datetime
    exchange: str = "binance"
    market_type: str = "linear"
    grid_ms: int = 1_000
    features: tuple[str, ...] = ("book", "trades")
    levels: int = 5
    window: int = 60
    stale_ms: int = 3_000
    gap_ms: int = 5_000
    carry_ms: int = 60_000
    penalty_bps_per_s: float = 1.0
    min_coverage: float = 0.90
    max_crossed: float = 0.001

    def check(self) -> None:
        """Raises QueryError for what cannot be a panel."""
        if not self.symbols or self.start >= self.end:
            raise QueryError(f"no symbols, or nothing from {self.start} to {self.end}; correct --symbols, --from, --to")
        if not 0 < self.grid_ms <= 3_600_000:
            raise QueryError(f"a grid of {self.grid_ms} ms: give 1 ms to 1 h, such as 200ms, 1s, 1m")
        if not 0 < self.stale_ms <= self.gap_ms <= self.carry_ms:
            raise QueryError(
                f"stale {self.stale_ms} ms, gap {self.gap_ms} ms, carry {self.carry_ms} ms: give them in rising order"
            )
        if not 0 <= self.levels <= 1000 or not 1 <= self.window <= 100_000:
            raise QueryError(f"levels {self.levels}, window {self.window}: give 0 to 1,000 levels, 1 to 100,000 rows")


def universe(client: Any, panel: Panel, lookback_days: int = 1) -> pa.Table:
    """(symbol, day, coverage, crossed_ratio, books, available_at) of symbols that may be traded, by the days before."""
    query = f"SELECT * EXCEPT (exchange, market_type) FROM {_universe(lookback_days)} ORDER BY day, symbol"
    return client.query_arrow(query, parameters=_parameters(panel), use_strings=True)


def pieces(client: Any, panel: Panel) -> Iterator[pa.Table]:
    """The panel's rows by time, each piece sorted by symbol and ts and within one UTC day. Raises QueryError."""
    panel.check()
    names = bucket_features(client, panel)
    segments = dict.fromkeys(panel.symbols, 0)
    rows = max(1, ROWS_AT_ONCE // len(panel.symbols))
    step = timedelta(milliseconds=rows * panel.grid_ms)
    at = _utc(panel.start)
    while at < _utc(panel.end):
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        until = min(at + step, midnight, _utc(panel.end))
        table = client.query_arrow(
            _query(panel, names, _buckets(client, panel, names, at, until) if names else ""),
            parameters=_parameters(panel, at, until, [segments[symbol] for symbol in panel.symbols]),
            use_strings=True,
        )
        if table.num_rows:
            last = table.group_by("symbol").aggregate([("segment_id", "max")])
            segments.update(zip(last["symbol"].to_pylist(), last["segment_id_max"].to_pylist(), strict=True))
            yield table
        at = until


def read(client: Any, panel: Panel) -> pa.Table:
    """The whole panel in memory, by symbol and ts. Raises QueryError."""
    tables = list(pieces(client, panel))
    if not tables:
        raise QueryError(f"no instant of a {panel.grid_ms} ms grid lies from {panel.start} to {panel.end}")
    table = pa.concat_tables(tables)
    return table.take(pc.sort_indices(table, sort_keys=[("symbol", "ascending"), ("ts", "ascending")]))


def bucket_features(client: Any, panel: Panel) -> tuple[str, ...]:
    """The asked features that are columns of unified_features_by_bucket. Raises QueryError for one that is nothing."""
    names = tuple(name for name in panel.features if name not in GROUPS)
    if names:
        query = (
            "SELECT name FROM system.columns WHERE database = {d:String} AND table = {t:String} "
            "AND name NOT IN ('exchange', 'market_type', 'symbol', 'bucket_ts_end', 'available_at') "
            "AND type NOT LIKE 'Array%'"
        )
        known = {row[0] for row in client.query(query, parameters={"d": FEATURES, "t": BUCKETS}).result_rows}
        for name in names:
            if name not in known:
                raise QueryError(
                    f"no feature {name!r}; there are {', '.join(GROUPS)} and columns of {BUCKETS} with one value"
                )
    return names


def _query(panel: Panel, names: tuple[str, ...], buckets: str) -> str:
    asked = set(panel.features)
    columns = {name: f"p.{name}" for name in (*KEY, *BASE)}
    known = ["p.available_at"]
    if "book" in asked:
        columns |= {
            f"{side}{n}": f"if(length(p.{array}) >= {n}, p.{array}[{n}], NULL)"
            for side, array in _LEVELS.items()
            for n in range(1, panel.levels + 1)
        }
    if "trades" in asked:
        columns |= {name: f"p.{name}" for name in TRADES}
    common = (
        "exchange = {exchange:String}, market_type = {market_type:String}, symbols = {symbols:Array(String)}, "
        "from_ts = {from_ts:DateTime64(3, 'UTC')}, to_ts = {to_ts:DateTime64(3, 'UTC')}, grid_ms = {grid_ms:UInt32}, "
        "stale_ms = {stale_ms:UInt32}, gap_ms = {gap_ms:UInt32}, carry_ms = {carry_ms:UInt32}, "
        "segments_before = {segments_before:Array(Int64)}"
    )
    joins = [f"FROM {FEATURES}.grid_panel_between({common}, warm_rows = 0) AS p"]
    for group, view, extra, of in (
        ("factors", "panel_factors_between", ", window = {window:UInt32}", FACTORS),
        ("ranks", "panel_ranks_between", ", window = {window:UInt32}", tuple(f"{name}_rank" for name in FACTORS)),
        ("execution", "execution_prices_between", ", penalty_bps_per_s = {penalty_bps_per_s:Float64}", EXECUTION),
    ):
        if group in asked:
            joins.append(f"LEFT JOIN {FEATURES}.{view}({common}{extra}) AS {group} USING ({', '.join(KEY)})")
            columns |= {name: f"{group}.{name}" for name in of}
            known.append(f"{group}.available_at")
    if "universe" in asked:
        joins.append(
            f"LEFT JOIN (SELECT exchange, market_type, symbol, true AS inside FROM {_universe(1)}) AS u "
            "ON u.exchange = p.exchange AND u.market_type = p.market_type AND u.symbol = p.symbol"
        )
        columns["in_universe"] = "toBool(ifNull(u.inside, false))"
    last = {"available_at": f"greatest({', '.join(known)})", "quality": "p.quality"}
    if names:
        joins.append(buckets)
        taken = columns.keys() | last
        young = f"n.known_at >= p.ts - toIntervalSecond({BUCKET_MAX_AGE // timedelta(seconds=1)})"
        columns |= {
            f"{BUCKETS}.{name}" if name in taken else name: f"if({young}, n.shown.{n}, NULL)"
            for n, name in enumerate(names, 1)
        }
    shown = ", ".join(f"{value} AS `{name}`" for name, value in (columns | last).items())
    return f"SELECT {shown} {' '.join(joins)} ORDER BY p.symbol, p.ts"


def _buckets(client: Any, panel: Panel, names: tuple[str, ...], at: datetime, end: datetime) -> str:
    """As-of join of bucket features for instants of [at, end), all of one UTC day.

    Buckets are read from as far back as an as-of read of ``at`` does, so that their windows are whole. Of buckets that
    became known late only those count that are newer than every bucket known before; of those known at one moment, the
    newest.
    """
    values = ", ".join(f"toNullable(v.`{name}`)" for name in names)
    form = _NARROW if set(names) <= _CHEAP else _WIDE
    oldest = (at - BUCKET_MAX_AGE - timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    start = ranges.reach(client, form, oldest, [(panel.exchange, panel.market_type, name) for name in panel.symbols])
    return (
        f"ASOF LEFT JOIN (SELECT * FROM (SELECT v.exchange AS exchange, v.market_type AS market_type, "
        f"v.symbol AS symbol, assumeNotNull(v.available_at) AS known_at, v.bucket_id AS bucket, ({values},) AS shown, "
        "max(v.bucket_id) OVER (PARTITION BY v.exchange, v.market_type, v.symbol ORDER BY v.available_at) AS newest "
        f"FROM {ranges.source(form, start, end)} AS v WHERE v.exchange = {{exchange:String}} "
        "AND v.market_type = {market_type:String} AND v.symbol IN {symbols:Array(String)} "
        f"AND {ranges.at_or_after(form, oldest)}) WHERE bucket = newest) AS n "
        "ON n.exchange = p.exchange AND n.market_type = p.market_type AND n.symbol = p.symbol AND n.known_at <= p.ts"
    )


def _universe(lookback_days: int) -> str:
    return (
        f"{FEATURES}.tradable_universe(exchange = {{exchange:String}}, market_type = {{market_type:String}}, "
        f"from_day = {{from_day:Date}}, to_day = {{to_day:Date}}, lookback_days = {lookback_days}, "
        "min_coverage = {min_coverage:Float64}, max_crossed = {max_crossed:Float64}, min_books = {min_books:UInt64}, "
        "grid_ms = {grid_ms:UInt32}, stale_ms = {stale_ms:UInt32})"
    )


def _parameters(
    panel: Panel, start: datetime | None = None, end: datetime | None = None, segments: list[int] | None = None
) -> dict[str, Any]:
    first, last = _utc(start or panel.start), _utc(end or panel.end)
    return {
        "exchange": panel.exchange,
        "market_type": panel.market_type,
        "symbols": list(panel.symbols),
        "from_ts": f"{first:%Y-%m-%d %H:%M:%S}.{first.microsecond // 1000:03d}",
        "to_ts": f"{last:%Y-%m-%d %H:%M:%S}.{last.microsecond // 1000:03d}",
        "from_day": first.date().isoformat(),
        "to_day": (last - timedelta(microseconds=1)).date().isoformat(),
        "grid_ms": panel.grid_ms,
        "stale_ms": panel.stale_ms,
        "gap_ms": panel.gap_ms,
        "carry_ms": panel.carry_ms,
        "window": panel.window,
        "penalty_bps_per_s": panel.penalty_bps_per_s,
        "min_coverage": panel.min_coverage,
        "max_crossed": panel.max_crossed,
        "min_books": 3_600_000 // panel.grid_ms,
        "segments_before": segments or [],
    }


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
