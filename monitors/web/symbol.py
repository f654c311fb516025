"""The symbol view: closed buckets with their features, minutes, footprint cells, and what happened to the data.

Each is one statement over the feature views. A bar is a bucket (clock ``bucket``, its id) or a minute (clock ``time``,
its start in seconds since the epoch).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal, NamedTuple

import msgspec

from marketprism.clickhouse import COLD, FEATURES
from monitors.web.endpoints import Refused
from monitors.web.reading import Columns, Reader, Value

Clock = Literal["bucket", "time"]
MAX_BARS: Final = 2000
KEY: Final = "exchange = {exchange:String} AND market_type = {market_type:String} AND symbol = {symbol:String}"
_FAR: Final = 99_999_999_999_999


class Symbol(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An instrument, by the exchange's own id."""

    exchange: str
    market_type: str
    symbol: str

    @property
    def key(self) -> dict[str, Value]:
        return {"exchange": self.exchange, "market_type": self.market_type, "symbol": self.symbol}


class BucketsAsked(Symbol, kw_only=True):
    """``last`` closed buckets, those below ``before`` (a bucket id; 0 = the newest)."""

    last: int = 300
    before: int = 0


class MinutesAsked(Symbol, kw_only=True):
    """Minutes whose start is in [from_s, to_s], seconds since the epoch; 0 and 0 = the newest ``last``."""

    from_s: int = 0
    to_s: int = 0
    last: int = 240


class FootprintAsked(Symbol, kw_only=True):
    """Cells of the bars [first, last], price bins joined to rows of ``step`` ticks."""

    clock: Clock
    first: int
    last: int
    step: int = 1


class EventsAsked(Symbol, kw_only=True):
    """What touched [from_ms, to_ms], milliseconds since the epoch."""

    from_ms: int
    to_ms: int


class Footprint(msgspec.Struct, kw_only=True):
    """``cells``: columns bar, px (lowest of the row), bid, ask, trades. ``profiles``: bar, poc_px, value_area_*."""

    tick_size: float
    step: int
    cells: Columns
    profiles: Columns


class Event(msgspec.Struct, kw_only=True):
    """A gap, rebuild or alert on the time axis."""

    kind: Literal["gap", "repaired", "rebuild", "alert"]
    from_ms: int
    to_ms: int
    text: str


FIRST: Final = f"""
SELECT min(bucket_id) AS first FROM (
    SELECT DISTINCT bucket_id FROM {FEATURES}.bucket_flow
    WHERE {KEY} AND bucket_id <= {{to:UInt64}} ORDER BY bucket_id DESC LIMIT {{last:UInt64}} + 51
)"""
"""Where reading begins: windows of 50 buckets need those before. 0 = the symbol has none."""

BUCKETS: Final = f"""
SELECT bucket_id, toUnixTimestamp64Milli(bucket_ts_start) AS start_ms, toUnixTimestamp64Milli(bucket_ts_end) AS end_ms,
       toFloat64(open) AS open, toFloat64(high) AS high, toFloat64(low) AS low, toFloat64(close) AS close,
       toFloat64(vol) AS volume, toFloat64(signed_volume) AS delta, trades, toString(cut_trigger) AS cut_trigger,
       vpin, kyle_lambda_ols, kyle_r2, mid, poc_px, value_area_low, value_area_high, toString(quality) AS quality
FROM {FEATURES}.unified_features_between(from_bucket = {{from:UInt64}}, to_bucket = {{to:UInt64}}, newest = 0)
WHERE {KEY}
ORDER BY bucket_id DESC LIMIT {{last:UInt64}}"""
"""Closed buckets, newest first."""

