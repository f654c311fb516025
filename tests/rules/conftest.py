"""Which metrics the three services export, by name, from their own registries."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

import storage_service.metrics as storage_metrics
from collector.metrics import CollectorMetrics
from collector.service import CollectorService
from marketprism.settings import CollectorSettings, NatsSettings
from monitors.drift.gauges import DriftGauges
from monitors.gauges import Gauges
from monitors.quality_gauges import QualityGauges
from monitors.rounds import RoundMetrics
from monitors.serving.gauges import ServingGauges

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


@pytest.fixture(scope="session")
def registries() -> tuple[CollectorRegistry, CollectorRegistry]:
    """Monitors and collector, storage: two, because both have the established name of the bucket lag."""
    registry = CollectorRegistry()
    for make in (Gauges, QualityGauges, RoundMetrics, ServingGauges, DriftGauges):
        make(registry)
    metrics = CollectorMetrics(registry)
    CollectorService(CollectorSettings(_env_file=None), NatsSettings(_env_file=None), metrics)
    metrics.announce("okx", "linear")
    storage_metrics.announce(["trades"])
    return registry, REGISTRY


@pytest.fixture(scope="session")
def exported(registries: tuple[CollectorRegistry, CollectorRegistry]) -> set[str]:
    """Sample names, whether or not a child exists yet."""
    names = set()
    for family in (family for registry in registries for family in registry.collect()):
        names |= {family.name + suffix for suffix in _SUFFIXES.get(family.type, ("",))}
    return names
