"""Fixtures that every kind of test shares."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def missing(what: str) -> None:
    """Skip for a missing service or folder; under REQUIRE_SERVICES=1 that is a failure."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"REQUIRE_SERVICES=1 and {what}")
    pytest.skip(what)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded exchange traffic beside the checkout (MARKETPRISM_SHARED elsewhere)."""
    folder = Path(os.environ.get("MARKETPRISM_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "recordings").is_dir():
        pytest.skip(f"no recordings: {folder}/recordings is absent (set MARKETPRISM_SHARED)")
    return folder


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that gives a TCP port free on loopback at this moment."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find
