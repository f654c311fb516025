"""Variables ``MARKETPRISM_…`` that nothing reads: a misspelt one would have no effect and no word said about it."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import Final

from marketprism.settings import known_variables

PREFIX: Final = "MARKETPRISM_"
_TOLD: Final = "MARKETPRISM_UNKNOWN_TOLD"
"""Set for the processes that this one starts, so that they do not say it again."""
NOT_SETTINGS: Final = frozenset(
    {
        "MARKETPRISM_SHARED",  # where the tests find recordings
        *(f"MARKETPRISM_FAULT{part}" for part in ("", "_AFTER_MS", "_SIGNAL", "_WITH")),  # of the fault tests
        "MARKETPRISM_UNFINISHED",  # monitors/clickhouse/start.sh
        _TOLD,
    }
)
"""Variables of our name that are read elsewhere than in ``marketprism.settings``."""


def unknown(names: Iterable[str]) -> dict[str, str]:
    """Of these, the variables of our name that nothing reads, each with the nearest one that is read, else empty.

    Case does not matter, as for the settings themselves.
    """
    known = known_variables()
    strange = sorted(name for name in names if name.upper().startswith(PREFIX))
    return {name: _nearest(name, known) for name in strange if name.upper() not in known | NOT_SETTINGS}


def tell_unknown(environment: MutableMapping[str, str] | None = None, file: Path = Path(".env")) -> None:
    """Warn once of each unknown variable of the environment and of ``.env``; names only, values may be secrets."""
    environment = os.environ if environment is None else environment
    if _TOLD in environment:
        return
    found = unknown({*environment, *_names_in(file)})
    for name, nearest in found.items():
        advice = f"did you mean {nearest}?" if nearest else "see `marketprism settings`"
        logging.getLogger("marketprism").warning("%s is no setting and has no effect; %s", name, advice)
    if found:
        environment[_TOLD] = "1"


def _nearest(name: str, known: Iterable[str]) -> str:
    """By what follows the prefix, which all of them share."""
    endings = [each.removeprefix(PREFIX) for each in sorted(known)]
    found = difflib.get_close_matches(name.upper().removeprefix(PREFIX), endings, 1)
    return f"{PREFIX}{found[0]}" if found else ""


def _names_in(file: Path) -> Iterable[str]:
    if not file.is_file():
        return ()
    from dotenv import dotenv_values  # what pydantic-settings reads it with; most commands have no such file

    return dotenv_values(file, interpolate=False)