CUMULATIVE_DELTA: Final = f"""
SELECT bucket_id, toFloat64(sum(signed) OVER (PARTITION BY intDiv(bucket_id, 1000000) ORDER BY bucket_id)) AS cvd
FROM (
    SELECT bucket_id, sum(buy_vol) - (sum(vol) - sum(buy_vol)) AS signed
    FROM {FEATURES}.bucket_flow
    WHERE {KEY} AND bucket_id BETWEEN intDiv({{first:UInt64}}, 1000000) * 1000000 AND {{to:UInt64}}
    GROUP BY bucket_id
)
ORDER BY bucket_id"""
"""Buy minus sell volume since UTC midnight, base units."""

SPREADS: Final = f"""
SELECT bucket_id, avg(spread_bps) AS spread_bps
FROM (
    SELECT timestamp, spread_bps FROM {FEATURES}.lob_top5
    WHERE {KEY} AND spread_bps IS NOT NULL
      AND timestamp >= fromUnixTimestamp64Milli({{from_ms:Int64}})
      AND timestamp <= fromUnixTimestamp64Milli({{to_ms:Int64}})
) AS books
ASOF INNER JOIN (
    SELECT bucket_id, min(first_ts) AS began FROM {FEATURES}.bucket_flow
    WHERE {KEY} AND bucket_id BETWEEN {{first:UInt64}} AND {{to:UInt64}} GROUP BY bucket_id
) AS buckets ON toDate(books.timestamp) = toDate(buckets.began) AND books.timestamp >= buckets.began
GROUP BY bucket_id ORDER BY bucket_id"""
"""Mean quoted spread of the books published during a bucket, basis points."""

OPEN_BUCKET: Final = f"""
SELECT bucket_id, toUnixTimestamp64Milli(min(first_ts)) AS start_ms, toUnixTimestamp64Milli(max(last_ts)) AS end_ms,
       toFloat64(argMinMerge(f.open)) AS open, toFloat64(max(f.high)) AS high, toFloat64(min(f.low)) AS low,
       toFloat64(argMaxMerge(f.close)) AS close, toFloat64(sum(f.vol)) AS volume,
       toFloat64(sum(f.buy_vol) - (sum(f.vol) - sum(f.buy_vol))) AS delta, sum(f.trades) AS trades
FROM {FEATURES}.bucket_flow AS f
WHERE {KEY} AND bucket_id > {{after:UInt64}}
GROUP BY bucket_id ORDER BY bucket_id DESC LIMIT 1"""

MINUTES: Final = f"""
SELECT toUnixTimestamp(ts_1m) AS minute, toFloat64(t.open) AS open, toFloat64(t.high) AS high, toFloat64(t.low) AS low,
       toFloat64(t.close) AS close, toFloat64(t.total_volume) AS volume,
       toFloat64(t.buy_volume - t.sell_volume) AS delta, t.trade_count AS trades
FROM {FEATURES}.trades_1m AS t
WHERE {KEY} AND ts_1m BETWEEN toDateTime({{from_s:UInt32}}, 'UTC') AND toDateTime({{to_s:UInt32}}, 'UTC')
ORDER BY ts_1m"""

NEWEST_MINUTE: Final = f"SELECT toUnixTimestamp(max(ts_1m)) AS minute FROM {FEATURES}.trades_1m_state WHERE {KEY}"

_RANGE_BUCKET: Final = "bucket_id BETWEEN {first:UInt64} AND {last:UInt64}"
_RANGE_TIME: Final = "ts_1m BETWEEN toDateTime({first:UInt32}, 'UTC') AND toDateTime({last:UInt32}, 'UTC')"


