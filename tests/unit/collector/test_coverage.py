"""The coverage page is current, complete, and every proof in it exists and is read by a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.coverage import COLUMNS, COVERAGE, page, readme
from collector.venues import VENUES
from marketprism.events import ROW_TYPES
from tests.conftest import REPOSITORY

PROOFS = sorted({proof for cells in COVERAGE.values() for cell in cells.values() for proof in cell.proofs})


def test_the_page_is_current() -> None:
    assert (REPOSITORY / "docs" / "coverage.md").read_text() == page(), "run: python -m collector.coverage --write"
    text = (REPOSITORY / "README.md").read_text()
    assert text == readme(text), "run: python -m collector.coverage --write"


def test_every_venue_has_a_row_and_every_column_is_a_data_type() -> None:
    assert set(COVERAGE) == set(VENUES)
    assert set(COLUMNS) <= set(ROW_TYPES)
    assert all(set(cells) <= set(COLUMNS) for cells in COVERAGE.values())


@pytest.mark.parametrize("proof", PROOFS)
def test_a_proof_exists_and_a_test_reads_it(proof: str, shared: Path) -> None:
    folder, _, name = proof.partition("/")
    assert (shared / folder / (f"{name}.jsonl.zst" if folder == "recordings" else name)).is_file()
    tests = "".join(path.read_text() for path in (REPOSITORY / "tests" / "golden").glob("test_*.py"))
    file = name.rpartition("/")[2]
    wanted = file.removesuffix(".rest.json").removesuffix(".jsonl").removesuffix(".json")
    assert wanted in tests


def test_proven_and_unproven_are_told_apart() -> None:
    assert "*unproven*" in page()
    assert "| Binance option | *unproven* |" in page()
    assert "✓ <sub>binance_coinm, binance_coinm_202107</sub>" in page()
