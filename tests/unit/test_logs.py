"""Log lines: both forms carry the same facts, and never touch stdout."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from marketprism.logs import configure_logging
from marketprism.settings import AppSettings


@pytest.fixture(autouse=True)
def _restore_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_line_has_the_extras(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("storage", AppSettings(log_format="json"))
    logging.getLogger("storage_service.batch").warning("held back %d rows", 3, extra={"frame": "abc"})
    out, err = capsys.readouterr()
    line = json.loads(err)
    assert out == ""
    assert (line["level"], line["service"], line["message"], line["frame"]) == (
        "warning", "storage", "held back 3 rows", "abc",
    )  # fmt: skip


def test_text_line_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("collector", AppSettings(log_level="warning"))
    logging.getLogger("x").info("not shown")
    logging.getLogger("x").error("shown", extra={"symbol": "BTCUSDT"})
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].endswith("ERROR collector: shown symbol=BTCUSDT")
    assert "not shown" not in err
