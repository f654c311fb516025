"""Answers over HTTP: ClickHouse's headers, small results with their status, long ones streamed, errors in-band."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from typing import Final

from aiohttp import web

from marketprism.embedded.compression import Encoder
from marketprism.embedded.engine import VERSION, Progress
from marketprism.embedded.exceptions import EngineError
from marketprism.embedded.handoff import Handoff
from marketprism.embedded.work import STALL_S, Outcome

log = logging.getLogger(__name__)

_CONTENT_TYPES: Final = {
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tsv": "text/tab-separated-values; charset=UTF-8",
    "tabseparatedwithnames": "text/tab-separated-values; charset=UTF-8",
    **dict.fromkeys(("native", "rowbinary", "arrow", "arrowstream", "parquet", "orc"), "application/octet-stream"),
}


class Answers:
    """Makes responses of one server."""

    def __init__(self, timezone: str, name: str) -> None:
        self._always = {"X-ClickHouse-Server-Display-Name": name, "X-ClickHouse-Timezone": timezone}

    def headers(self, query_id: str, format: str, encoding: str = "") -> dict[str, str]:
        """ClickHouse's headers of an answer that is not an error."""
        content_type = _CONTENT_TYPES.get(format.lower(), "text/plain; charset=UTF-8")
        headers = {**self._always, "Content-Type": content_type, "X-ClickHouse-Format": format}
        headers["X-ClickHouse-Query-Id"] = query_id
        if encoding:
            headers["Content-Encoding"] = encoding
        return headers

    def whole(self, body: bytes, headers: dict[str, str], progress: Progress) -> web.Response:
        """A result that has ended: status and summary are certain."""
        return web.Response(body=body, headers={**headers, **_summary(progress)})

    def error(self, error: EngineError, query_id: str) -> web.Response:
        """ClickHouse's error text, with its code in a header."""
        headers = {**self._always, "Content-Type": "text/plain; charset=UTF-8"}
        headers |= {"X-ClickHouse-Exception-Code": str(error.code), "X-ClickHouse-Query-Id": query_id}
        if error.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        return web.Response(status=error.status, text=error.line(VERSION), headers=headers)

    async def streamed(
        self,
        http: web.Request,
        headers: dict[str, str],
        out: Handoff,
        outcome: Outcome,
        worker: asyncio.Future[None],
        *,
        encoder: Encoder | None,
        hold: int,
    ) -> web.StreamResponse:
        """Send what comes out of ``out``. The first ``hold`` bytes wait, so that an early error has its own status.

        Raises EngineError while nothing has been sent; afterwards the error goes in-band and the answer breaks off.
        """
        head: list[bytes] = []
        held = 0
        while held < hold:
            piece = await out.get()
            if piece is None:
                await asyncio.shield(worker)
                return self.whole(b"".join(head), headers, outcome.progress)
            head.append(piece)
            held += len(piece)
        tag = uuid.uuid4().hex[:16]
        headers = {**headers, "X-ClickHouse-Exception-Tag": tag, **_summary(outcome.progress)}
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        try:
            await response.prepare(http)
            try:
                for piece in head:
                    await _write(response, piece)
                head.clear()
                while (piece_ := await out.get()) is not None:
                    await _write(response, piece_)
                await asyncio.shield(worker)
            except EngineError as error:
                last = outcome.unsent + _in_band(error, tag)
                await _write(response, encoder.encode(last) + encoder.finish() if encoder else last)
                _break_off(http)  # no last chunk: a client that does not know the tag sees a broken answer, too
        except TimeoutError:
            log.info("a client took nothing of its result for %g s: cancelled", STALL_S)
            _break_off(http)
        except ConnectionError:
            log.info("a client left before the end of its result: cancelled")
        return response


def _break_off(http: web.Request) -> None:
    if http.transport is not None:
        http.transport.close()


async def _write(response: web.StreamResponse, piece: bytes) -> None:
    if piece:
        async with asyncio.timeout(STALL_S):
            await response.write(piece)


def _in_band(error: EngineError, tag: str) -> bytes:
    text = error.line(VERSION).encode()
    return b"__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag.encode(), text, len(text), tag.encode())


def _summary(progress: Progress) -> dict[str, str]:
    return {"X-ClickHouse-Summary": json.dumps(progress.summary(), separators=(",", ":"))}
