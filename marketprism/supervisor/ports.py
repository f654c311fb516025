"""Which port each part listens on: as configured and checked, or any that is free."""

from __future__ import annotations

import errno
import random
import socket
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import Final

from marketprism.errors import PortInUse
from marketprism.settings import CollectorSettings, EmbeddedSettings, MonitorSettings, StorageSettings, WebSettings

_SERVERS: Final = range(10_000, 32_768)
"""Below what Linux gives to outgoing connections: a server that was killed finds its port again."""


@dataclass(frozen=True, slots=True)
class Ports:
    """One port for each part of the stack."""

    clickhouse: int
    nats: int
    collector: int
    storage: int
    monitor: int
    web: int


def is_free(host: str, port: int) -> bool:
    """Whether we could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is not in use
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Ports that nobody listens on, all different, since all are held until the last is found."""
    found: list[int] = []
    with ExitStack() as stack:
        while len(found) < count:
            probe = stack.enter_context(socket.socket())
            port = random.SystemRandom().choice(_SERVERS)
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                found.append(port)
    return found


def any_ports() -> Ports:
    """Free ports, for a run beside others."""
    return Ports(*free_ports(len(fields(Ports))))


def configured_ports(
    embedded: EmbeddedSettings,
    collector: CollectorSettings,
    storage: StorageSettings,
    monitor: MonitorSettings,
    web: WebSettings,
    *,
    starts_clickhouse: bool = True,
    starts_nats: bool = True,
) -> Ports:
    """The ports of the settings; 0 becomes a free one. Raises PortInUse for the first taken one, naming its setting."""
    loopback = "127.0.0.1"
    wanted = [
        ("ClickHouse", embedded.host, embedded.clickhouse_port, "MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT"),
        ("NATS", embedded.host, embedded.nats_port, "MARKETPRISM_EMBEDDED_NATS_PORT"),
        ("collector metrics", loopback, collector.metrics_port, "MARKETPRISM_COLLECTOR_METRICS_PORT"),
        ("storage metrics", loopback, storage.metrics_port, "MARKETPRISM_STORAGE_METRICS_PORT"),
        ("monitor metrics", loopback, monitor.metrics_port, "MARKETPRISM_MONITOR_METRICS_PORT"),
        ("the page", web.host, web.port, "MARKETPRISM_WEB_PORT"),
    ]
    ours = [starts_clickhouse, starts_nats, True, True, True, True]
    spare = iter(free_ports(len(wanted)))
    chosen = []
    for (what, host, port, setting), starts in zip(wanted, ours, strict=True):
        if port and starts and not is_free(host, port):
            raise PortInUse.of(host, port, what, setting)
        chosen.append(port or next(spare))
    return Ports(*chosen)
