"""Fixtures that every kind of test shares."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from marketprism.supervisor.ports import free_ports

if TYPE_CHECKING:
    from tests.golden.replays import Replays
    from tests.migrated import Template

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `marketprism` sets it for the processes that it starts

REPOSITORY = Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile("marketprism", deadline=None)  # a busy machine is no counterexample
hypothesis.settings.load_profile("marketprism")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that the test processes of a session end at about the same time.

    For ``--dist loadfile`` this needs ``--no-loadscope-reorder``: by itself it starts the files of few tests last, and
    here those are the long ones.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed beside a running system shows what that system said."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if callable(said := getattr(value, "said", None)):
                report.sections.append((f"what {name} said", said()))
    return report


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


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all test processes of this session."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def migrated(session_folder: Path) -> Template:
    """Copies of an engine directory that has the whole schema."""
    from tests.migrated import Template  # most test files need neither the engine nor its client

    return Template(session_folder / "migrated")


@pytest.fixture(scope="session")
def replays(session_folder: Path, migrated: Template) -> Replays:
    """Copies of what ``marketprism replay`` made of a recording."""
    from tests.golden.replays import Replays

    return Replays(session_folder / "replays", migrated)


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that gives a TCP port free on loopback at this moment."""

    return lambda: free_ports(1)[0]
