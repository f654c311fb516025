"""Ports: a taken one is named with its setting, 0 means any, and any are all different."""

from __future__ import annotations

import dataclasses
import socket

import pytest

from marketprism.errors import PortInUse
from marketprism.settings import CollectorSettings, EmbeddedSettings, MonitorSettings, StorageSettings, WebSettings
from marketprism.supervisor.ports import Ports, any_ports, configured_ports


def _configured(clickhouse: int, storage: int, *, starts_clickhouse: bool = True) -> Ports:
    return configured_ports(
        EmbeddedSettings(clickhouse_port=clickhouse, nats_port=0),
        CollectorSettings(metrics_port=0),
        StorageSettings(metrics_port=storage),
        MonitorSettings(metrics_port=0),
        WebSettings(port=0),
        starts_clickhouse=starts_clickhouse,
    )


def test_taken_port_names_its_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"{port} is in use.*MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT"):
            _configured(port, 0)
        with pytest.raises(PortInUse, match="MARKETPRISM_STORAGE_METRICS_PORT"):
            _configured(0, port)
        assert _configured(port, 0, starts_clickhouse=False).clickhouse == port


def test_any_ports_are_all_different() -> None:
    ports = dataclasses.astuple(any_ports())
    assert len(set(ports)) == len(ports)
    chosen = dataclasses.astuple(_configured(0, 0))
    assert len(set(chosen)) == len(chosen)
