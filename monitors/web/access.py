"""Who may look: loopback by default, a token elsewhere; and the headers that keep a page to itself."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from typing import Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from marketprism.embedded.access import is_loopback
from marketprism.errors import MarketPrismError, SettingsError
from marketprism.settings import WebSettings
from monitors.web.endpoints import Problem, Refused
from monitors.web.reading import ReadError

log = logging.getLogger(__name__)

COOKIE: Final = "marketprism_page"
_WRONG_TOKEN_S: Final = 0.5
_YEAR_S: Final = 365 * 86400

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class LoginAsked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The token of MARKETPRISM_WEB_TOKEN."""

    token: str


class Access:
    """The lock of the page. Raises SettingsError when others could reach it without a token."""

    def __init__(self, settings: WebSettings) -> None:
        self._token = settings.token.get_secret_value()
        self.metrics_open = settings.metrics_open
        self._loopback = is_loopback(settings.host)
        if not self._loopback and not self._token:
            raise SettingsError(
                f"MARKETPRISM_WEB_HOST={settings.host} can be reached from other machines: "
                "set MARKETPRISM_WEB_TOKEN, or listen on 127.0.0.1"
            )
        # the cookie proves knowledge of the token without being it
        self._proof = hmac.new(self._token.encode(), b"marketprism page", hashlib.sha256).hexdigest()

    def check_origin(self, request: web.Request) -> None:
        """Raises Refused for another site's page, and on loopback for another name of this machine (DNS rebinding)."""
        host = urlsplit(f"//{request.host}").hostname or ""
        if self._loopback and not is_loopback(host):
            raise Refused(421, "this page answers to 127.0.0.1 and localhost only")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise Refused(403, "requests of another site's page are not answered")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and request.path != "/":
            raise Refused(403, "requests of another site's page are not answered")

    async def check_token(self, request: web.Request) -> None:
        """Raises Refused 401 without the token or its cookie."""
        if not self._token:
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            await self._compare(given)
        elif not _same(request.cookies.get(COOKIE, ""), self._proof):
            raise Refused(401, "this page needs its token: MARKETPRISM_WEB_TOKEN of the server")

    async def login(self, asked: LoginAsked, request: web.Request) -> web.StreamResponse:
        """The cookie for the token."""
        if self._token:
            await self._compare(asked.token)
        response = web.json_response({"ok": True})
        response.set_cookie(
            COOKIE, self._proof, max_age=_YEAR_S, httponly=True, samesite="Strict", secure=request.secure, path="/"
        )
        return response

    async def _compare(self, given: str) -> None:
        if not _same(given, self._token):
            await asyncio.sleep(_WRONG_TOKEN_S)
            raise Refused(401, "wrong token: it is MARKETPRISM_WEB_TOKEN of the server")


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


OPEN_PATHS: Final = frozenset({"/api/login", "/api/openapi.json", "/health"})


def _is_locked(path: str, access: Access) -> bool:
    if path == "/metrics":
        return not access.metrics_open
    return path.startswith(("/api/", "/metrics")) and path not in OPEN_PATHS


def middleware(access: Access) -> Middleware:
    """The lock in front of every handler, and every error as a Problem."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            access.check_origin(request)
            if _is_locked(request.path, access):
                await access.check_token(request)
            return await handler(request)
        except Refused as error:
            return _problem(error.status, error.problem)
        except ReadError as error:
            return _problem(502 if error.code == 0 else 500, Problem(error=str(error), code=error.code))
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return _problem(error.status, Problem(error=f"{error.reason}: {request.method} {request.path[:200]}"))
        except MarketPrismError as error:
            log.warning("%s: %s", request.path, error)
            return _problem(500, Problem(error=str(error)))

    return guarded


def _problem(status: int, problem: Problem) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(problem), content_type="application/json")


async def harden(_: web.Request, response: web.StreamResponse) -> None:
    """A signal of every response: the security headers, and no word about the server."""
    response.headers.update(HEADERS)
    response.headers["Server"] = "marketprism"
