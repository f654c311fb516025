"""One in-process engine with the migrated schema per test process; tests keep apart by symbol."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

import clickhouse_connect
import pytest

from marketprism.embedded.options import engine_options
from marketprism.settings import EmbeddedSettings
from tests.migrated import Template
from tests.sql.rows import books_table, trades_table

_numbers = itertools.count(1)


class Engine:
    """A migrated ClickHouse with the inserts that the tests need."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def rows(self, query: str) -> list[dict[str, Any]]:
        """The answer as dictionaries."""
        return list(self.client.query(query).named_results())

    def trades(self, symbol: str, rows: Sequence[dict[str, Any]], batches: int = 1, **key: str) -> None:
        """Insert in this many pieces, as even as they come."""
        size = -(-len(rows) // batches)
        for start in range(0, len(rows), size):
            self.client.insert_arrow("marketprism_hot.trades", trades_table(rows[start : start + size], symbol, **key))

    def books(self, symbol: str, rows: Sequence[dict[str, Any]], **key: str) -> None:
        self.client.insert_arrow("marketprism_hot.orderbooks", books_table(rows, symbol, **key))

    def feature(self, name: str, symbol: str, order: str = "bucket_id") -> list[dict[str, Any]]:
        return self.rows(f"SELECT * FROM marketprism_features.{name} WHERE symbol = '{symbol}' ORDER BY {order}")

    def forget(self, symbols: str) -> None:
        """Delete every row of these symbols (a LIKE pattern): what is newest of all moves what "latest" means."""
        stored = self.rows(
            "SELECT t.database || '.`' || t.name || '`' AS name FROM system.tables AS t "
            "JOIN system.columns AS c ON c.database = t.database AND c.table = t.name "
            "WHERE t.database LIKE 'marketprism%' AND t.engine LIKE '%MergeTree' "
            "AND c.name = 'symbol' AND t.total_rows > 0"
        )
        where = f"symbol LIKE '{symbols}'"
        for name in (table["name"] for table in stored):  # a mutation rewrites every part, also for nothing
            if self.rows(f"SELECT 1 FROM {name} WHERE {where} LIMIT 1"):
                self.client.command(f"ALTER TABLE {name} DELETE WHERE {where} SETTINGS mutations_sync = 1")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("sql") / "engine"
    migrated.copy(path)
    still = engine_options(EmbeddedSettings(refresh_views=False), path)  # tests refresh what they read
    client = clickhouse_connect.get_client(interface="chdb", path=f"{path}?{urlencode(still)}")
    yield Engine(client)
    client.close()


@pytest.fixture
def symbol() -> Callable[[], str]:
    """A function that gives a symbol no other test uses."""
    return lambda: f"T{next(_numbers)}USDT"
