"""Programs of Debian packages that the tests of rules need."""

from __future__ import annotations

import shutil

from tests.conftest import missing

PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}


def program(name: str) -> str:
    """Where it is; without it the test is skipped, or fails under REQUIRE_SERVICES=1."""
    found = shutil.which(name)
    if found is None:
        missing(f"{name} is not installed (Debian: apt-get install {PACKAGES[name]})")
    assert found is not None
    return found
