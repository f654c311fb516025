"""What installing adds to staged trades: bucket edges from the frozen plan of each symbol-day, and the price tick."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

import pyarrow as pa

from marketprism.errors import DayError
from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.buckets.book import DayRequest
from storage_service.buckets.freeze import Freezer
from storage_service.buckets.plan import SCALE, DayPlan
from storage_service.buckets.resolve import Defaults
from storage_service.clickhouse_io import ClickHouseAway, InsertRefused, Warehouse
from storage_service.days.edges import BUCKET_COLUMNS, JOIN, Tape, edges_of
from storage_service.days.engine import Engine
from storage_service.days.install import Symbol, same_symbol

_EPOCH: Final = date(1970, 1, 1)


def frozen_plans(
    clickhouse: ClickHouseSettings, settings: StorageSettings, requests: Sequence[DayRequest]
) -> dict[tuple[Symbol, date], DayPlan]:
    """The plans of symbol-days, frozen now where they were not. Raises DayError."""

    async def ask() -> list[tuple[Symbol, int, DayPlan]]:
        warehouse = Warehouse(clickhouse)
        try:
            defaults = Defaults(settings.default_q_notional, settings.default_t_max_ms)
            return await Freezer(warehouse, defaults).plans(requests)
        finally:
            await warehouse.close()

    try:
        plans = asyncio.run(ask())
    except (ClickHouseAway, InsertRefused) as error:
        raise DayError(f"bucket plans could not be frozen: {error}; run it again") from error
    return {(symbol, date.fromordinal(_EPOCH.toordinal() + day)): plan for symbol, day, plan in plans}


def first_trades(engine: Engine, table: str, condition: str, symbol: Symbol) -> list[DayRequest]:
    """Each day of one symbol's rows of ``table`` with its first market trade by sequence."""
    rows = engine.rows(
        f"SELECT toInt32(toDate(timestamp)) AS day, argMin(trade_kind, sequence), argMin(price, sequence) "
        f"FROM {table} WHERE is_market AND {condition} GROUP BY day ORDER BY day"
    )
    return [DayRequest(symbol, day, kind, int(price * SCALE)) for day, kind, price in rows]


def fold_days(
    engine: Engine, table: str, condition: str, symbol: Symbol, plans: Mapping[date, DayPlan]
) -> list[pa.RecordBatch]:
    """Fold the market trades of one symbol in ``table``, day by day; the edges of each day that has any."""
    by_kind: dict[str, list[date]] = defaultdict(list)
    for day, plan in sorted(plans.items()):
        by_kind[plan.trade_kind].append(day)
    made = []
    for kind, days in by_kind.items():
        shown = ", ".join(f"'{day}'" for day in days)
        found = engine.arrow(
            "SELECT toUInt16(toDate(timestamp)) AS day, sequence, toUnixTimestamp64Milli(timestamp) AS ms, quantity "
            f"FROM {table} WHERE is_market AND trade_kind = '{kind}' AND toDate(timestamp) IN ({shown}) "
            f"AND {condition} ORDER BY sequence"
        )
        made += [edges_of(symbol, day, plans[day], tape) for day, tape in sorted(Tape.by_day(found).items())]
    return made


def insert_edges(engine: Engine, edges: str, made: Sequence[pa.RecordBatch]) -> None:
    """Put edges into their table. Raises DayError when not all arrived: trades would silently bear no buckets."""
    if made:
        (batch,) = pa.Table.from_batches(made).combine_chunks().to_batches()
        engine.insert(edges, batch)
    sent = sum(batch.num_rows for batch in made)
    stored = int(engine.rows(f"SELECT count() FROM {edges}")[0][0])
    if stored != sent:
        raise DayError(f"{sent} bucket edges were made, {edges} holds {stored}; run it again")


def with_buckets(
    columns: Sequence[str], table: str, condition: str, symbol: Symbol, edges: str, tick: Decimal | None = None
) -> str:
    """A SELECT of one symbol's trades with their buckets; with a tick, price ticks too (half up, as the collector
    rounds).
    """
    bears = "s.is_market AND e.bucket_id != 0 AND s.trade_kind = e.trade_kind"
    computed = {name: text.format(bears=bears) for name, text in BUCKET_COLUMNS.items()}
    if tick is not None:
        scaled, price = int(tick.scaleb(12)), "toInt128(s.price * 1000000000000)"
        computed["tick_size"] = f"toDecimal128('{tick:f}', 12)"
        computed["price_tick"] = f"toInt64(intDiv(2 * {price} + {scaled}, {2 * scaled}))"
    selected = ", ".join(f"{computed.get(name, f's.`{name}`')} AS `{name}`" for name in columns)
    source = f"(SELECT * FROM {table} WHERE {condition}) AS s"
    return f"SELECT {selected} FROM {source} {JOIN.format(edges=edges, symbol=same_symbol(symbol))}"
