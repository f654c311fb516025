"""The small HTTP door that every service has: ``/metrics`` (Prometheus), ``/health`` (alive) and ``/ready``.

Alive means that the event loop answers. Ready means that the service does its work; what it says about itself is a
dictionary, and its key ``ready`` (true when absent) decides between 200 and 503.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from marketprism.errors import cannot_listen
from marketprism.settings import AppSettings

Ready = Callable[[], dict[str, object]]


@dataclass(slots=True)
class HealthServer:
    """A door that is open. ``port`` is the real one, also when 0 was asked for."""

    host: str
    port: int
    _runner: web.AppRunner

    async def close(self) -> None:
        """Stop listening; requests under way get two seconds."""
        await self._runner.cleanup()


def _json(body: dict[str, object], status: int = 200) -> web.Response:
    return web.json_response(body, status=status, dumps=lambda value: json.dumps(value, default=str))


def _application(ready: Ready, registry: CollectorRegistry) -> web.Application:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(_: web.Request) -> web.Response:
        return _json({"status": "live"})

    async def readiness(_: web.Request) -> web.Response:
        state = ready()
        return _json(state, status=200 if state.get("ready", True) else 503)

    application = web.Application()
    application.add_routes(
        [web.get("/metrics", metrics), web.get("/health", health), web.get("/ready", readiness)],
    )
    return application


async def serve_health(
    port: int,
    *,
    ready: Ready,
    host: str | None = None,
    what: str = "metrics",
    setting: str = "its metrics_port",
    routes: list[web.RouteDef] | None = None,
    registry: CollectorRegistry = REGISTRY,
) -> HealthServer:
    """Open the door and return at once; it answers from the running event loop until ``close()``.

    ``host`` None = MARKETPRISM_METRICS_HOST. ``what`` and ``setting`` name the service and the variable of its port in
    the error; ``routes`` are added to the three. Raises PortInUse, SettingsError.
    """
    host = host or AppSettings().metrics_host
    application = _application(ready, registry)
    application.add_routes(routes or [])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise cannot_listen(error, host, port, what, setting, "MARKETPRISM_METRICS_HOST") from error
    bound: int = runner.addresses[0][1]
    return HealthServer(host, bound, runner)
