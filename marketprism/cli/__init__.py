"""The command line: ``marketprism <command>``. Argument parsing only; what a command does is elsewhere.

Results go to stdout, progress and logs to stderr. An error a person can act on is one line on stderr and an exit code
of its own (``marketprism.errors``); a traceback appears only with MARKETPRISM_LOG_LEVEL=debug.
"""

from __future__ import annotations

import json
import logging
import os
import sys

from pydantic import ValidationError
from pydantic_settings.exceptions import SettingsError as UnreadableSettings

from marketprism.addresses import password_hidden
from marketprism.cli.commands import app
from marketprism.errors import MarketPrismError, QueryError, SettingsError
from marketprism.logs import configure_logging
from marketprism.settings import ALL_SETTINGS, variable_of
from marketprism.unknown_settings import tell_unknown


def _settings_error(error: ValidationError) -> SettingsError:
    """The first wrong setting by the name that a person typed."""
    first = error.errors()[0]
    name = "_".join(str(part) for part in first["loc"])
    prefix = {
        "AppSettings": "MARKETPRISM_",
        "ClickHouseSettings": "MARKETPRISM_CLICKHOUSE_",
        "NatsSettings": "MARKETPRISM_NATS_",
        "EmbeddedSettings": "MARKETPRISM_EMBEDDED_",
        "CollectorSettings": "MARKETPRISM_COLLECTOR_",
        "StorageSettings": "MARKETPRISM_STORAGE_",
        "MonitorSettings": "MARKETPRISM_MONITOR_",
        "WebSettings": "MARKETPRISM_WEB_",
    }.get(error.title, "")
    given = f" (given: {password_hidden(str(first['input']))!r})" if "password" not in name else ""
    return SettingsError(f"{prefix}{name.upper()}: {first['msg']}{given}; see `marketprism settings`")


def _not_json(error: UnreadableSettings) -> SettingsError:
    """A list or a table that is no JSON; the library names the field, and only lists and tables are read so."""
    field = str(error).partition('"')[2].partition('"')[0]
    for settings in ALL_SETTINGS:
        info = settings.model_fields.get(field)
        if info is not None and isinstance(info.default, list | dict):
            name, example = variable_of(settings, field), json.dumps(info.default)
            return SettingsError(f"{name}: no JSON; write it as in {example} (see `marketprism settings`)")
    return SettingsError(f"{error}; see `marketprism settings`")


def main() -> None:
    """Entry point of ``marketprism`` and of ``python -m marketprism``."""
    debug = os.environ.get("MARKETPRISM_LOG_LEVEL", "").lower() == "debug"
    # numpy's BLAS starts a thread per core that spins first, in every process; nothing here multiplies matrices
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        configure_logging("marketprism")
        tell_unknown()
        app()
    except ValidationError as error:
        if debug:
            raise
        _end(_settings_error(error))
    except UnreadableSettings as error:
        if debug:
            raise
        _end(_not_json(error))
    except MarketPrismError as error:
        if debug:
            raise
        _end(error)
    except BrokenPipeError:
        # the reader of our stdout has gone (`| head`); say nothing, also not when Python flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if debug:
            raise
        _end(MarketPrismError(_told(error)))
    except Exception as error:
        if debug or type(error).__module__.partition(".")[0] != "clickhouse_connect":
            raise
        _end(QueryError.of(error, "correct what was asked for, or see `marketprism doctor`"))
    finally:
        logging.shutdown()


def _told(error: OSError) -> str:
    """What the system said, and of which file; SQL and services have errors of their own."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error or type(error).__name__}; choose another path, or make it accessible"


def _end(error: MarketPrismError) -> None:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(error.exit_code)


__all__ = ["app", "main"]
