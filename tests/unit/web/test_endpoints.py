"""Endpoints read what they take by type, and their OpenAPI document says what they do."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from marketprism.settings import ClickHouseSettings, NatsSettings, WebSettings
from marketprism.status import StatusReader
from monitors.web import files, symbol
from monitors.web.app import Page, application
from monitors.web.endpoints import MAX_BODY, Endpoint, Nothing, openapi, route
from monitors.web.reading import Reader, ReadError


def _page(**settings: Any) -> Page:
    """A page whose ClickHouse is nowhere."""
    nowhere = ClickHouseSettings(url="http://127.0.0.1:1")
    web_settings = WebSettings(**settings)
    return Page(web_settings, Reader(nowhere, web_settings), StatusReader(nowhere, NatsSettings(), {}))


class Asked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    count: int = 3


async def test_parameters_are_read_by_type_and_what_is_wrong_is_named() -> None:
    async def echo(asked: Asked) -> Asked:
        return asked

    app = application(_page())
    app2 = web.Application(middlewares=list(app.middlewares), client_max_size=MAX_BODY)
    app2.add_routes([route(Endpoint("GET", "/api/get", "", Asked, Asked, echo))])
    app2.add_routes([route(Endpoint("POST", "/api/post", "", Asked, Asked, echo))])
    async with TestClient(TestServer(app2)) as client:
        got = await client.get("/api/get", params={"name": "a", "count": "7"})
        assert await got.json() == {"name": "a", "count": 7}
        for parameters, named in (({}, "name"), ({"name": "a", "count": "x"}, "count"), ({"name": "a", "z": "1"}, "z")):
            refused = await client.get("/api/get", params=parameters)
            assert refused.status == 400
            assert named in (await refused.json())["error"]
        assert (await client.post("/api/post", json={"name": "b"})).status == 200
        assert (await client.post("/api/post", json={"name": 5})).status == 400
        assert (await client.post("/api/post", data="name=b")).status == 415
        assert (await client.post("/api/post", json={"name": "b" * 70_000})).status == 413


def test_the_document_names_every_endpoint_and_every_reference_resolves() -> None:
    page = _page()
    document = openapi(page.endpoints())
    assert {(e.path, e.method.lower()) for e in page.endpoints()} == {
        (path, method) for path, methods in document["paths"].items() for method in methods
    }
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in schemas
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(set(ids)) == len(ids)
    parameters = {p["name"]: p for p in document["paths"]["/api/buckets"]["get"]["parameters"]}
    assert parameters["symbol"]["required"]
    assert not parameters["last"]["required"]
    assert set(parameters) == set(symbol.BucketsAsked.__struct_fields__)


def test_endpoints_that_take_nothing_refuse_parameters() -> None:
    with pytest.raises(msgspec.ValidationError, match="surprise"):
        msgspec.convert({"surprise": "1"}, Nothing)


async def test_static_files_are_memory_not_paths() -> None:
    async with TestClient(TestServer(application(_page()))) as client:
        for view in ("/", "/pipeline", "/symbol/binance/spot/BTCUSDT", "/sql"):
            shown = await client.get(view)
            assert shown.status == 200
            assert "<main" in await shown.text()
        script = await client.get("/static/js/app.js")
        assert script.headers["Content-Type"].startswith("text/javascript")
        again = await client.get("/static/js/app.js", headers={"If-None-Match": script.headers["ETag"]})
        assert again.status == 304
        wrong = ("/static/../service.py", "/static/%2e%2e/service.py", "/static/js/..%2f..%2fservice.py", "/static/")
        for path in (*wrong, "/static/js", "/static/js/app.js%00.html", "/etc/passwd"):
            assert (await client.get(path)).status in (400, 404), path


def test_the_page_asks_nobody_else() -> None:
    """No address of another host is in anything that a browser loads; the library keeps its licence."""
    loaded = files.load()
    for name, file in loaded.items():
        text = file.body.decode()
        if not name.endswith((".LICENSE",)):
            found = {part.split('"')[0].split("'")[0][:40] for part in text.split("://")[1:]}
            assert all(part.startswith(("www.w3.org/", "github.com/leeoniya")) for part in found), (name, found)
    assert "MIT License" in loaded["/static/vendor/uplot.LICENSE"].body.decode()


async def test_metrics_are_locked_like_data() -> None:
    async with TestClient(TestServer(application(_page()))) as client:
        assert "marketprism_web_streams 0.0" in await (await client.get("/metrics")).text()
    async with TestClient(TestServer(application(_page(host="0.0.0.0", token="t")))) as client:
        assert (await client.get("/metrics")).status == 401
        assert (await client.get("/health")).status == 200
    async with TestClient(TestServer(application(_page(host="0.0.0.0", token="t", metrics_open=True)))) as client:
        assert (await client.get("/metrics")).status == 200
        assert (await client.get("/api/pipeline")).status == 401


async def test_clickhouse_that_is_away_is_a_clear_refusal() -> None:
    page = _page()
    async with page.reader, TestClient(TestServer(application(page))) as client:
        refused = await client.get("/api/symbols")
        assert refused.status == 502
        assert "ClickHouse at 127.0.0.1:1 does not answer" in (await refused.json())["error"]


def test_errors_of_clickhouse_lose_their_wrapping() -> None:
    text = "Syntax error: failed at position 8 ('x') (line 1, col 8): x. (SYNTAX_ERROR)"
    error = ReadError.of(f"Code: 62. DB::Exception: {text} (version 26.9.2.1 (embedded))\n")
    assert error.code == 62
    assert str(error) == text
