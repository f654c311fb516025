"""The health check: look at every symbol's buckets, take a step of its machine, write what changed.

It keeps nothing: each look reads the states from ``serving_transitions``, so a restart, a second check and a person's
own row all do no harm, and a transition that could not be written is found again two seconds later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import pyarrow as pa

from marketprism.clickhouse import FEATURES
from monitors.serving.machine import BY_HAND, Key, Limits, Seen, Serving, step

log = logging.getLogger(__name__)

TRANSITIONS: Final = f"{FEATURES}.serving_transitions"
_FIRST_DAY: Final = "toUInt64(toYYYYMMDD(now('UTC') - INTERVAL 1 DAY)) * 1000000"

STATES: Final = f"""
SELECT exchange, market_type, symbol, argMax(state, (t.since, t.created_at)), argMax(reason, (t.since, t.created_at)),
       toFloat64(max(t.since)), toFloat64(maxIf(t.since, startsWith(reason, '{BY_HAND}')))
FROM {TRANSITIONS} AS t WHERE {{condition}} GROUP BY exchange, market_type, symbol"""

TRADED: Final = f"""(exchange, market_type, symbol) IN (
    SELECT exchange, market_type, symbol FROM {FEATURES}.bucket_flow WHERE bucket_id >= {_FIRST_DAY})"""
"""Symbols that a look can see: states of expired options are a hundred thousand a year, and a look has two seconds."""

NEWEST: Final = f"""
SELECT exchange, market_type, symbol, toFloat64(maxIf(bucket_ts_end, is_closed)),
       arrayMap(one -> (one.2, one.3), arrayReverseSort(one -> one.1,
           groupArrayIf((bucket_id, toFloat64(ifNull(available_at, toDateTime64(0, 6, 'UTC'))), quality), is_closed)))
FROM {FEATURES}.unified_buckets_between(
    from_bucket = {_FIRST_DAY}, to_bucket = 99999999999999, newest = {{newest:UInt64}})
GROUP BY exchange, market_type, symbol"""

LENGTHS_AND_IDS: Final = f"""
SELECT exchange, market_type, symbol,
       quantileIf(0.9)(length_s, recent), countIf(anomaly), toFloat64(maxIf(known, anomaly))
