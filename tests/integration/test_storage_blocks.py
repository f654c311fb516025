"""What the protocol asks of the engine: an Arrow body is one block, and a retry under its token stores nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import numpy as np
import polars as pl
import pytest

from marketprism.clickhouse import HOT
from marketprism.settings import ClickHouseSettings
from storage_service.clickhouse_io import ClickHouseAway, InsertRefused, Warehouse
from storage_service.lease import Lease
from storage_service.schema import ipc_stream, stored, to_record_batch
from tests.migrated import Template
from tests.unit.storage.rig import Rig

pytestmark = pytest.mark.xdist_group("storage-blocks")

NAMES = [column.name for column in stored("trades")]
START = 1_700_000_000_000


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("storage-blocks"))
    try:
        migrated.seed(rig.data)
        rig.start_clickhouse()
        yield rig
    finally:
        rig.close()


@pytest.fixture
async def warehouse(rig: Rig) -> AsyncIterator[Warehouse]:
    warehouse = Warehouse(ClickHouseSettings(url=f"http://127.0.0.1:{rig.clickhouse_port}", _env_file=None))
    yield warehouse
    await warehouse.close()


def trades(rows: int, symbol: str, step_ms: int = 1) -> bytes:
    numbers = np.arange(1, rows + 1)
    frame = pl.DataFrame({"sequence": numbers}).select(
        timestamp=START + pl.col("sequence") * step_ms,
        received_at=(START + pl.col("sequence") * step_ms) * 1000,
        exchange=pl.lit("binance"),
        market_type=pl.lit("spot"),
        symbol=pl.lit(symbol),
        sequence=pl.col("sequence").cast(pl.UInt64),
        data_source=pl.lit("marketprism"),
        trade_id=pl.col("sequence").cast(pl.String),
        trade_kind=pl.lit("trade"),
        price=(pl.col("sequence") % 100 + 1000).cast(pl.Decimal(38, 12)),
        quantity=pl.lit("0.5").cast(pl.Decimal(38, 12)),
        native_quantity=pl.lit("0.5").cast(pl.Decimal(38, 12)),
        side=pl.when(pl.col("sequence") % 2 == 0).then(pl.lit("buy")).otherwise(pl.lit("sell")),
        is_maker=pl.lit(False),
        trade_time=START + pl.col("sequence") * step_ms,
        is_market=pl.lit(True),
        first_trade_id=pl.col("sequence").cast(pl.UInt64),
        last_trade_id=pl.col("sequence").cast(pl.UInt64),
        tick_size=pl.lit("0.01").cast(pl.Decimal(38, 12)),
        price_tick=pl.col("sequence").cast(pl.Int64),
        stream_seq=pl.lit(1, pl.UInt64),
        bucket_id=(20231114_000000 + pl.col("sequence") // 7 + 1).cast(pl.UInt64),
        bucket_cut=pl.lit(""),
        bucket_t_max_ms=pl.lit(60_000, pl.UInt32),
        late=pl.lit(False),
    )
    return ipc_stream(to_record_batch("trades", frame))


def counts(rig: Rig, symbol: str) -> tuple[int, int, int]:
    """(rows in the table, parts they are in, trades in the view's table)."""
    [(rows, parts)] = rig.rows(f"SELECT count(), uniq(_part) FROM {HOT}.trades WHERE symbol = '{symbol}'")
    [(flow,)] = rig.rows(f"SELECT sum(trades) FROM marketprism_features.bucket_flow WHERE symbol = '{symbol}'")
    return rows, parts, flow


@pytest.mark.parametrize("rows", [1, 8_193, 100_000])
async def test_a_body_is_one_block_and_its_retry_is_nothing(rig: Rig, warehouse: Warehouse, rows: int) -> None:
    symbol, body = f"ONE{rows}", trades(rows, f"ONE{rows}")
    for _ in range(3):
        await warehouse.insert(f"{HOT}.trades", body, NAMES, f"token-{symbol}")
    assert counts(rig, symbol) == (rows, 1, rows)


async def test_without_the_same_token_a_retry_doubles(rig: Rig, warehouse: Warehouse) -> None:
    """The control: the engine does count twice when nothing tells it not to."""
    body = trades(1000, "TWICE")
    await warehouse.insert(f"{HOT}.trades", body, NAMES, "token-a")
    await warehouse.insert(f"{HOT}.trades", body, NAMES, "token-b")
    assert counts(rig, "TWICE")[::2] == (2000, 2000)


async def test_ninety_days_in_one_body(rig: Rig, warehouse: Warehouse) -> None:
    body = trades(900, "DAYS", step_ms=8_640_000)
    for _ in range(2):
        await warehouse.insert(f"{HOT}.trades", body, NAMES, "token-days")
    rows, parts, flow = counts(rig, "DAYS")
    assert (rows, flow) == (900, 900)
    assert 90 <= parts <= 91


async def test_more_than_a_hundred_days_are_refused_whole(rig: Rig, warehouse: Warehouse) -> None:
    """Why batching cuts before the intent."""
    with pytest.raises(InsertRefused):
        await warehouse.insert(f"{HOT}.trades", trades(1200, "MANY", step_ms=8_640_000), NAMES, "token-many")
    assert counts(rig, "MANY")[0] == 0


async def test_every_type_round_trips_through_its_table(rig: Rig, warehouse: Warehouse) -> None:
    """Arrow types and table types agree for each data type, at the edges of what validation lets through."""
    from marketprism.events import ROW_TYPES
    from tests.unit.storage.samples import edge_frame

    for data_type in ROW_TYPES:
        frame = edge_frame(data_type)
        names = [column.name for column in stored(data_type)]
        body = ipc_stream(to_record_batch(data_type, frame))
        await warehouse.insert(f"{HOT}.{data_type}", body, names, f"edge-{data_type}")
        query = f"SELECT {', '.join(names)} FROM {HOT}.{data_type} WHERE symbol = 'EDGE' ORDER BY stream_seq"
        stored_back = await warehouse.arrow(query)
        back = pl.DataFrame(pl.from_arrow(stored_back))
        for column in stored(data_type):
            got, sent = back[column.name], frame[column.name]
            if column.kind in ("ms", "us"):
                got = got.dt.epoch(column.kind)
            assert got.to_list() == sent.to_list(), (data_type, column.name)


async def test_the_engine_refuses_what_arrives_after_the_lease(rig: Rig) -> None:
    """By its own clock: who fell asleep with the request in its hands has looked at its lease before."""
    lease = Lease()
    lease.renew(lease.clock(), 60)
    settings = ClickHouseSettings(url=f"http://127.0.0.1:{rig.clickhouse_port}", _env_file=None)
    warehouse = Warehouse(settings, lease)
    await warehouse.insert(f"{HOT}.trades", trades(5, "LEASEUSDT"), NAMES, "lease-1")
    lease.end()
    with pytest.raises(ClickHouseAway, match="after the lease's end"):
        await warehouse.insert(f"{HOT}.trades", trades(9, "LEASEUSDT"), NAMES, "lease-2")
    assert counts(rig, "LEASEUSDT") == (5, 1, 5)
    lease.renew(lease.clock(), 60)
    await warehouse.insert(f"{HOT}.trades", trades(5, "LEASEUSDT"), NAMES, "lease-1")  # known by its token
    assert counts(rig, "LEASEUSDT") == (5, 1, 5)
    await warehouse.close()
