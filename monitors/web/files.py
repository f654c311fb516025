"""The static page: every file read into memory at the start, so that no request ever names a path on disk."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

STATIC: Final = Path(__file__).with_name("static")
_MEDIA: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain; charset=utf-8",
}
VIEWS: Final = ("/", "/pipeline", "/symbol", "/coverage", "/features", "/sql")
"""Paths of views; what follows them is the page's own business."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of the page as it goes out."""

    body: bytes
    packed: bytes
    media: str
    etag: str


def load(folder: Path = STATIC) -> dict[str, File]:
    """URL path → file."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in _MEDIA:
            body = path.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:20]
            name = "/static/" + path.relative_to(folder).as_posix()
            files[name] = File(body, gzip.compress(body, 9, mtime=0), _MEDIA[path.suffix], f'"{digest}"')
    return files


def routes(files: dict[str, File]) -> list[web.RouteDef]:
    """Each file by its own name, and the page itself for every view."""
    index = files["/static/index.html"]
    found = [web.get(name, _answer(file)) for name, file in files.items()]
    found += [web.get(view, _answer(index)) for view in VIEWS]
    found += [web.get(view + "/{rest:.*}", _answer(index)) for view in VIEWS if view != "/"]
    found.append(web.get("/favicon.ico", _answer(files["/static/icon.svg"])))
    return found


def _answer(file: File) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        # a browser asks each time, and gets 304 unless the server was updated
        headers = {
            "ETag": file.etag,
            "Cache-Control": "no-cache",
            "Content-Type": file.media,
            "Vary": "Accept-Encoding",
        }
        if request.headers.get("If-None-Match") == file.etag:
            return web.Response(status=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=file.packed, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(body=file.body, headers=headers)

    return answer
