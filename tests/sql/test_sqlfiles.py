"""The header parser refuses what is missing, unknown, doubled or out of order."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism.errors import SqlFileError
from marketprism.sqlfiles import KEYS, parse_header, read_header

VALUES = {key: f"some {key}" for key in KEYS} | {"inputs": "a.b, c.d", "lookahead": "none"}


def text(**changes: str | None) -> str:
    values = {**VALUES, **changes}
    return "".join(f"-- {key + ':':<10} {value}\n" for key, value in values.items() if value) + "SELECT 1\n"


def test_reads_every_key() -> None:
    header = parse_header(text())
    assert header.inputs == ("a.b", "c.d")
    assert (header.name, header.grain, header.lookahead) == ("some name", "some grain", "none")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (text(grain=None), "lacks grain"),
        (text(owner="me"), "unknown header key 'owner'"),
        (text(lookahead="a little"), "say none or label"),
        ("-- name: a\n" + text(), "twice"),
        ("-- grain: a\n" + text(grain=None), "out of order"),
        ("SELECT 1", "lacks name"),
    ],
)
def test_refuses(given: str, complaint: str) -> None:
    with pytest.raises(SqlFileError, match=complaint):
        parse_header(given, "file.sql")


def test_file_name_must_be_the_name(tmp_path: Path) -> None:
    path = tmp_path / "0001_create_other.sql"
    path.write_text(text(name="vpin"))
    with pytest.raises(SqlFileError, match="must end with it"):
        read_header(path)
