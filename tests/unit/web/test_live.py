"""Push with back-pressure: a slow page holds one message of a kind, and the server holds no more for it."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from marketprism.errors import MarketPrismError
from monitors.web import live
from monitors.web.endpoints import Refused


@given(st.lists(st.tuples(st.sampled_from(["book", "tape", "latest"]), st.binary(max_size=8)), max_size=40))
def test_mailbox_keeps_the_newest_of_each_kind(offers: list[tuple[str, bytes]]) -> None:
    subscriber = live.Subscriber()
    for kind, body in offers:
        subscriber.offer(kind, body)
    assert subscriber.waiting == dict(offers)
    assert subscriber.dropped == len(offers) - len(subscriber.waiting)


async def test_one_look_serves_every_page_and_ends_with_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_LINGER_S", 0.02)
    looked = 0

    async def look(publish: live.Publish) -> None:
        nonlocal looked
        looked += 1
        publish("count", looked)

    hub = live.Hub(max_streams=3)
    topic = live.Topic((look, 0.01))
    async with hub.subscribed("a", lambda: topic) as first, hub.subscribed("a", lambda: live.Topic()) as second:
        for page in (first, second):
            assert "count" in await page.take(5)
        with pytest.raises(Refused, match="3 pages are open") as refused:
            async with hub.subscribed("b", live.Topic), hub.subscribed("c", live.Topic):
                pass
        assert refused.value.status == 503
    async with asyncio.timeout(5):
        while not topic.idle:
            await asyncio.sleep(0.01)
    settled = looked
    await asyncio.sleep(0.05)
    assert looked == settled


async def test_a_page_that_comes_while_a_topic_falls_asleep_has_all_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_LINGER_S", 0.02)
    looked, answered, held = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def quick(publish: live.Publish) -> None:
        looked.set()

    async def slow(publish: live.Publish) -> None:
        held.set()
        await answered.wait()

    def looking() -> list[asyncio.Task[None]]:
        return [task for task in asyncio.all_tasks() if task.get_name() == "look of a page"]

    topic, left, back = live.Topic((quick, 0.005), (slow, 0.005)), live.Subscriber(), live.Subscriber()
    async with asyncio.timeout(5):
        topic.join(left)
        await held.wait()
        topic.leave(left)
        await asyncio.wait(looking(), return_when=asyncio.FIRST_COMPLETED)  # the other waits for ClickHouse's answer
        looked.clear()
        topic.join(back)
        await looked.wait()
    assert len(looking()) == 2
    await topic.close()


async def test_what_stands_still_is_not_sent_again_and_trouble_is_told_once_until_it_ends() -> None:
    broken = True
    looks = 0

    async def look(publish: live.Publish) -> None:
        nonlocal looks
        looks += 1
        publish("value", 1)
        if broken:
            raise MarketPrismError("ClickHouse is away")

    topic, page = live.Topic((look, 0.005)), live.Subscriber()
    topic.join(page)
    heard: list[dict[str, bytes]] = [await page.take(2)]
    while looks < 5:
        await asyncio.sleep(0.005)
    assert await page.take(0.02) in ({}, {"trouble_0": b'{"error":"ClickHouse is away"}'})
    broken = False
    async with asyncio.timeout(5):
        while b"null" not in [body for messages in heard for body in messages.values()]:
            heard.append(await page.take(0.1))
    assert sum("value" in messages for messages in heard) == 1
    await topic.close()


async def test_a_page_that_reads_nothing_costs_a_bounded_buffer_and_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STUCK_S", 0.5)
    number = 0
    ended = asyncio.Event()
    buffered: list[int] = []

    async def look(publish: live.Publish) -> None:
        nonlocal number
        number += 1
        publish("book", f"{number:06d}" * 20_000)  # 120 kB, never the same

    topic = live.Topic((look, 0.001))

    async def stream(request: web.Request) -> web.StreamResponse:
        page = live.Subscriber()
        topic.join(page)
        watch = asyncio.create_task(_watch(request, page))
        try:
            return await live.push(page, request)
        finally:
            watch.cancel()
            topic.leave(page)
            ended.set()

    async def _watch(request: web.Request, page: live.Subscriber) -> None:
        while request.transport is not None:
            waiting = sum(map(len, page.waiting.values()))
            buffered.append(request.transport.get_write_buffer_size() + waiting)  # type: ignore[attr-defined]
            await asyncio.sleep(0.005)

    app = web.Application()
    app.router.add_get("/", stream)
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
        async with asyncio.timeout(20):
            await ended.wait()
        assert number > 20
        assert max(buffered) < (256 << 10) + 3 * 120_000
        writer.close()
    assert reader is not None
    await topic.close()
