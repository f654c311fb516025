"""The pipeline's two servers as the containers of docker-compose.yml: schema, streams, and an exact insert.

Runs where a Docker engine answers. Without one it is skipped, also under REQUIRE_SERVICES=1: a Docker engine is not
something that ``.ci/run`` can install (DECISIONS.md).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from marketprism.clickhouse import connect
from marketprism.migrate import migrate, pending
from marketprism.settings import ClickHouseSettings, NatsSettings
from marketprism.status import connect_nats, stream_states
from marketprism.streams import ensure_streams
from tests.conftest import REPOSITORY

pytestmark = [pytest.mark.container, pytest.mark.slow, pytest.mark.timeout(600)]


def _image(service: str) -> str:
    return str(yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"][service]["image"])


@pytest.fixture(scope="module", autouse=True)
def _engine() -> None:
    docker = pytest.importorskip("docker")
    try:
        docker.from_env().ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker engine answers: {str(error)[:120]}")


@pytest.fixture(scope="module")
def clickhouse(_engine: None) -> Iterator[Any]:
    import docker
    from testcontainers.core.container import DockerContainer

    docker.from_env().images.build(path=str(REPOSITORY), target="clickhouse", tag=_image("clickhouse"))
    container = DockerContainer(_image("clickhouse")).with_exposed_ports(8123)
    container = container.with_env("CLICKHOUSE_USER", "marketprism").with_env("CLICKHOUSE_PASSWORD", "for-tests")
    with container as running:
        url = f"http://{running.get_container_host_ip()}:{running.get_exposed_port(8123)}"
        settings = ClickHouseSettings(url=url, user="marketprism", password="for-tests")  # type: ignore[arg-type]
        client = _eventually(lambda: connect(settings))
        yield client
        client.close()


@pytest.fixture(scope="module")
def nats_settings(_engine: None) -> Iterator[NatsSettings]:
    from testcontainers.core.container import DockerContainer

    with DockerContainer(_image("nats")).with_exposed_ports(4222).with_command("--jetstream") as running:
        url = f"nats://{running.get_container_host_ip()}:{running.get_exposed_port(4222)}"
        yield NatsSettings(url=url, stream_max_bytes=16 << 20)


def _eventually(attempt: Any, timeout_s: float = 60) -> Any:
    from marketprism.errors import MarketPrismError

    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return attempt()
        except MarketPrismError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_migrations_apply_once(clickhouse: Any) -> None:
    assert migrate(clickhouse)
    assert migrate(clickhouse) == []
    assert pending(clickhouse) == []


def test_a_retried_batch_counts_once_in_table_and_view(clickhouse: Any) -> None:
    migrate(clickhouse)
    row = (
        "INSERT INTO marketprism_hot.orderbooks (timestamp, received_at, exchange, market_type, symbol, sequence, "
        "bid_prices, bid_quantities, ask_prices, ask_quantities) SELECT now64(3), now64(6), 'x', 'spot', 'Y', number, "
        "[1.], [1.], [2.], [1.] FROM numbers(10)"
    )
    for _ in range(2):
        clickhouse.command(
            row,
            settings={
                "insert_deduplication_token": "orderbooks:test",
                "async_insert": 0,
                "deduplicate_blocks_in_dependent_materialized_views": 1,
            },
        )
    for table in ("marketprism_hot.orderbooks", "marketprism_features.lob_top5"):
        assert clickhouse.command(f"SELECT count() FROM {table} WHERE exchange = 'x'") == 10


async def test_streams_are_made_idempotently(nats_settings: NatsSettings) -> None:
    client = await connect_nats(nats_settings)
    try:
        for _ in range(2):
            await ensure_streams(client.jetstream(), nats_settings)
        assert len(await stream_states(client, nats_settings)) == 11
    finally:
        await client.close()