FROM (
    SELECT exchange, market_type, symbol, dateDiff('millisecond', first_ts, last_ts) / 1000 AS length_s, known,
           last_ts >= now('UTC') - INTERVAL 1 HOUR AS recent,
           bucket_id != lagInFrame(bucket_id, 1, intDiv(bucket_id, 1000000) * 1000000) OVER preceding + 1
           OR first_sequence <= lagInFrame(last_sequence, 1, toUInt64(0)) OVER preceding AS anomaly
    FROM (
        SELECT exchange, market_type, symbol, f.bucket_id AS bucket_id, min(f.first_ts) AS first_ts,
               max(f.last_ts) AS last_ts, min(f.first_sequence) AS first_sequence,
               max(f.last_sequence) AS last_sequence, max(f.last_received_at) AS known
        FROM {FEATURES}.bucket_flow AS f WHERE f.bucket_id >= {_FIRST_DAY}
        GROUP BY exchange, market_type, symbol, f.bucket_id
    )
    WINDOW preceding AS (PARTITION BY exchange, market_type, symbol, intDiv(bucket_id, 1000000)
                         ORDER BY bucket_id ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
GROUP BY exchange, market_type, symbol"""

PLANS: Final = f"""
SELECT exchange, market_type, symbol, argMax(source, (day, frozen_at)) FROM {FEATURES}.bucket_days
WHERE day >= toDate(now('UTC')) - 1 GROUP BY exchange, market_type, symbol"""

SETTLE_S: Final = 120.0
"""How long a symbol that never had a state may catch up with the present (a new installation that plays history)."""

Told = Callable[[Mapping[Key, Serving], list[tuple[Key, Serving]]], None]
"""Gets every symbol's state after a look, and the transitions of it."""


class HealthCheck:
    """``await check(client)`` once per look. ``told`` hears what stands and what changed."""

    def __init__(self, limits: Limits, told: Told, now: Callable[[], float] = time.time) -> None:
        self._limits = limits
        self._told = told
        self._now = now
        self._first_look: dict[Key, float] = {}
        self._closed_before: dict[Key, float] = {}

    async def __call__(self, client: Any) -> None:
        states = await read_states(client, TRADED)
        seen = await read_seen(client, self._limits.buckets)
        now_s = self._now()
        changed = []
        for key, look in seen.items():
            if key not in states and self._catches_up(look, now_s):
                continue
            after = step(states.get(key, Serving()), look, now_s, self._limits)
            if after is not None:
                changed.append((key, after))
        for key, after in changed:
            await write_transition(client, key, after)
            level = logging.WARNING if after.state == "degraded" else logging.INFO
            log.log(level, "%s %s", ".".join(key), after.state, extra={"reason": after.reason})
        standing = {key: states.get(key, Serving()) for key in seen} | dict(changed)
        self._told(standing, changed)

    def _catches_up(self, look: Seen, now_s: float) -> bool:
        """Its buckets are old, but run towards the present faster than the clock."""
        key = look.key
        first = self._first_look.setdefault(key, now_s)
        before = self._closed_before.get(key, look.closed_s - 1)
        self._closed_before[key] = look.closed_s
        return now_s - first < SETTLE_S and look.closed_s > before and now_s - look.closed_s > self._limits.stale_s


async def _rows(client: Any, query: str, **parameters: object) -> list[tuple[Any, ...]]:
    return list((await client.query(query, parameters=parameters)).result_rows)


async def read_states(client: Any, condition: str = "true") -> dict[Key, Serving]:
    """The state of every symbol that ever changed it, of those that meet a condition on the key."""
    rows = await _rows(client, STATES.format(condition=condition))
    return {
        (exchange, market, symbol): Serving(state, reason, since_s, accepted_s)
        for exchange, market, symbol, state, reason, since_s, accepted_s in rows
    }


async def read_seen(client: Any, buckets: int) -> dict[Key, Seen]:
    """One look at every symbol with buckets since yesterday."""
    newest, lengths, plans = await asyncio.gather(
        _rows(client, NEWEST, newest=buckets + 2), _rows(client, LENGTHS_AND_IDS), _rows(client, PLANS)
    )
    measured = {tuple(row[:3]): row[3:] for row in lengths}
    sources = {tuple(row[:3]): row[3] for row in plans}
    found = {}
    for exchange, market, symbol, closed_s, known in newest:
        key = (exchange, market, symbol)
        p90_s, anomalies, anomaly_s = measured.get(key, (0.0, 0, 0.0))
        complete: list[float] = []
        for known_s, quality in known:
            if quality != "ok":
                break
            complete.append(known_s)
        p90_s = p90_s if p90_s == p90_s else 0.0  # no bucket within the hour: NaN
        found[key] = Seen(key, closed_s, tuple(complete), p90_s, anomalies, anomaly_s, sources.get(key, ""))
    return found


async def write_transition(client: Any, key: Key, after: Serving) -> None:
    """One row; sent again it is the same row."""
    exchange, market, symbol = key
    since_us = int(after.since_s * 1_000_000)
    row = pa.table(
        {
            "exchange": [exchange],
            "market_type": [market],
            "symbol": [symbol],
            "state": [after.state],
            "reason": [after.reason],
            "since": pa.array([since_us], pa.int64()).cast(pa.timestamp("us", "UTC")),
        }
    )
    token = f"serving:{'.'.join(key)}:{after.state}:{since_us}"
    await client.insert_arrow(TRANSITIONS, row, settings={"insert_deduplication_token": token, "async_insert": 0})
