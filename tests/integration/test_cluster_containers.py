"""The ClickHouse part of docker-compose.cluster.yml: replicas, shards, and a retried batch that counts once.

Runs where a Docker engine answers; without one it is skipped, also under REQUIRE_SERVICES=1 (DECISIONS.md).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from marketprism.clickhouse import connect
from marketprism.errors import MarketPrismError
from marketprism.migrate import migrate, pending
from marketprism.settings import ClickHouseSettings
from marketprism.subjects import partition_of
from tests.conftest import REPOSITORY

pytestmark = [pytest.mark.container, pytest.mark.slow, pytest.mark.timeout(900)]

SERVICES = ["keeper-1", "keeper-2", "keeper-3", "clickhouse-1a", "clickhouse-1b", "clickhouse-2a", "clickhouse-2b"]
ROW = (
    "INSERT INTO marketprism_hot.orderbooks (timestamp, received_at, exchange, market_type, symbol, sequence, "
    "bid_prices, bid_quantities, ask_prices, ask_quantities) SELECT now64(3), now64(6), 'x', 'spot', '{}', number, "
    "[1.], [1.], [2.], [1.] FROM numbers(10)"
)


@pytest.fixture(scope="module")
def shards() -> Iterator[list[Any]]:
    """A client for the first replica of each shard."""
    docker = pytest.importorskip("docker")
    try:
        docker.from_env().ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker engine answers: {str(error)[:120]}")
    from testcontainers.compose import DockerCompose

    os.environ.setdefault("MARKETPRISM_CLICKHOUSE_PASSWORD", "for-tests")
    os.environ.setdefault("MARKETPRISM_NATS_PASSWORD", "for-tests")
    compose = DockerCompose(
        str(REPOSITORY), compose_file_name="docker-compose.cluster.yml", services=SERVICES, wait=True
    )
    with compose:
        password = os.environ["MARKETPRISM_CLICKHOUSE_PASSWORD"]
        yield [
            _eventually(ClickHouseSettings(url=f"http://127.0.0.1:{port}", user="marketprism", password=password))
            for port in (8123, 8124)
        ]


def _eventually(settings: ClickHouseSettings) -> Any:
    deadline = time.monotonic() + 120
    while True:
        try:
            return connect(settings)
        except MarketPrismError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_one_migration_reaches_every_server(shards: list[Any]) -> None:
    first, second = shards
    assert migrate(first, cluster="marketprism")
    assert pending(second, cluster="marketprism") == []
    servers = first.query(
        "SELECT hostName(), count() FROM clusterAllReplicas('marketprism', system.tables) "
        "WHERE database LIKE 'marketprism%' AND engine LIKE 'Replicated%' GROUP BY 1"
    ).result_rows
    assert len(servers) == 4
    assert len({count for _, count in servers}) == 1


def test_a_retry_on_the_other_replica_counts_once_and_twins_see_all(shards: list[Any]) -> None:
    for number, client in enumerate(shards):
        symbol = next(name for name in map(str, range(99)) if partition_of("x", "spot", name, 8) % 2 == number)
        for _ in range(2):
            client.command(
                ROW.format(symbol),
                settings={
                    "insert_deduplication_token": f"orderbooks:{symbol}",
                    "async_insert": 0,
                    "deduplicate_blocks_in_dependent_materialized_views": 1,
                    "insert_quorum": 2,
                },
            )
    for table in ("marketprism_hot_cluster.orderbooks", "marketprism_features_cluster.lob_top5"):
        for client in shards:
            assert client.command(f"SELECT count() FROM {table} WHERE exchange = 'x'") == 20
