"""A run of the whole pipeline with its page, and a Chromium that looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, installed
from tests.conftest import REPOSITORY, missing


@pytest.fixture(scope="session")
def chromium() -> None:
    """Skips where Chromium is not installed."""
    if installed() is None:
        missing("no Chromium: apt-get install chromium chromium-driver")


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Screenshots lie here after a run."""
    folder = REPOSITORY / "artifacts" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def expected_complaints() -> list[str]:
    """Parts of console messages that a test provokes on purpose."""
    return []


@pytest.fixture(autouse=True)
def nothing_wrong(request: pytest.FixtureRequest, expected_complaints: list[str]) -> Iterator[None]:
    """After every test with a browser: no console error, and no request that leaves this machine."""
    yield
    if "browser" in request.fixturenames:
        browser: Browser = request.getfixturevalue("browser")
        said = [line for line in browser.complaints() if not any(part in line for part in expected_complaints)]
        assert said == []
        assert browser.strangers() == set()
