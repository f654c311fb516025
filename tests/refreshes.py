"""Refreshed views made anew on demand, in the order in which they read each other."""

from __future__ import annotations

from typing import Any

from marketprism.clickhouse import FEATURES

LATEST = ("recent_buckets", "latest_buckets", "latest_features_mv")
"""What latest_features is made of."""


def refresh(client: Any, *views: str) -> None:
    """Refresh these views, one after the other; raises the engine's error when one fails.

    They stand still afterwards: what refreshes itself each second takes half a core from the tests beside it.
    """
    for view in views:
        client.command(f"SYSTEM START VIEW {FEATURES}.{view}")
        client.command(f"SYSTEM REFRESH VIEW {FEATURES}.{view}")
        client.command(f"SYSTEM WAIT VIEW {FEATURES}.{view}")
        client.command(f"SYSTEM STOP VIEW {FEATURES}.{view}")
