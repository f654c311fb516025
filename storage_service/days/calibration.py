"""Calibrate: measure symbols over the last days and write their ``bucket_config`` for the next.

A configuration comes from trades before the day it holds for, and is frozen at that day's first trade: what a day is
cut by does not depend on when anything ran.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa

from marketprism.clickhouse import FEATURES
from marketprism.errors import DayError
from storage_service.buckets.calibrate import Calibrated, Measured, Rate, calibrate
from storage_service.buckets.plan import MODES
from storage_service.days.engine import Engine
from storage_service.days.install import quoted

TABLE: Final = f"{FEATURES}.bucket_config"
_KEY: Final = "exchange, market_type, symbol"
_DECIMAL: Final = pa.decimal128(38, 12)
_TIME: Final = pa.timestamp("ms", tz="UTC")
_SCHEMA: Final = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("exchange", "market_type", "symbol", "mode")),
        *(pa.field(name, pa.float64(), nullable=False) for name in ("t_target_s", "t_max_s")),
        *(pa.field(name, _DECIMAL, nullable=False) for name in ("q_bucket", "q_min", "q_max")),
        *(
            pa.field(name, pa.uint32(), nullable=False)
            for name in ("n_trades", "n_min", "n_max", "n_updates", "u_min", "u_max", "window_min")
        ),
        *(
            pa.field(f"{name}_{quantile}", pa.float64(), nullable=False)
            for name in ("vps", "tps", "ups")
            for quantile in ("p50", "p80")
        ),
        *(pa.field(name, pa.string(), nullable=False) for name in ("source", "notes")),
        *(pa.field(name, _TIME, nullable=False) for name in ("valid_from", "valid_to")),
        pa.field("version", pa.uint64(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Request:
    """``until``: end of the window, exclusive; ``valid_days``: for how many days from the next midnight it holds."""

    until: datetime
    days: int = 7
    mode: str = "volume"
    t_target_s: float = 30.0
    t_max_s: float = 60.0
    valid_days: int = 2
    names: Collection[str] = ()

    @property
    def start(self) -> datetime:
        """Begin of the window."""
        return self.until - timedelta(days=self.days)

    @property
    def valid_from(self) -> datetime:
        """The first midnight at or after the window's end."""
        midnight = self.until.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if midnight == self.until else midnight + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Row:
    """One symbol's measurement and what follows from it; ``config`` None: it did not trade."""

    symbol: tuple[str, str, str]
    measured: Measured
    config: Calibrated | None


def run_calibration(engine: Engine, request: Request, *, write: bool = True) -> list[Row]:
    """Measure, and write what follows. Raises DayError for an unknown mode."""
    if request.mode not in MODES:
        raise DayError(f"mode {request.mode!r} is none of {', '.join(MODES)}; choose one")
    rows = []
    for symbol, measured in measure(engine, request).items():
        config = calibrate(measured, request.mode, request.t_target_s, request.t_max_s)
        rows.append(Row(symbol, measured, config))
    if write:
        write_rows(engine, request, rows)
    return rows


def measure(engine: Engine, request: Request) -> dict[tuple[str, str, str], Measured]:
    """Rates of every symbol that traded in the window, by minutes from its first one in the window on."""
    chosen = f" AND symbol IN ({', '.join(quoted(name) for name in sorted(request.names))})" if request.names else ""
    bounds = {"start": request.start, "until": request.until}
    inside = "{} >= {{start:DateTime('UTC')}} AND {} < {{until:DateTime('UTC')}}"
    traded = engine.rows(
        f"SELECT {_KEY}, min(ts_1m), groupArray(toFloat64(total_volume)), groupArray(toFloat64(trade_count)) "
        f"FROM {FEATURES}.trades_1m WHERE {inside.format('ts_1m', 'ts_1m')}{chosen} GROUP BY {_KEY} ORDER BY {_KEY}",
        bounds,
    )
    updated: dict[tuple[str, str, str], list[float]] = {}
    if request.mode == "event":
        minutes = (
            f"SELECT {_KEY}, toStartOfMinute(timestamp) AS minute, toFloat64(sum(updates)) AS n "
            f"FROM {FEATURES}.all_orderbooks WHERE {inside.format('timestamp', 'timestamp')}{chosen} "
            f"GROUP BY {_KEY}, minute"
        )
        for *key, values in engine.rows(f"SELECT {_KEY}, groupArray(n) FROM ({minutes}) GROUP BY {_KEY}", bounds):
            updated[key[0], key[1], key[2]] = values
    found = {}
    for exchange, market_type, symbol, first, volumes, counts in traded:
        minutes_seen = round((request.until - first.replace(tzinfo=UTC)).total_seconds()) // 60
        found[exchange, market_type, symbol] = Measured(
            Rate.of(np.array(volumes), minutes_seen),
            Rate.of(np.array(counts), minutes_seen),
            Rate.of(np.array(updated.get((exchange, market_type, symbol), [])), minutes_seen),
            minutes_seen,
        )
    return found


def write_rows(engine: Engine, request: Request, rows: list[Row]) -> None:
    """New versions for the request's days; written at the same time for the same days is written once."""
    version = int(request.until.timestamp())
    records = [_record(row, row.config, request, version) for row in rows if row.config is not None]
    if records:
        engine.insert(TABLE, pa.RecordBatch.from_pylist(records, schema=_SCHEMA))


def _record(row: Row, config: Calibrated, request: Request, version: int) -> dict[str, Any]:
    measured = row.measured
    return {
        **dict(zip(("exchange", "market_type", "symbol"), row.symbol, strict=True)),
        **{name: getattr(config, name) for name in config.__dataclass_fields__},
        "window_min": measured.minutes,
        "vps_p50": measured.volume.p50,
        "vps_p80": measured.volume.p80,
        "tps_p50": measured.trades.p50,
        "tps_p80": measured.trades.p80,
        "ups_p50": measured.updates.p50,
        "ups_p80": measured.updates.p80,
        "source": "calibration",
        "notes": f"window {request.start:%Y-%m-%d %H:%M} to {request.until:%Y-%m-%d %H:%M} UTC",
        "valid_from": request.valid_from,
        "valid_to": request.valid_from + timedelta(days=request.valid_days),
        "version": version,
    }
