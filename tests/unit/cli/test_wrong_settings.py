"""A value that a setting cannot have is one line that names it, before anything is asked of another server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from marketprism.addresses import http_address, nats_addresses, password_hidden
from marketprism.supervisor.directory import LOCK, DataDirectory, Holder, holder_of
from tests.integration.running import marketprism

NOWHERE = {"MARKETPRISM_CLICKHOUSE_URL": "http://127.0.0.1:1", "MARKETPRISM_NATS_URL": "nats://127.0.0.1:1"}


def _error(done: subprocess.CompletedProcess[str], code: int = 2) -> str:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.parametrize("given", ["ch2:8123", "127.0.0.1", "http://", "ftp://ch2", "http://ch2:99999", "http://ch2:x"])
def test_an_address_that_would_mean_another_server_is_refused(given: str) -> None:
    """`ch2:8123` was read as the scheme ch2, and this machine's own ClickHouse answered in its place."""
    with pytest.raises(ValueError, match="write http://host:8123"):
        http_address(given)


@pytest.mark.parametrize("given", ["", " , ", "http://n1", "nats://", "nats://n1:x", "n1:4222,nats://n2:x"])
def test_an_address_of_nats_that_means_none_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="write nats://host:4222"):
        nats_addresses(given)


@pytest.mark.parametrize("given", ["n1", "n1:4222", "nats://n1:4222,nats://u:p@n2:4222", "tls://n1", "wss://n1/nats"])
def test_addresses_of_nats(given: str) -> None:
    assert nats_addresses(given) == given


@pytest.mark.parametrize(
    ("command", "variable", "value"),
    [
        (("query", "SELECT 1"), "MARKETPRISM_CLICKHOUSE_URL", "ch2:8123"),
        (("archive",), "MARKETPRISM_STORAGE_ARCHIVE_REMOTE_URL", "ch2:8123"),
        (("settings",), "MARKETPRISM_NATS_URL", "nats://127.0.0.1:abc"),
        (("settings",), "MARKETPRISM_COLLECTOR_VENUES", "binance.spot"),
        (("settings",), "MARKETPRISM_STORAGE_DEFAULT_Q_NOTIONAL", "3000"),
        (("settings",), "MARKETPRISM_STORAGE_DEFAULT_Q_NOTIONAL", "*=3000"),
        (("settings",), "MARKETPRISM_STORAGE_DEFAULT_Q_NOTIONAL", '{"*": -1}'),
        (("settings",), "MARKETPRISM_STORAGE_HISTORY_CONTRACT_SIZES", '{"*": 0}'),
        (("settings",), "MARKETPRISM_STORAGE_LEASE_S", "inf"),
    ],
)
def test_a_value_that_cannot_be_is_one_line(
    tmp_path: Path, command: tuple[str, ...], variable: str, value: str
) -> None:
    line = _error(marketprism(*command, cwd=tmp_path, **{**NOWHERE, variable: value}))
    assert line.startswith(f"error: {variable}")


def test_an_archive_elsewhere_is_not_one_at_home(tmp_path: Path) -> None:
    assert "--remote: no http:// or https://" in _error(marketprism("archive", "--remote", "ch2:8123", cwd=tmp_path))


def test_a_cluster_without_a_name_is_not_a_single_server(tmp_path: Path) -> None:
    assert "--cluster is empty" in _error(marketprism("migrate", "--cluster", "", cwd=tmp_path, **NOWHERE))


@pytest.mark.parametrize("command", ["store", "monitor", "collect"])
def test_a_host_to_listen_on_that_is_none_of_ours_is_named(tmp_path: Path, command: str) -> None:
    ports = {f"MARKETPRISM_{part}_METRICS_PORT": "0" for part in ("STORAGE", "MONITOR", "COLLECTOR")}
    done = marketprism(command, cwd=tmp_path, MARKETPRISM_METRICS_HOST="192.0.2.1", **ports, **NOWHERE)
    assert "set MARKETPRISM_METRICS_HOST to" in _error(done)


def test_a_storage_service_without_nats_says_so_and_ends(tmp_path: Path) -> None:
    """It tried for ever, without a word, and did not hear SIGTERM."""
    done = marketprism("store", cwd=tmp_path, MARKETPRISM_STORAGE_METRICS_PORT="0", **NOWHERE)
    assert "NATS at nats://127.0.0.1:1 does not answer: Connection refused; " in _error(done, 3)


def test_no_password_of_an_address_is_shown(tmp_path: Path) -> None:
    url = "http://me:secret@ch2:8123"
    assert password_hidden(url) == "http://••••@ch2:8123"
    assert password_hidden("nats://a:secret@n1,nats://b:se@cret@n2") == "nats://••••@n2"
    assert password_hidden("mail@example") == "mail@example"
    named = {"MARKETPRISM_STORAGE_ARCHIVE_REMOTE_URL": url, "MARKETPRISM_NATS_URL": "nats://me:secret@n1"}
    listed = marketprism("settings", cwd=tmp_path, **{**named, "MARKETPRISM_CLICKHOUSE_URL": url})
    assert listed.returncode == 0
    assert "secret" not in listed.stdout
    wrong = marketprism("settings", cwd=tmp_path, MARKETPRISM_CLICKHOUSE_URL="http://me:secret@ch2:x")
    assert "secret" not in _error(wrong)


def test_who_may_not_use_a_run_does_not_read_its_addresses(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch(0o644)  # of an older version
    with DataDirectory(tmp_path, "up") as directory:
        directory.publish(Holder(pid=1, command="up", clickhouse_url="http://me:secret@ch2:8123"))
        assert (tmp_path / LOCK).stat().st_mode & 0o077 == 0
        assert holder_of(tmp_path) is not None
