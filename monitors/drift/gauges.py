"""The worst drift of the newest run, for Prometheus: bounded, whatever the number of features."""

from __future__ import annotations

from typing import Any, Final

from prometheus_client import REGISTRY, CollectorRegistry, Gauge

from marketprism.clickhouse import FEATURES

WORST: Final = 20
_LABELS: Final = ("exchange", "market_type", "symbol", "object", "feature")
_QUERY: Final = f"""
SELECT exchange, market_type, symbol, object, feature, max(psi) AS worst,
       max(toFloat64(measured_at)), max(ifNull(ks, 0))
FROM {FEATURES}.feature_drift
WHERE run_id = (SELECT argMax(run_id, measured_at) FROM {FEATURES}.feature_drift) AND psi IS NOT NULL
GROUP BY exchange, market_type, symbol, object, feature ORDER BY worst DESC LIMIT {WORST}"""


class DriftGauges:
    """Children of features that are no longer among the worst go."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        prefix = "marketprism_monitor_feature_drift"
        self._psi = Gauge(f"{prefix}_psi", "PSI of the features that drift most", _LABELS, registry=registry)
        self._ks = Gauge(f"{prefix}_ks", "KS distance of the features that drift most", _LABELS, registry=registry)
        self._run = Gauge(
            f"{prefix}_run_timestamp_seconds", "when drift was last measured", ("job_name",), registry=registry
        )

    async def look(self, client: Any) -> None:
        """Read the newest run; without one nothing is exported."""
        rows = (await client.query(_QUERY)).result_rows
        self._psi.clear()
        self._ks.clear()
        for *labels, worst, measured_s, distance in rows:
            self._psi.labels(*labels).set(worst)
            self._ks.labels(*labels).set(distance)
            self._run.labels("drift").set(measured_s)
