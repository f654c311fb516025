"""A client that goes in the middle of its result: one line in the log, and no traceback."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from marketprism.embedded.answer import Answers
from marketprism.embedded.exceptions import EngineError
from marketprism.embedded.handoff import Handoff
from marketprism.embedded.work import Outcome


@pytest.mark.parametrize("failed", [False, True], ids=["more to come", "an error to come"])
async def test_a_client_that_left_is_one_line(failed: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answered = asyncio.Event()

    async def handle(http: web.Request) -> web.StreamResponse:
        out, worker = Handoff(), asyncio.get_running_loop().create_future()
        for _ in range(3):
            out.put(b"x" * 1000)
        out.close()
        worker.set_exception(EngineError(159, "too slow")) if failed else worker.set_result(None)
        assert http.transport is not None
        http.transport.abort()
        try:
            return await Answers("UTC", "here").streamed(http, {}, out, Outcome(), worker, encoder=None, hold=1500)
        finally:
            worker.exception()  # as the doors do
            answered.set()

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(server.make_url("/"))
        await asyncio.wait_for(answered.wait(), 5)
    assert [record.message for record in caplog.records if record.exc_info] == []
    assert "a client left before the end of its result: cancelled" in caplog.messages
