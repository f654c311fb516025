"""Alerts of Prometheus as events on a symbol's time axis; none when MARKETPRISM_WEB_PROMETHEUS_URL is not set."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from typing import Any, Final

import aiohttp

from monitors.web.symbol import Event, EventsAsked

log = logging.getLogger(__name__)

_TIMEOUT: Final = aiohttp.ClientTimeout(total=2)
_POINTS: Final = 1_000
"""Prometheus answers at most 11,000 a series."""
_STEP_S: Final = 15


class Alerts:
    """Asks one Prometheus. ``url`` '' = none."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._trouble = ""

    async def of(self, asked: EventsAsked) -> list[Event]:
        """What fired for the symbol, its venue, or everything. An absent Prometheus is said once in the log."""
        if not self._url:
            return []
        step = max(_STEP_S, (asked.to_ms - asked.from_ms) // 1000 // _POINTS)
        where = {
            "query": selector(asked.exchange, asked.market_type, asked.symbol),
            "start": f"{asked.from_ms / 1000:.3f}",
            "end": f"{asked.to_ms / 1000:.3f}",
            "step": str(step),
        }
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.get(f"{self._url}/api/v1/query_range", params=where) as answer,
            ):
                answer.raise_for_status()
                found = (await answer.json())["data"]["result"]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as error:
            text = f"Prometheus at {self._url} tells no alerts: {type(error).__name__}"
            if text != self._trouble:
                log.warning("%s", text)
            self._trouble = text
            return []
        self._trouble = ""
        return [event for series in found for event in intervals(series, step * 1000)]


def selector(exchange: str, market_type: str, symbol: str) -> str:
    """Firing alerts that name the symbol, or its venue, or no venue at all: a label may be absent."""
    labels = {"exchange": exchange, "market_type": market_type, "symbol": symbol}
    wanted = ",".join(f"{name}=~{json.dumps('|' + re.escape(value))}" for name, value in labels.items())
    return f'ALERTS{{alertstate="firing",alertname!="Watchdog",{wanted}}}'


def intervals(series: dict[str, Any], step_ms: int) -> Iterable[Event]:
    """One event for each stretch in which the samples follow each other."""
    labels = series["metric"]
    text = f"{labels.get('severity', '')} {labels['alertname']}".strip()
    more = {name: labels[name] for name in ("data_type", "feature", "audit", "stream", "job") if name in labels}
    text += "".join(f" {name}={value}" for name, value in more.items())
    times = [round(float(at) * 1000) for at, _ in series["values"]]
    start = 0
    for number in range(1, len(times) + 1):
        if number == len(times) or times[number] - times[number - 1] > 1.5 * step_ms:
            yield Event(kind="alert", from_ms=times[start], to_ms=times[number - 1] + step_ms, text=text)
            start = number
