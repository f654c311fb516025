"""Typed endpoints: what one takes and gives is a struct, its reading and its OpenAPI page come from the same line."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

import marketprism
from marketprism.errors import MarketPrismError

MAX_BODY: Final = 64 << 10
"""Bytes of a request: a statement of the SQL view, at most."""
_CACHE: Final = {"Cache-Control": "no-store"}


class Problem(msgspec.Struct, kw_only=True):
    """What every refusal says: one line for a person; ``line`` and ``column`` (from 1) when a statement is at fault."""

    error: str
    code: int = 0
    line: int | None = None
    column: int | None = None
    length: int | None = None


class Refused(MarketPrismError):
    """A request that is not answered; ``status`` is the HTTP status."""

    def __init__(self, status: int, problem: Problem | str) -> None:
        self.problem = Problem(error=problem) if isinstance(problem, str) else problem
        super().__init__(self.problem.error)
        self.status = status


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """An endpoint without parameters."""


Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``handler(asked)`` gives the answer; ``takes`` is read from the URL of a GET, from the JSON body of a POST."""

    method: str
    path: str
    summary: str
    takes: type[msgspec.Struct]
    gives: Any
    handler: Handler
    media: str = "application/json"
    """Other than JSON, the handler takes the aiohttp request as well, and gives the whole response."""

    @property
    def name(self) -> str:
        return re.sub(r"\W+", "_", self.path.removeprefix("/api/"))


async def asked(endpoint: Endpoint, request: web.Request) -> Any:
    """The parameters of a request. Raises Refused 400 with the name of what is wrong."""
    try:
        if endpoint.method == "GET":
            given = dict(request.query)
            return msgspec.convert(given, endpoint.takes, strict=False)
        if request.content_type != "application/json":
            raise Refused(415, "send application/json")
        return msgspec.json.decode(await request.read(), type=endpoint.takes)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise Refused(400, f"request: {error}") from error


def route(endpoint: Endpoint) -> web.RouteDef:
    """The aiohttp route of an endpoint."""

    async def answer(request: web.Request) -> web.StreamResponse:
        parameters = await asked(endpoint, request)
        if endpoint.media != "application/json":
            response: web.StreamResponse = await endpoint.handler(parameters, request)
            return response
        body = msgspec.json.encode(await endpoint.handler(parameters))
        return web.Response(body=body, content_type="application/json", headers=_CACHE)

    return web.route(endpoint.method, endpoint.path, answer)


def openapi(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the endpoints."""
    listed = list(endpoints)
    types = [Problem, *(e.takes for e in listed), *(e.gives for e in listed if e.gives is not None)]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    by_type = dict(zip([str(each) for each in types], schemas, strict=True))
    paths: dict[str, Any] = {}
    for endpoint in listed:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MarketPrism page",
            "version": marketprism.__version__,
            "description": "What the web page reads. Times are UTC, in milliseconds since the epoch unless named else.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _operation(endpoint: Endpoint, by_type: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if endpoint.gives is not None:
        content = {"schema": by_type[str(endpoint.gives)]}
    refused = {"schema": by_type[str(Problem)]}
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.method.lower()}_{endpoint.name}",
        "summary": endpoint.summary,
        "responses": {
            "200": {"description": "the answer", "content": {endpoint.media: content}},
            "default": {"description": "refused, and why", "content": {"application/json": refused}},
        },
    }
    if endpoint.takes is Nothing:
        return operation
    if endpoint.method != "GET":
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": by_type[str(endpoint.takes)]}},
        }
        return operation
    schema = components[endpoint.takes.__name__]
    operation["parameters"] = [
        {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": kind}
        for name, kind in schema["properties"].items()
    ]
    return operation
