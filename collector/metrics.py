"""What the collector tells Prometheus. Hot paths add to plain integers; they become samples when they are scraped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_PREFIX: Final = "marketprism_collector"
_VENUE: Final = ("exchange", "market_type")
Key = tuple[str, ...]

_COUNTERS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "messages": ("WebSocket messages received", (*_VENUE, "channel")),
    "rows": ("rows handed to the framer", ("data_type", *_VENUE)),
    "published_rows": ("rows that JetStream has acknowledged", ("data_type", *_VENUE)),
    "frames": ("frames that JetStream has acknowledged", ("data_type", *_VENUE)),
    "duplicates": ("trades dropped because they were seen before", _VENUE),
    "gaps": ("gaps rows written", (*_VENUE, "of_type", "repaired")),
    "book_resyncs": ("local books that were synchronised again", (*_VENUE, "cause")),
    "reconnects": ("WebSocket connections that ended", (*_VENUE, "cause")),
    "resubscribes": ("streams that stayed silent and were subscribed again", (*_VENUE, "channel")),
    "errors": ("messages or rows that could not be used", (*_VENUE, "reason")),
    "rest_requests": ("REST requests by outcome", (*_VENUE, "outcome")),
}

Gauges = Callable[[], Iterable[tuple[str, str, float]]]
"""(name, help, value) of what is measured at the moment of the scrape."""


class CollectorMetrics:
    """One per process. ``counts[name][labels]`` are integers; names and labels are those of ``_COUNTERS``."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.counts: dict[str, defaultdict[Key, int]] = {name: defaultdict(int) for name in _COUNTERS}
        self.last_event_ms: dict[Key, int] = {}
        self._gauges: list[Gauges] = []
        self._venues: Callable[[], Iterable[tuple[Key, bool]]] = tuple
        self.ack_latency = Histogram(
            f"{_PREFIX}_ack_latency_seconds",
            "from sending a frame to its acknowledgement",
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
            registry=registry,
        )
        self.publish_errors = Counter(
            f"{_PREFIX}_publish_errors", "frames that JetStream refused at first", registry=registry
        )
        self.duplicate_frames = Counter(
            f"{_PREFIX}_duplicate_frames", "frames sent again that JetStream already had", registry=registry
        )
        self.publisher_reconnects = Counter(
            f"{_PREFIX}_publisher_reconnects", "NATS connections given up", registry=registry
        )
        registry.register(_Scrape(self))

    def count_frame(self, data_type: str, exchange: str, market_type: str, rows: int) -> None:
        """A frame was acknowledged."""
        key = (data_type, exchange, market_type)
        self.counts["frames"][key] += 1
        self.counts["published_rows"][key] += rows

    def announce(self, exchange: str, market_type: str) -> None:
        """Counters whose rise wakes somebody begin at 0: one that appears with its first count does not rise."""
        for of_type in ("trades", "orderbooks"):
            for repaired in ("true", "false"):
                self.counts["gaps"][exchange, market_type, of_type, repaired] += 0

    def watch_venues(self, venues: Callable[[], Iterable[tuple[Key, bool]]]) -> None:
        """``venues()`` gives (exchange, market type) and whether it is ready, at each scrape."""
        self._venues = venues

    def watch(self, gauges: Gauges) -> None:
        """Add gauges that are read at each scrape."""
        self._gauges.append(gauges)

    def collect(self) -> Iterator[Metric]:
        """The samples of this moment."""
        for name, (text, labels) in _COUNTERS.items():
            family = CounterMetricFamily(f"{_PREFIX}_{name}", text, labels=labels)
            for key, value in list(self.counts[name].items()):
                family.add_metric(key, value)
            yield family
        last = GaugeMetricFamily(
            f"{_PREFIX}_last_event_timestamp_seconds", "exchange time of the newest row", labels=("data_type", *_VENUE)
        )
        for key, milliseconds in list(self.last_event_ms.items()):
            last.add_metric(key, milliseconds / 1000)
        yield last
        ready = GaugeMetricFamily(
            f"{_PREFIX}_venue_ready", "1 when its symbols are known and all its connections are up", labels=_VENUE
        )
        for key, is_ready in self._venues():
            ready.add_metric(key, int(is_ready))
        yield ready
        for gauges in self._gauges:
            for name, text, measured in gauges():
                yield GaugeMetricFamily(f"{_PREFIX}_{name}", text, value=measured)


class _Scrape(Collector):
    """Registered instead of the metrics object itself, so that ``describe`` does not collect at registration."""

    def __init__(self, metrics: CollectorMetrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._metrics.collect()