class _Bars(NamedTuple):
    """Our own words for a clock's statements: nothing here ever comes with a request."""

    id: str
    suffix: str
    range: str

    def tick(self) -> str:
        return f"""
SELECT toFloat64(max(tick_size)) AS tick FROM {FEATURES}.footprint_{self.suffix}_state WHERE {KEY} AND {self.range}"""

    def cells(self) -> str:
        return f"""
SELECT {self.id} AS bar, toFloat64(toDecimal256(any(tick_size), 12) * any(low_bin)) AS px,
       toFloat64(sum(bid_vol)) AS bid, toFloat64(sum(ask_vol)) AS ask, sum(trades) AS trades
FROM (
    SELECT *, toInt64(floor(px_bin / {{step:Int64}})) * {{step:Int64}} AS low_bin
    FROM {FEATURES}.footprint_{self.suffix} WHERE {KEY} AND {self.range}
)
GROUP BY bar, low_bin ORDER BY bar, low_bin"""

    def profiles(self) -> str:
        return f"""
SELECT {self.id} AS bar, poc_px, value_area_low, value_area_high
FROM {FEATURES}.footprint_profile_{self.suffix} WHERE {KEY} AND {self.range} ORDER BY bar"""


_BARS: Final = {
    "bucket": _Bars("bucket_id", "by_bucket", _RANGE_BUCKET),
    "time": _Bars("toUnixTimestamp(ts_1m)", "1m", _RANGE_TIME),
}

_GAPS: Final = f"""
SELECT if(max(repaired), 'repaired', 'gap') AS kind, toUnixTimestamp64Milli(min(g.from_time)) AS from_ms,
       toUnixTimestamp64Milli(max(g.to_time)) AS to_ms,
       concat(toString(any(of_type)), ': ', toString(any(g.cause)), ', ',
              toString(to_sequence - from_sequence + 1), ' missing') AS text
FROM {FEATURES}.all_gaps AS g
WHERE {KEY} AND g.to_time >= fromUnixTimestamp64Milli({{from_ms:Int64}})
  AND g.from_time <= fromUnixTimestamp64Milli({{to_ms:Int64}})
GROUP BY g.of_type, from_sequence, to_sequence ORDER BY from_ms LIMIT 500"""
_ALERTS: Final = f"""
SELECT 'alert' AS kind, toUnixTimestamp64Milli(from_time) AS from_ms, toUnixTimestamp64Milli(to_time) AS to_ms,
       concat('excluded: ', cause) AS text
FROM {FEATURES}.excluded_intervals
WHERE {KEY} AND to_time >= fromUnixTimestamp64Milli({{from_ms:Int64}})
  AND from_time <= fromUnixTimestamp64Milli({{to_ms:Int64}}) AND NOT startsWith(cause, 'gap')
ORDER BY from_ms LIMIT 500"""
_DEGRADED: Final = f"""
SELECT 'alert' AS kind, toUnixTimestamp64Milli(toDateTime64(since, 3)) AS from_ms, until AS to_ms,
       concat('serves minute features: ', state, ', ', reason) AS text
FROM (
    SELECT toString(state) AS state, reason, since, toUnixTimestamp64Milli(toDateTime64(leadInFrame(
               since, 1, now64(6, 'UTC')) OVER (ORDER BY since, created_at
               ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING), 3)) AS until
    FROM {FEATURES}.serving_transitions WHERE {KEY}
)
WHERE state != 'healthy' AND until >= {{from_ms:Int64}} AND from_ms <= {{to_ms:Int64}}
ORDER BY from_ms LIMIT 200"""
"""From each departure of the bucket features to the next change of state; it looks back on a ledger."""
_REBUILDS: Final = f"""
SELECT 'rebuild' AS kind, toInt64(toUnixTimestamp(toDateTime(day, 'UTC'))) * 1000 AS from_ms,
       from_ms + 86399999 AS to_ms,
       concat('day of ', toString(data_type), ' installed by ', toString(cause), ', generation ', toString(generation))
           AS text
FROM {COLD}.day_generation FINAL
WHERE day BETWEEN toDate(fromUnixTimestamp64Milli({{from_ms:Int64}}), 'UTC')
              AND toDate(fromUnixTimestamp64Milli({{to_ms:Int64}}), 'UTC')
ORDER BY from_ms LIMIT 200"""


def _bounded(value: int, name: str, most: int) -> int:
    if not 1 <= value <= most:
        raise Refused(400, f"{name}={value}: give 1 to {most}")
    return value


