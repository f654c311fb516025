"""Reading a request's body so that a cut one can be told from a whole one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from marketprism.embedded.exceptions import EngineError

_PIECE: Final = 1 << 20
_SILENCE_S: Final = 60.0
"""A client that sends nothing for this long in the middle of a body has gone: it would keep a writer's thread."""


class CutOff(EngineError):
    """The body ended before its declared end; nothing of it may be stored."""

    def __init__(self, why: str) -> None:
        super().__init__(210, f"The request's body ended early ({why}); nothing was stored", "NETWORK_ERROR")


async def pieces(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it arrives, in pieces of about 1 MB. Raises CutOff when it ends before its declared end."""
    waiting: list[bytes] = []
    held = seen = 0
    while True:
        try:
            async with asyncio.timeout(_SILENCE_S):
                chunk = await request.content.readany()
        except TimeoutError as error:
            raise CutOff(f"silence for {_SILENCE_S:g} s") from error
        except (aiohttp.ClientPayloadError, HttpProcessingError, web.RequestPayloadError, ConnectionError) as error:
            raise CutOff(str(error) or type(error).__name__) from error
        if not chunk:
            break
        waiting.append(chunk)
        held += len(chunk)
        seen += len(chunk)
        if held >= _PIECE:
            yield b"".join(waiting)
            waiting, held = [], 0
    declared = request.headers.get("Content-Length")
    if declared is not None and "Transfer-Encoding" not in request.headers and seen != int(declared):
        raise CutOff(f"{seen} of {declared} bytes")
    if held:
        yield b"".join(waiting)
