"""The lock of the page: loopback needs no token but an own name; elsewhere nothing opens without the token."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from marketprism.errors import SettingsError
from marketprism.settings import WebSettings
from monitors.web import access


def _client(**settings: Any) -> TestClient[web.Request, web.Application]:
    lock = access.Access(WebSettings(**settings))

    async def secret(_: web.Request) -> web.Response:
        return web.json_response("secret")

    async def login(request: web.Request) -> web.StreamResponse:
        return await lock.login(access.LoginAsked(**await request.json()), request)

    app = web.Application(middlewares=[access.middleware(lock)])
    app.add_routes([web.get("/api/secret", secret), web.post("/api/login", login), web.get("/", secret)])
    app.on_response_prepare.append(access.harden)
    return TestClient(TestServer(app))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "example.org"])
def test_elsewhere_without_a_token_does_not_start(host: str) -> None:
    with pytest.raises(SettingsError, match="MARKETPRISM_WEB_TOKEN"):
        access.Access(WebSettings(host=host))
    access.Access(WebSettings(host=host, token="long enough"))


async def test_token_by_header_or_cookie_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_WRONG_TOKEN_S", 0)
    async with _client(host="0.0.0.0", token="t0ken") as client:
        refused = await client.get("/api/secret")
        assert refused.status == 401
        assert "needs its token" in (await refused.json())["error"]
        for header in ("Bearer wrong", "Bearer ", "Basic t0ken", "Bearer t0ken2"):
            assert (await client.get("/api/secret", headers={"Authorization": header})).status == 401
        assert (await client.get("/api/secret?token=t0ken")).status == 401
        assert (await client.get("/api/secret", headers={"Authorization": "Bearer t0ken"})).status == 200
        assert (await client.get("/")).status == 200  # the page itself holds no data
        assert (await client.post("/api/login", json={"token": "wrong"})).status == 401
        opened = await client.post("/api/login", json={"token": "t0ken"})
        cookie = opened.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "t0ken" not in cookie
        proof = opened.cookies[access.COOKIE].value
        assert (await client.get("/api/secret", cookies={access.COOKIE: proof})).status == 200
        client.session.cookie_jar.clear()
        assert (await client.get("/api/secret", cookies={access.COOKIE: proof[:-1] + "x"})).status == 401


async def test_other_names_of_this_machine_and_other_sites_are_refused() -> None:
    async with _client() as client:
        assert (await client.get("/api/secret")).status == 200
        assert (await client.get("/api/secret", headers={"Host": "rebound.example.org"})).status == 421
        assert (await client.get("/api/secret", headers={"Origin": "https://example.org"})).status == 403
        assert (await client.get("/api/secret", headers={"Sec-Fetch-Site": "cross-site"})).status == 403
        assert (await client.get("/api/secret", headers={"Sec-Fetch-Site": "same-origin"})).status == 200


async def test_every_answer_has_the_headers() -> None:
    async with _client() as client:
        for path in ("/", "/api/secret", "/nowhere"):
            headers = (await client.get(path)).headers
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert "aiohttp" not in headers["Server"].lower()
