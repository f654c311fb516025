"""Errors that a person reads. Each says what is wrong and what to do, in one line.

MarketPrismError
├── SettingsError            a setting has no usable value
├── ClickHouseUnreachable    no answer, wrong password, or not a ClickHouse
├── NatsUnreachable          no answer, or JetStream is off
├── DataDirectoryError       locked by another process, or written by another engine version
├── PortInUse                something else listens where we must
├── MigrationError           the schema is not what the migrations say
├── RecordingError           a replay file that cannot be read
├── ReplayError              a replay or simulation that cannot be played
├── StoreHalted              a worker stopped itself rather than store something wrong
├── ServiceFailed            a child process did not start, or ended
├── DayError                 a day that could not be archived, rebuilt or loaded
├── JobError                 a feature job that failed, or lacks its optional extra
└── QueryError               ClickHouse refused or could not finish a statement of the user
"""

from __future__ import annotations

import errno
import os


class MarketPrismError(Exception):
    """Base of all errors that are shown to a person as one line; ``exit_code`` is what the CLI returns."""

    exit_code = 1


class SettingsError(MarketPrismError):
    """A setting has no usable value."""

    exit_code = 2


class ClickHouseUnreachable(MarketPrismError):
    """No answer, a wrong password, or not a ClickHouse."""

    exit_code = 3

    @classmethod
    def of(cls, url: str, cause: BaseException) -> ClickHouseUnreachable:
        """Tell the usual causes apart by what the driver said."""
        reason = _root(cause)
        if "Authentication failed" in reason:
            advice = "check MARKETPRISM_CLICKHOUSE_USER and MARKETPRISM_CLICKHOUSE_PASSWORD"
        else:
            advice = "start it with `marketprism up`, or point MARKETPRISM_CLICKHOUSE_URL at a running server"
        return cls(f"ClickHouse at {_without_password(url)} does not answer: {reason}; {advice}")


class NatsUnreachable(MarketPrismError):
    """No answer, or JetStream is off."""

    exit_code = 3

    @classmethod
    def of(cls, url: str, cause: BaseException) -> NatsUnreachable:
        return cls(
            f"NATS at {_without_password(url)} does not answer: {_root(cause)}; "
            "start it with `marketprism up`, or point MARKETPRISM_NATS_URL at a server with JetStream"
        )


class DataDirectoryError(MarketPrismError):
    """A data directory is locked by another process, or was written by another engine version."""

    exit_code = 4


class PortInUse(MarketPrismError):
    """Something else listens where we must."""

    exit_code = 5

    @classmethod
    def of(cls, host: str, port: int, what: str, setting: str) -> PortInUse:
        return cls(f"{what}: {host}:{port} is in use; stop what listens there, or set {setting} to another port")


def cannot_listen(error: OSError, host: str, port: int, what: str, setting: str, host_setting: str) -> MarketPrismError:
    """PortInUse with the variable of the port, or SettingsError with that of a host that is none of ours."""
    if error.errno == errno.EADDRINUSE:
        return PortInUse.of(host, port, what, setting)
    return SettingsError(
        f"{what}: cannot listen on {host}:{port}: {error.strerror}; set {host_setting} to an address of this machine"
    )


class MigrationError(MarketPrismError):
    """The schema is not what the migrations say."""

    exit_code = 6


class SqlFileError(MarketPrismError):
    """A SQL file without a proper header."""

    exit_code = 6


class RecordingError(MarketPrismError):
    """A replay file that cannot be read."""

    exit_code = 7


class ReplayError(MarketPrismError):
    """A replay or a simulated exchange that cannot run: nobody listens, or its port is taken."""

    exit_code = 10


class StoreHalted(MarketPrismError):
    """A storage worker stopped itself rather than store something wrong."""

    exit_code = 8


class ServiceFailed(MarketPrismError):
    """A child process did not become healthy, or ended; the text has its last log line."""

    exit_code = 9


class DayError(MarketPrismError):
    """A day could not be archived, rebuilt or loaded from an archive; what was there before still is."""

    exit_code = 12


class JobError(MarketPrismError):
    """A job that computes features outside SQL failed, or what it needs is not installed."""

    exit_code = 13


class QueryError(MarketPrismError):
    """ClickHouse refused or could not finish a statement of the user."""

    exit_code = 11

    @classmethod
    def of(cls, cause: BaseException, advice: str = "correct the statement") -> QueryError:
        """What ClickHouse said, without the driver's frame around it."""
        said = " ".join(str(cause).split()).split(" (for url ")[0].split(" Stack trace")[0]
        return cls(f"{said}; {advice}")


def _root(cause: BaseException) -> str:
    """One line: what the operating system said, where that is what an HTTP client wraps, else the cause's own text."""
    inner: BaseException | None = cause
    while inner is not None:
        if type(inner).__module__ in ("builtins", "socket") and isinstance(inner, OSError) and inner.strerror:
            # a positive number is the system's, and asyncio puts its own words beside it
            number = inner.errno or 0
            return os.strerror(number) if number > 0 else inner.strerror
        inner = inner.__cause__ or inner.__context__
    return " ".join(str(cause).split())[:300] or type(cause).__name__


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if "@" in rest:
        rest = rest.rsplit("@", 1)[1]
    return f"{scheme}{separator}{rest}"
