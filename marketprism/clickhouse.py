"""One way to reach ClickHouse: HTTP, whether a server, a cluster or the embedded default."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect

from marketprism.errors import ClickHouseUnreachable
from marketprism.settings import ClickHouseSettings

HOT = "marketprism_hot"
COLD = "marketprism_cold"
FEATURES = "marketprism_features"
LABELS = "marketprism_labels"
DATABASES = (HOT, COLD, FEATURES, LABELS)
DEDUPLICATION_WINDOW = 10_000
"""Insert tokens that a raw table remembers, as migrations set it: a batch that is sent again is known by its token."""
WINDOWS = (
    "SELECT name, toUInt64OrZero(extract(create_table_query, 'deduplication_window = (\\\\d+)')) FROM system.tables "
    f"WHERE database = '{HOT}' AND name IN {{tables:Array(String)}}"
)
"""Tables of the hot database and how many tokens each remembers, on a cluster as well; 0 when it was never said."""


def connection_arguments(settings: ClickHouseSettings) -> dict[str, Any]:
    """Keyword arguments of ``clickhouse_connect.get_client`` for a ``http(s)://[user:password@]host[:port]`` URL."""
    url = urlsplit(settings.url)
    secure = url.scheme == "https"
    return {
        "host": url.hostname or "127.0.0.1",
        "port": url.port or (8443 if secure else 8123),
        "username": unquote(url.username) if url.username else settings.user,
        "password": unquote(url.password) if url.password else settings.password.get_secret_value(),
        "secure": secure,
        "connect_timeout": settings.connect_timeout_s,
        "send_receive_timeout": settings.timeout_s,
        "autogenerate_session_id": False,
    }


def connect(settings: ClickHouseSettings, **overrides: Any) -> Any:
    """A synchronous client. Raises ClickHouseUnreachable, whose text says what to do."""
    arguments = {**connection_arguments(settings), **overrides}
    try:
        return clickhouse_connect.get_client(**arguments)
    except Exception as error:  # the driver raises its own, urllib3's and OSError alike
        raise ClickHouseUnreachable.of(settings.url, error) from error


async def connect_async(settings: ClickHouseSettings, **overrides: Any) -> Any:
    """An asynchronous client. Raises ClickHouseUnreachable, whose text says what to do."""
    arguments = {**connection_arguments(settings), **overrides}
    try:
        return await clickhouse_connect.get_async_client(**arguments)
    except Exception as error:
        raise ClickHouseUnreachable.of(settings.url, error) from error
