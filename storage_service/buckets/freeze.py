"""Freezing: the plan of a symbol-day is written to ``bucket_days`` before the day's first trade is stored.

Once written it is only ever read: a restart, a replay and a rebuild cut the day the same way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from marketprism.clickhouse import FEATURES
from storage_service.buckets.book import DayRequest, Symbol
from storage_service.buckets.plan import SCALE, DayPlan
from storage_service.buckets.resolve import ConfigRow, Defaults, resolve
from storage_service.clickhouse_io import Warehouse
from storage_service.metrics import DAY_PLANS
from storage_service.position import digest

logger = logging.getLogger(__name__)

TABLE: Final = f"{FEATURES}.bucket_days"
_EPOCH: Final = date(1970, 1, 1)
_SCHEMA: Final = pa.schema(
    [
        pa.field("exchange", pa.string(), nullable=False),
        pa.field("market_type", pa.string(), nullable=False),
        pa.field("symbol", pa.string(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("trade_kind", pa.string(), nullable=False),
        pa.field("mode", pa.string(), nullable=False),
        pa.field("q_bucket", pa.decimal128(38, 12), nullable=False),
        pa.field("n_trades", pa.uint32(), nullable=False),
        pa.field("n_updates", pa.uint32(), nullable=False),
        pa.field("t_target_s", pa.float64(), nullable=False),
        pa.field("t_max_ms", pa.uint32(), nullable=False),
        pa.field("n_min", pa.uint32(), nullable=False),
        pa.field("quality_close", pa.float64(), nullable=False),
        pa.field("config_version", pa.uint64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("frozen_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
_FROZEN: Final = f"""
SELECT exchange, market_type, symbol, toInt32(day) AS day_number, trade_kind, mode, q_bucket, n_trades, n_updates,
    t_target_s, t_max_ms, n_min, quality_close, config_version, source
FROM {TABLE}
WHERE day IN {{days:Array(Date)}}
ORDER BY frozen_at
LIMIT 1 BY exchange, market_type, symbol, day"""
_CONFIG: Final = f"""
SELECT exchange, market_type, symbol, mode, q_bucket, n_trades, n_updates, n_min, t_target_s, t_max_s,
    toUnixTimestamp64Milli(valid_from), toUnixTimestamp64Milli(valid_to), version
FROM {FEATURES}.bucket_config FINAL
WHERE session_tag = '' AND symbol IN {{symbols:Array(String)}}"""


class Freezer:
    """Finds or makes the plans of symbol-days. Raises what Warehouse raises; nothing is remembered on failure."""

    def __init__(self, warehouse: Warehouse, defaults: Defaults) -> None:
        self._warehouse = warehouse
        self._defaults = defaults

    async def plans(self, requests: Sequence[DayRequest]) -> list[tuple[Symbol, int, DayPlan]]:
        """One plan for every request; new ones are stored when this returns."""
        if not requests:
            return []
        frozen = await self._frozen({request.day for request in requests})
        new = [request for request in requests if (request.symbol, request.day) not in frozen]
        if new:
            configs = await self._configs({request.symbol[2] for request in new})
            made = [(r, resolve(r, configs.get(r.symbol, []), self._defaults)) for r in new]
            await self._store(made)
            for request, plan in made:
                frozen[request.symbol, request.day] = plan
                DAY_PLANS.labels(plan.source).inc()
                logger.debug("bucket day frozen", extra={"symbol": ".".join(request.symbol), "plan": plan})
        return [(r.symbol, r.day, frozen[r.symbol, r.day]) for r in requests]

    async def _frozen(self, days: set[int]) -> dict[tuple[Symbol, int], DayPlan]:
        dates = [datetime.fromtimestamp(day * 86_400, UTC).date() for day in sorted(days)]
        rows = await self._warehouse.rows(_FROZEN, {"days": dates})
        return {((row[0], row[1], row[2]), row[3]): _plan(row[4:]) for row in rows}

    async def _configs(self, symbols: set[str]) -> dict[Symbol, list[ConfigRow]]:
        found: dict[Symbol, list[ConfigRow]] = {}
        for row in await self._warehouse.rows(_CONFIG, {"symbols": sorted(symbols)}):
            config = ConfigRow(row[3], int(row[4] * SCALE), *row[5:])
            found.setdefault((row[0], row[1], row[2]), []).append(config)
        return found

    async def _store(self, made: Sequence[tuple[DayRequest, DayPlan]]) -> None:
        """One insert a month (the partition): at midnight every symbol asks, and one each would hold up all trades."""
        frozen_at = datetime.fromtimestamp(time.time(), UTC)
        months: dict[tuple[int, int], list[dict[str, Any]]] = {}
        for request, plan in made:
            row = _row(request, plan, frozen_at)
            months.setdefault((row["day"].year, row["day"].month), []).append(row)
        for rows in months.values():
            names = " ".join(f"{r['exchange']}.{r['market_type']}.{r['symbol']}:{r['day']}" for r in rows)
            batch = pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)
            await self._warehouse.insert(TABLE, batch, _SCHEMA.names, f"bucket_days:{digest(names.encode())}")


def _row(request: DayRequest, plan: DayPlan, frozen_at: datetime) -> dict[str, Any]:
    exchange, market_type, symbol = request.symbol
    return {
        "exchange": exchange,
        "market_type": market_type,
        "symbol": symbol,
        "day": date.fromordinal(_EPOCH.toordinal() + request.day),
        "trade_kind": plan.trade_kind,
        "mode": plan.mode,
        "q_bucket": Decimal(plan.q_bucket).scaleb(-12),
        "n_trades": plan.n_trades,
        "n_updates": plan.n_updates,
        "t_target_s": plan.t_target_s,
        "t_max_ms": plan.t_max_ms,
        "n_min": plan.n_min,
        "quality_close": plan.quality_close,
        "config_version": plan.config_version,
        "source": plan.source,
        "frozen_at": frozen_at,
    }


def _plan(row: Sequence[Any]) -> DayPlan:
    kind, mode, q_bucket, *rest = row
    return DayPlan(kind, mode, int(q_bucket * SCALE), *rest)
