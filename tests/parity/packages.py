"""The packages compared with that have no wheel for every machine; a skip names the one that is missing."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl

from tests.conftest import missing


@cache
def frds_measure(name: str) -> ModuleType:
    """``frds.measures.<name>``, whose wheel is for Python 3.11 on x86-64.

    ``import frds.measures`` loads its compiled parts too, which were built for NumPy 1 and say so on stderr; the
    measures compared with are plain NumPy, so their file is loaded by itself.
    """
    package = importlib.util.find_spec("frds")
    if package is None or not package.submodule_search_locations:
        missing("frds is not installed (extra `dev` on Python 3.11, x86-64)")
    path = Path(package.submodule_search_locations[0]) / "measures" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"frds_{name}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def polars_trading_bars(kind: str, trades: pl.DataFrame, bar_size: Any) -> pl.DataFrame:
    """``polars_trading.bars.<kind>`` in order of time; its wheels leave out Linux on ARM."""
    if importlib.util.find_spec("polars_trading") is None:
        missing("polars-trading is not installed (extra `dev`, not on Linux on ARM)")
    import polars_trading
    from polars_trading import bars

    with polars_trading.Config(timestamp_column="ts_event"):
        made: pl.DataFrame = getattr(bars, kind)(trades, bar_size=bar_size)
    return made.sort("ts_event_end", "ts_event_start")
