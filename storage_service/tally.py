"""A Prometheus histogram that takes many values at once: of a busy minute's buckets each would cost microseconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector


class Tally(Collector):
    """``buckets``: upper bounds, ascending, without the infinite one; they hold what is equal to them."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        buckets: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name, self._documentation, self._labels = name, documentation, labels
        self._bounds = np.array(buckets, dtype=np.float64)
        self._names = [*(str(float(bound)) for bound in buckets), "+Inf"]
        self._found: dict[tuple[str, ...], tuple[npt.NDArray[np.int64], float]] = {}
        registry.register(self)

    def observe(self, labels: tuple[str, ...], values: npt.NDArray[np.float64]) -> None:
        """Count these values under their labels."""
        counts = np.bincount(np.searchsorted(self._bounds, values), minlength=len(self._names))
        before, total = self._found.get(labels, (0, 0.0))
        self._found[labels] = before + counts, total + float(values.sum())  # one assignment: a scrape is a thread

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What was counted until now."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        for labels, (counts, total) in self._found.copy().items():
            buckets = list(zip(self._names, np.cumsum(counts).tolist(), strict=True))
            family.add_metric(labels, buckets=buckets, sum_value=total)
        yield family
