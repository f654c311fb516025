"""The header of a SQL file: one vocabulary, read by the linter, the catalogue and the tests.

    -- name:      vpin_by_bucket
    -- purpose:   order-flow toxicity …
    -- grain:     one row per (exchange, market_type, symbol, bucket_id)
    -- inputs:    marketprism_features.bucket_impact_between
    -- time:      bucket_ts_end
    -- freshness: when read
    -- lookahead: none
    -- source:    …

The header is the first comment lines of the file, in this order; further comment lines after it are for people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from marketprism.errors import SqlFileError

KEYS: Final = ("name", "purpose", "grain", "inputs", "time", "freshness", "lookahead", "source")
"""Every key of a header, in the order they are written."""

AUDIT_KEYS: Final = (*KEYS, "severity", "every")
"""Keys of an audit (``sql/audits``): a SELECT that must return no row; ``every`` is the time between runs, ``60 s``."""

SEVERITIES: Final = ("warning", "critical")
"""What a row of an audit means: look at it, or get up for it."""

LOOKAHEAD: Final = ("none", "label")
"""What a file may say of the future: features none, research labels label."""

_LINE: Final = re.compile(r"-- (?P<key>[a-z]+): +(?P<value>\S.*?)\s*$")


@dataclass(frozen=True, slots=True)
class Header:
    """The parsed header; ``inputs`` are ``database.object`` names; "none" in the file where a program
    writes what no table says."""

    name: str
    purpose: str
    grain: str
    inputs: tuple[str, ...]
    time: str
    freshness: str
    lookahead: str
    source: str


@dataclass(frozen=True, slots=True)
class AuditHeader:
    """The parsed header of an audit; ``every_s`` seconds between runs."""

    header: Header
    severity: str
    every_s: float


def has_header(text: str) -> bool:
    """Whether the text begins with a header (tables and databases that are no feature have none)."""
    return text.startswith("-- name:")


def parse_header(text: str, where: str = "SQL text") -> Header:
    """The header at the start of ``text``. Raises SqlFileError that names ``where`` and what is missing or unknown."""
    return _header(_fields(text, where, KEYS))


def parse_audit_header(text: str, where: str = "SQL text") -> AuditHeader:
    """The header of an audit. Raises SqlFileError as ``parse_header`` does."""
    values = _fields(text, where, AUDIT_KEYS)
    severity, every = values.pop("severity"), values.pop("every")
    if severity not in SEVERITIES:
        raise SqlFileError(f"{where}: severity is {severity!r}; say {' or '.join(SEVERITIES)}")
    seconds = re.fullmatch(r"([1-9]\d*) s", every)
    if seconds is None:
        raise SqlFileError(f"{where}: every is {every!r}; write seconds, as in: 60 s")
    return AuditHeader(_header(values), severity, float(seconds[1]))


def _fields(text: str, where: str, keys: tuple[str, ...]) -> dict[str, str]:
    """Key → value of the comment lines at the start."""
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        found = _LINE.match(line)
        if found is None:
            break
        key = found["key"]
        if key not in keys:
            raise SqlFileError(f"{where}:{number}: unknown header key {key!r}; known: {', '.join(keys)}")
        if key in values:
            raise SqlFileError(f"{where}:{number}: header key {key!r} is there twice; keep one")
        values[key] = found["value"]
    missing = [key for key in keys if key not in values]
    if missing:
        raise SqlFileError(
            f"{where}: header lacks {', '.join(missing)}; every SQL object says all of: {', '.join(keys)}"
        )
    if tuple(values) != keys:
        raise SqlFileError(f"{where}: header keys are out of order; write them as: {', '.join(keys)}")
    if values["lookahead"] not in LOOKAHEAD:
        raise SqlFileError(f"{where}: lookahead is {values['lookahead']!r}; say {' or '.join(LOOKAHEAD)}")
    return values


def _header(values: dict[str, str]) -> Header:
    inputs = () if values["inputs"] == "none" else tuple(part.strip() for part in values["inputs"].split(","))
    return Header(**{**values, "inputs": inputs})  # type: ignore[arg-type]


def read_header(path: Path) -> Header:
    """The header of a file, whose name must end with the object's. Raises SqlFileError."""
    header = parse_header(path.read_text(encoding="utf-8"), path.name)
    if not path.stem.endswith(header.name):
        raise SqlFileError(f"{path.name}: header names {header.name!r}; the file name must end with it")
    return header
