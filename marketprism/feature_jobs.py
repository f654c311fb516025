"""Names of the jobs that compute features outside SQL, and how often they are due; imports nothing they need."""

from typing import Final

REGISTRY: Final = "feature_registry"
"""Due once a day; it writes versions, not rows of an instant."""
PERIODIC: Final = ("footprint_candidates", "footprint_clusters", "trade_clusters")
"""Due every MARKETPRISM_STORAGE_FEATURE_JOBS_EVERY_S; each looks at what was known at an instant."""
NAMES: Final = (REGISTRY, *PERIODIC)
