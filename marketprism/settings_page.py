"""The table of all settings, made from the classes: for ``docs/settings.md`` and for ``marketprism settings``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from marketprism.addresses import HIDDEN, password_hidden
from marketprism.settings import ALL_SETTINGS, variable_of

_HEAD = """# Settings

Every setting is an environment variable; a file `.env` in the working directory is read too (`.env.example` is a
start), and the environment wins. Lists are JSON. A variable `MARKETPRISM_…` that is none of these is told on stderr,
with the nearest one. This page is made by `marketprism settings --markdown`.
"""


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, list | dict):
        return json.dumps(value)
    if isinstance(value, Path | str):
        return password_hidden(str(value))
    return json.dumps(value)


def markdown_page() -> str:
    """One section a class, one row a setting: variable, default, meaning."""
    lines = [_HEAD]
    for settings in ALL_SETTINGS:
        lines += [f"## {(settings.__doc__ or settings.__name__).strip().splitlines()[0]}", ""]
        lines += ["| variable | default | meaning |", "|---|---|---|"]
        for field, info in settings.model_fields.items():
            default = _text(info.get_default(call_default_factory=True, validated_data={})).replace("|", "\\|")
            shown = f"`{default}`" if default else "(empty)"
            lines.append(f"| `{variable_of(settings, field)}` | {shown} | {info.description or ''} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def text_table() -> str:
    """The same for a terminal, with the value in force; what differs from its default is marked with *."""
    table = Table("", "variable", "value", "default", "meaning", show_lines=False)
    for settings in ALL_SETTINGS:
        values = settings()
        for field, info in settings.model_fields.items():
            value, default = getattr(values, field), info.get_default(call_default_factory=True, validated_data={})
            mark = "" if value == default else "*"
            table.add_row(mark, variable_of(settings, field), _text(value), _text(default), info.description or "")
        table.add_section()
    console = Console(file=io.StringIO(), width=220)
    console.print(table, markup=False)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip()
