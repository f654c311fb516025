"""The whole way of an alert in small: our gauges → Prometheus → Alertmanager → webhook, firing and resolved.

``make e2e-ops`` does the same with the running system and with faults made in it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from monitors.gauges import Gauges
from monitors.looks import Buckets
from monitors.quality import Books, Disk
from monitors.quality_gauges import QualityGauges
from tests.ops.alerting import Alerting

pytestmark = pytest.mark.slow
KEY = ("binance", "spot", "BTCUSDT")


class Exporter:
    """What the monitors would export, set by hand."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.gauges, self.quality = Gauges(registry), QualityGauges(registry)
        self.server, _ = start_http_server(0, "127.0.0.1", registry)
        self.port = int(self.server.server_address[1])
        self.well()

    def well(self) -> None:
        now = time.time()
        for target in ("nats", "clickhouse"):
            self.gauges.up.labels(target).set(1)
        self.gauges.set_buckets([Buckets(*KEY, 7, now, 0)], now)
        self.quality.set_books([Books("binance", "spot", 1000, 0, 0, 0)])
        self.quality.set_disks([Disk("default", 90, 100)])

    def ill(self) -> None:
        now = time.time()
        self.gauges.up.labels("nats").set(0)
        self.gauges.set_buckets([Buckets(*KEY, 7, now - 400, 2)], now)
        self.quality.set_books([Books("binance", "spot", 1000, 5, 0, 0)])
        self.quality.set_disks([Disk("default", 4, 100)])


EXPECTED: dict[str, dict[str, str]] = {
    "NatsDown": {"severity": "critical"},
    "BucketIdAnomaly": {"symbol": "BTCUSDT", "severity": "critical"},
    "BooksCrossed": {"exchange": "binance", "severity": "critical"},
    "DiskAlmostFull": {"disk": "default", "severity": "critical"},
}


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    exporter = Exporter()
    yield exporter
    exporter.server.shutdown()
    exporter.server.server_close()


def test_alerts_reach_the_receiver_and_resolve(exporter: Exporter, tmp_path: Path) -> None:
    with Alerting(tmp_path, {"monitors": exporter.port}) as alerting:
        alerting.heard.wait("firing", {"alertname": "Watchdog"}, 30)
        assert [alert for alert in alerting.heard.firing() if alert["alertname"] in EXPECTED] == []
        exporter.ill()
        for name, labels in EXPECTED.items():
            alerting.heard.wait("firing", {"alertname": name, **labels}, 45)
        told = {alert["alertname"] for alert in alerting.heard.firing()}
        assert "BucketLagHigh" not in told  # NATS is down: that explains the lag
        exporter.well()
        for name in EXPECTED:
            alerting.heard.wait("resolved", {"alertname": name}, 45)
