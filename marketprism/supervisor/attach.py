"""Which servers a command talks to: those of the run that holds a data directory, else those of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketprism.errors import DataDirectoryError
from marketprism.settings import (
    AppSettings,
    ClickHouseSettings,
    CollectorSettings,
    EmbeddedSettings,
    MonitorSettings,
    NatsSettings,
    StorageSettings,
)
from marketprism.supervisor.directory import Holder, holder_of


@dataclass(frozen=True, slots=True)
class Servers:
    """Where ClickHouse, NATS and the health doors are; ``holder`` is the run that serves them, when it is known."""

    clickhouse: ClickHouseSettings
    nats: NatsSettings
    services: dict[str, str]
    holder: Holder | None


def clickhouse_settings(url: str | None = None) -> ClickHouseSettings:
    """The settings; the embedded server's password stands in where none is given for the services."""
    given: dict[str, Any] = {} if url is None else {"url": url}
    settings = ClickHouseSettings(**given)
    if "password" not in settings.model_fields_set:
        settings = settings.model_copy(update={"password": EmbeddedSettings().password})
    return settings


def find_servers(data: Path | None = None) -> Servers:
    """``data`` None: the configured directory, unless MARKETPRISM_CLICKHOUSE_URL points elsewhere.

    Raises DataDirectoryError when nobody holds the ``data`` that is given: the servers of the settings are other data.
    """
    pointed = data is None and "url" in ClickHouseSettings().model_fields_set
    holder = None if pointed else holder_of(data or AppSettings().data_dir)
    if holder is not None and holder.clickhouse_url:
        services = {"collector": holder.collector_url, "storage": holder.storage_url, "monitors": holder.monitor_url}
        return Servers(clickhouse_settings(holder.clickhouse_url), NatsSettings(url=holder.nats_url), services, holder)
    if data is not None:
        raise DataDirectoryError(
            f"nothing runs on {data.resolve()}; start it with `marketprism up --data {data}`, or correct --data"
        )
    return configured_servers()


def configured_servers() -> Servers:
    """Those of the settings, whether they run or not."""
    ports = {
        "collector": CollectorSettings().metrics_port,
        "storage": StorageSettings().metrics_port,
        "monitors": MonitorSettings().metrics_port,
    }
    services = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    return Servers(clickhouse_settings(), NatsSettings(), services, None)