async def buckets(reader: Reader, asked: BucketsAsked) -> Columns:
    """Columns of BUCKETS, oldest first, with ``cvd`` and ``spread_bps``."""
    last = _bounded(asked.last, "last", MAX_BARS)
    to = asked.before - 1 if asked.before > 0 else _FAR
    first = await reader.rows(FIRST, **asked.key, last=last, to=to)
    begin = int(first[0]["first"]) if first else 0
    if not begin:
        return {"bucket_id": []}
    found = await reader.columns(BUCKETS, **{**asked.key, "from": begin}, last=last, to=to)
    found = {name: values[::-1] for name, values in found.items()}
    ids = found["bucket_id"]
    found["cvd"], found["spread_bps"] = [None] * len(ids), [None] * len(ids)
    if ids:
        where: dict[str, Value] = {**asked.key, "first": ids[0], "to": ids[-1]}
        flow, spreads = await asyncio.gather(
            reader.columns(CUMULATIVE_DELTA, **where),
            reader.columns(SPREADS, **where, from_ms=min(found["start_ms"]), to_ms=max(found["end_ms"])),
        )
        found["cvd"] = _aligned(ids, flow, "cvd")
        found["spread_bps"] = _aligned(ids, spreads, "spread_bps")
    return found


def _aligned(ids: list[Any], found: Columns, name: str) -> list[Any]:
    values = dict(zip(found["bucket_id"], found[name], strict=True))
    return [values.get(each) for each in ids]


async def minutes(reader: Reader, asked: MinutesAsked) -> Columns:
    """Columns of MINUTES, oldest first."""
    from_s, to_s = asked.from_s, asked.to_s
    if not to_s:
        newest = await reader.rows(NEWEST_MINUTE, **asked.key)
        to_s = int(newest[0]["minute"]) if newest else 0
    if not from_s:
        from_s = max(0, to_s - 60 * (_bounded(asked.last, "last", MAX_BARS) - 1))
    if to_s - from_s > 60 * MAX_BARS:
        raise Refused(400, f"from_s, to_s: at most {MAX_BARS} minutes at once")
    return await reader.columns(MINUTES, **asked.key, from_s=from_s, to_s=to_s)


async def footprint(reader: Reader, asked: FootprintAsked) -> Footprint:
    """Cells and profiles of a range of bars. Raises Refused for a step below 1."""
    step = _bounded(asked.step, "step", 1_000_000_000)
    bars = _BARS[asked.clock]
    where: dict[str, Value] = {**asked.key, "first": asked.first, "last": asked.last}
    tick, cells, profiles = await asyncio.gather(
        reader.rows(bars.tick(), **where),
        reader.columns(bars.cells(), **where, step=step),
        reader.columns(bars.profiles(), **where),
    )
    return Footprint(tick_size=float(tick[0]["tick"] or 0) if tick else 0.0, step=step, cells=cells, profiles=profiles)


async def open_bucket(reader: Reader, symbol: Symbol, after: int) -> dict[str, Any] | None:
    """The bucket that is filling, when there is one after bucket ``after``."""
    found = await reader.rows(OPEN_BUCKET, **symbol.key, after=after)
    return found[0] if found else None


async def events(reader: Reader, asked: EventsAsked) -> list[Event]:
    """Gaps, exclusions and installs of days, oldest first."""
    where: dict[str, Value] = {**asked.key, "from_ms": asked.from_ms, "to_ms": asked.to_ms}
    days: dict[str, Value] = {"from_ms": asked.from_ms, "to_ms": asked.to_ms}
    found = await asyncio.gather(
        reader.rows(_GAPS, **where),
        reader.rows(_ALERTS, **where),
        reader.rows(_DEGRADED, **where),
        reader.rows(_REBUILDS, **days),
    )
    listed = [Event(**row) for rows in found for row in rows]
    return sorted(listed, key=lambda event: event.from_ms)
