"""The worked cases of ``shared/reference/cases``: inputs and what other people's programs made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conftest import missing


def case(shared: Path, name: str) -> dict[str, Any]:
    """The case of this name: source, definition, input, expected, tolerance."""
    path = shared / "reference" / "cases" / f"{name}.json"
    if not path.is_file():
        missing(f"no worked case: {path} is absent")
    return dict(json.loads(path.read_text()))
