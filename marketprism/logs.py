"""Logging for people (text) or machines (one JSON object a line), always on stderr: stdout is for results.

``FLOW`` has a line for each frame that NATS took (collector) and each block that ClickHouse stored (storage), with
frame ids, stream sequences and insert token: the way of a row, in both directions (MARKETPRISM_LOG_FLOW=true).
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Final

from marketprism.settings import AppSettings

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
FLOW: Final = "marketprism.flow"
_NOISY: Final = {
    "aiohttp.access": logging.WARNING,
    "websockets": logging.WARNING,
    "nats": logging.WARNING,
    "sqlglot": logging.WARNING,  # tells of every array index that it reads
    # every failed attempt is a warning there, and then an error that our caller tells
    "urllib3.connectionpool": logging.ERROR,  # not its package, whose level an import sets back
    "clickhouse_connect": logging.ERROR,
}


def _extras(record: logging.LogRecord) -> dict[str, object]:
    """What was passed as ``extra=``: frame ids, tokens, symbols: the thread through one row's way."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


class TextFormatter(logging.Formatter):
    """``2026-01-02T03:04:05.678Z WARNING storage: text key=value``, in UTC."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        extras = "".join(f" {key}={value}" for key, value in _extras(record).items())
        line = f"{_time(record)} {record.levelname} {self._service}: {record.getMessage()}{extras}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, service, logger, message, and the extras; ``error`` holds a traceback."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def _told(record: logging.LogRecord) -> bool:
    """clickhouse-migrations logs whole files through the root logger; what it applied is told by us."""
    return record.levelno >= logging.WARNING or "clickhouse_migrations" not in record.pathname


def configure_logging(service: str, settings: AppSettings | None = None) -> None:
    """Send every log line of this process to stderr in the configured form. Call once, first thing in ``main``."""
    settings = settings or AppSettings()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service) if settings.log_format == "json" else TextFormatter(service))
    handler.addFilter(_told)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    logging.getLogger(FLOW).setLevel(logging.INFO if settings.log_flow else logging.WARNING)
    if settings.log_level != "debug":
        for name, level in _NOISY.items():
            logging.getLogger(name).setLevel(level)
