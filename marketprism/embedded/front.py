"""From an HTTP request to the right door of the engine, and the answer back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from aiohttp import BodyPartReader, web

from marketprism.embedded import compression, meters
from marketprism.embedded.access import refuse_foreign_page
from marketprism.embedded.answer import Answers
from marketprism.embedded.body import CutOff, pieces
from marketprism.embedded.definitions import Room
from marketprism.embedded.doors import Doors, Job
from marketprism.embedded.engine import Progress, assigned, processes_of, quote
from marketprism.embedded.exceptions import EngineError
from marketprism.embedded.handoff import Handoff
from marketprism.embedded.reader import ReaderGuard
from marketprism.embedded.request import add_form, read_request
from marketprism.embedded.statement import Kind, Statement, parse
from marketprism.embedded.upload import Upload
from marketprism.embedded.work import Outcome, insert, load_external, read_into, run_small

_HOLD: Final = 1 << 20
_HOLD_WAIT_END: Final = 16 << 20
_MAX_QUERY: Final = 16 << 20


class Front:
    """The request handler of one server."""

    def __init__(self, doors: Doors, answers: Answers, guard: ReaderGuard, room: Room) -> None:
        self._doors = doors
        self._room = room
        self._answers = answers
        self._guard = guard
        self.draining = False

    async def answer(self, http: web.Request) -> web.StreamResponse:
        """Any request but /ping and its kind."""
        query_id = ""
        try:
            asked = read_request(http.headers, http.query)
            query_id = asked.query_id
            refuse_foreign_page(http.headers)
            admin = self._doors.access.check(asked.user, asked.password)
            if self.draining:
                raise EngineError(236, "The embedded engine is shutting down", "ABORTED")
            if not asked.query and not http.can_read_body:
                return web.Response(text="Ok.\n")
            return await self._dispatch(http, Job(asked, admin, read_only=http.method in ("GET", "HEAD")))
        except EngineError as error:
            if isinstance(error, CutOff):
                meters.CUT_OFF.inc()
            return self._answers.error(error, query_id)

    async def _dispatch(self, http: web.Request, job: Job) -> web.StreamResponse:
        if http.content_type == "multipart/form-data":
            add_form(job.asked, await _form(http), http.query)
            return await self._run(http, job, parse(job.asked.query.encode()))
        encoding = http.headers.get("Content-Encoding", "")
        if encoding and not job.admin:  # a small body can unpack to a very large one
            raise EngineError(497, f"{job.asked.user}: compressed requests are not for this user", "ACCESS_DENIED")
        decoder = compression.decoder(encoding)
        body = pieces(http)
        raw = job.asked.query.encode() + b"\n" if job.asked.query else b""
        async for piece in body:
            raw += decoder.decode(piece)
            statement = _insert_with_data(raw)
            if statement is not None:
                return await self._insert(http, job, statement, raw, body, decoder)
            if len(raw) > _MAX_QUERY:
                raise EngineError(307, f"The query is larger than {_MAX_QUERY} bytes", "TOO_MANY_BYTES")
        decoder.finish()
        statement = parse(raw)
        if statement.kind is Kind.INSERT:
            return await self._insert(http, job, statement, raw, body, decoder)
        return await self._run(http, job, statement)

    async def _run(self, http: web.Request, job: Job, statement: Statement) -> web.StreamResponse:
        _refuse_writing(job, statement.kind)
        format = statement.format or job.asked.default_format
        if statement.kind.reads:
            return await self._read(http, job, statement, format)
        self._room.check(statement.sql)
        outcome = Outcome()

        def work() -> bytes:
            with self._doors.lease(job, {}) as handle:
                sql = self._with_engine_ids(statement.sql) if statement.kind is Kind.KILL else statement.sql
                load_external(handle, job.asked.external)
                return run_small(handle, replace(statement, sql=sql), format, job.asked.params, outcome)

        answer = await asyncio.shield(self._doors.start(job, statement.kind, work))  # it ends, whoever waits
        meters.WRITTEN_ROWS.inc(outcome.progress.written_rows)
        return self._answers.whole(answer, self._answers.headers(job.asked.query_id, format), outcome.progress)

    def _with_engine_ids(self, sql: str) -> str:
        """KILL QUERY names a client's query id; the engine has its own for the same statement."""
        with self._doors.engine.session() as handle:

            def engines(literal: re.Match[str]) -> str:
                found = handle.query(processes_of(literal[1])).decode().split()
                return quote(found[0]) if found else literal[0]

            return re.sub(r"'([^'\\]+)'", engines, sql)

    async def _read(self, http: web.Request, job: Job, statement: Statement, format: str) -> web.StreamResponse:
        asked = job.asked
        encoding = compression.accepted(http.headers.get("Accept-Encoding", "")) if asked.compressed else ""
        encoder = compression.encoder(encoding) if encoding else None
        headers = self._answers.headers(asked.query_id, format, encoding)
        async with self._doors.reader_slots(job) as bind:
            checked = statement if job.admin else await self._doors.ask(lambda: self._guard.check(asked, statement))
            out = Handoff()
            outcome = Outcome()

            def work() -> None:
                try:
                    with self._doors.lease(job, self._doors.access.reader_settings()) as handle:
                        load_external(handle, asked.external)
                        read_into(handle, checked, format, asked.params, encoder, out, outcome)
                finally:
                    out.close()

            worker = self._doors.start(job, checked.kind, work)
            bind(worker)
        hold = _HOLD_WAIT_END if asked.wait_end else _HOLD
        try:
            return await self._answers.streamed(http, headers, out, outcome, worker, encoder=encoder, hold=hold)
        finally:
            meters.SENT_BYTES.inc(outcome.progress.result_bytes)
            if not worker.done():
                out.abandon()
                self._doors.stop(job, worker)

    async def _insert(
        self,
        http: web.Request,
        job: Job,
        statement: Statement,
        raw: bytes,
        body: AsyncIterator[bytes],
        decoder: compression.Decoder,
    ) -> web.StreamResponse:
        """The body is gathered first, then inserted: what is cut off on its way is not begun."""
        _refuse_writing(job, Kind.INSERT)
        progress = Progress()
        upload = Upload()

        def work() -> None:
            base = {"async_insert": "0"}
            if job.session is not None or statement.rest:
                with upload, self._doors.lease(job, base) as handle:
                    insert(handle, statement, job.asked.params, upload, progress)
                return
            with upload, self._doors.unset(job) as handle:  # SET first takes a millisecond
                brings = replace(statement, rest="SETTINGS " + assigned(self._doors.settings(job, base)))
                insert(handle, brings, job.asked.params, upload, progress)

        try:
            upload.append(raw[statement.data :])
            async for piece in body:
                upload.append(decoder.decode(piece))
            decoder.finish()
            worker = self._doors.start(job, Kind.INSERT, work)
        except BaseException as error:
            upload.close()
            if isinstance(error, asyncio.CancelledError):
                meters.CUT_OFF.inc()
            raise
        await asyncio.shield(worker)  # the upload is whole: it is stored, though the client may have gone
        meters.WRITTEN_ROWS.inc(progress.written_rows)
        headers = self._answers.headers(job.asked.query_id, statement.format)
        return self._answers.whole(b"", headers, progress)


async def _form(http: web.Request) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    async for part in await http.multipart():
        if isinstance(part, BodyPartReader) and part.name:
            fields[part.name] = bytes(await part.read())
    return fields


def _insert_with_data(raw: bytes) -> Statement | None:
    """The statement, when ``raw`` begins with an INSERT whose data have begun."""
    if b"insert" not in raw[:4096].lower():
        return None
    try:
        statement = parse(raw)
    except EngineError:  # perhaps only not all there yet
        return None
    return statement if statement.kind is Kind.INSERT and statement.data < len(raw) else None


def _refuse_writing(job: Job, kind: Kind) -> None:
    if not job.admin and not kind.reads:
        raise EngineError(497, f"{job.asked.user}: Not enough privileges; this user may only read", "ACCESS_DENIED")
    if job.read_only and not kind.reads and kind is not Kind.SESSION:
        raise EngineError(
            164,
            "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. "
            "You should use method POST for modifying queries",
            "READONLY",
        )
