"""``python -m monitors.receiver``: the webhook that Alertmanager calls by default. It logs and keeps alerts.

GET /alerts gives what it has heard, newest last; POST /alerts is for Alertmanager.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time
from collections import deque
from typing import Any, Final

from aiohttp import web

from marketprism.errors import MarketPrismError
from marketprism.logs import configure_logging
from marketprism.metrics import HealthServer, serve_health
from marketprism.settings import MonitorSettings

log = logging.getLogger(__name__)

KEPT: Final = 1000


class Receiver:
    """Every alert that came, the newest ``KEPT``; ``came`` is set by each."""

    def __init__(self) -> None:
        self.heard: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.came = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/alerts", self._take), web.get("/alerts", self._tell)]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.json()
        for alert in body.get("alerts", []):
            labels, summary = alert.get("labels", {}), alert.get("annotations", {}).get("summary", "")
            self.heard.append({**alert, "heard_s": time.time()})
            told = log.info if alert.get("status") == "resolved" else log.warning
            told("%s %s", alert.get("status"), labels.get("alertname"), extra={"summary": summary})
        self.came.set()
        return web.Response(text="ok")

    async def _tell(self, _: web.Request) -> web.Response:
        return web.Response(text=json.dumps(list(self.heard)), content_type="application/json")

    async def open(self, port: int) -> HealthServer:
        """Listen; /health and /ready answer as every service's. Raises PortInUse."""
        return await serve_health(
            port,
            ready=lambda: {"ready": True, "heard": len(self.heard)},
            what="alert receiver",
            setting="MARKETPRISM_MONITOR_RECEIVER_PORT",
            routes=self.routes(),
        )


async def run() -> None:
    """Until SIGTERM or SIGINT. Raises PortInUse."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    door = await Receiver().open(MonitorSettings().receiver_port)
    log.info("alerts are received on port %d", door.port)
    await stop.wait()
    await door.close()


if __name__ == "__main__":
    configure_logging("receiver")
    try:
        asyncio.run(run())
    except MarketPrismError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
