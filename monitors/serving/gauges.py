"""What Prometheus hears of serving states."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from monitors.forgetting import LastSeen
from monitors.serving.machine import STATES, Key, Serving

_SYMBOL: Final = ("exchange", "market_type", "symbol")


class ServingGauges:
    """``__call__`` is the ``told`` of the health check. A symbol's counters stay for a day (``clock``)."""

    def __init__(self, registry: CollectorRegistry = REGISTRY, clock: Callable[[], float] = time.monotonic) -> None:
        prefix = "marketprism_monitor_serving"
        self._state = Gauge(
            f"{prefix}_state", "1 for the state that holds, 0 for the others", (*_SYMBOL, "state"), registry=registry
        )
        self._since = Gauge(f"{prefix}_since_timestamp_seconds", "when it began", _SYMBOL, registry=registry)
        self._transitions = Counter(f"{prefix}_transitions", "changes of state", (*_SYMBOL, "state"), registry=registry)
        self._symbols: LastSeen[Key] = LastSeen(clock)

    def __call__(self, standing: Mapping[Key, Serving], changed: list[tuple[Key, Serving]]) -> None:
        self._state.clear()
        self._since.clear()
        for key, serving in standing.items():
            for state in STATES:
                self._state.labels(*key, state).set(serving.state == state)
                self._transitions.labels(*key, state).inc(0)
            if serving.since_s:
                self._since.labels(*key).set(serving.since_s)
        for key, serving in changed:
            self._transitions.labels(*key, serving.state).inc()
        for key in self._symbols.look(standing):
            for state in STATES:
                self._transitions.remove(*key, state)
