"""Which files are features, and the findings of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from marketprism.leaklint.findings import Finding
from marketprism.leaklint.lint import lint_text

REPOSITORY = Path(__file__).resolve().parents[2]


def default_files(root: Path = REPOSITORY) -> list[Path]:
    """Every SQL file that computes features: migrations, and sql/ without the generated schema snapshot."""
    found = [*(root / "migrations").glob("*.sql"), *(root / "sql").rglob("*.sql")]
    return sorted(path for path in found if "schema" not in path.relative_to(root).parts)


def lint_tree(files: Iterable[Path]) -> list[Finding]:
    """Findings of all files, in order. Raises OSError for a file that cannot be read."""
    return [finding for path in files for finding in lint_text(path.read_text(encoding="utf-8"), str(path))]
