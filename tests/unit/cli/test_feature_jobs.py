"""``features job``: as of which instants it runs; what makes no sense is one clear error before any server is asked."""

from __future__ import annotations

import datetime as dt

import pytest
from typer.testing import CliRunner

from marketprism.cli.commands import app
from marketprism.cli.features import _instants
from marketprism.errors import JobError, SettingsError
from marketprism.feature_jobs import NAMES
from marketprism.jobs import JOBS


def at(hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2024, 8, 8, hour, minute, tzinfo=dt.UTC)


def test_the_names_are_those_of_the_jobs() -> None:
    assert tuple(JOBS) == NAMES


def test_instants() -> None:
    assert _instants("trade_clusters", "", "", "", 300) == [None]
    assert _instants("trade_clusters", "2024-08-08T12:00:00+02:00", "", "", 300) == [at(10)]
    stretch = _instants("trade_clusters", "", "2024-08-08T10:00", "2024-08-08T10:15", 300)
    assert stretch == [at(10), at(10, 5), at(10, 10)], "the end is the first instant that is not looked at"
    assert _instants("trade_clusters", "", "2024-08-08T10:00", "2024-08-08T10:06", 300) == [at(10), at(10, 5)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trade_clusters", "--at", "soon"], "--at 'soon' is no time"),
        (["trade_clusters", "--at", "2200-01-01"], "is still to come"),
        (["trade_clusters", "--from", "2024-08-08"], "both --from and --to"),
        (["trade_clusters", "--to", "2024-08-08"], "both --from and --to"),
        (["trade_clusters", "--at", "2024-08-08", "--from", "2024-08-07", "--to", "2024-08-08"], "give --at, or both"),
        (["trade_clusters", "--from", "2024-08-08", "--to", "2024-08-08"], "is not after --from"),
        (["trade_clusters", "--from", "2024-08-08", "--to", "2200-01-01", "--every", "86400"], "is still to come"),
        (["feature_registry", "--at", "2024-08-08"], "leave --at, --from and --to out"),
    ],
)
def test_bad_instants(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["features", "job", *arguments])
    assert isinstance(done.exception, SettingsError)
    assert said in str(done.exception)


def test_an_unknown_job_names_those_there_are() -> None:
    done = CliRunner().invoke(app, ["features", "job", "nothing"])
    assert isinstance(done.exception, JobError)
    assert all(name in str(done.exception) for name in NAMES)
