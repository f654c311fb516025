"""Reading a request's body so that a cut one can be told from a whole one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from marketprism.embedded.exceptions import EngineError

_PIECE = 1 << 20


class CutOff(EngineError):
    """The body ended before its declared end; nothing of it may be stored."""

    def __init__(self, why: str) -> None:
        super().__init__(210, f"The request's body ended early ({why}); nothing was stored", "NETWORK_ERROR")


async def pieces(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it arrives, in pieces of about 1 MB. Raises CutOff when it ends before its declared end."""
    waiting: list[bytes] = []
    held = 0
    seen = 0
    try:
        async for chunk in request.content.iter_any():
            waiting.append(chunk)
            held += len(chunk)
            seen += len(chunk)
            if held >= _PIECE:
                yield b"".join(waiting)
                waiting, held = [], 0
    except (
        aiohttp.ClientPayloadError,
        aiohttp.http_exceptions.HttpProcessingError,
        ConnectionError,
        asyncio.IncompleteReadError,
        web.RequestPayloadError,
    ) as error:
        raise CutOff(str(error) or type(error).__name__) from error
    declared = request.headers.get("Content-Length")
    if declared is not None and "Transfer-Encoding" not in request.headers and seen != int(declared):
        raise CutOff(f"{seen} of {declared} bytes")
    if held:
        yield b"".join(waiting)
