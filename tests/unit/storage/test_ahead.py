"""What is made ready while a batch is being stored, and what waits for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from storage_service.ahead import Ahead


class Intake:
    """Hands out the parts that it is given; remembers how it was told to go on."""

    def __init__(self) -> None:
        self.given: asyncio.Queue[list[str] | Exception] = asyncio.Queue()
        self.idle, self.rests = asyncio.Event(), False

    def close_soon(self) -> None:
        self.idle.set()

    async def next_batches(self) -> list[str]:
        parts = await self.given.get()
        if isinstance(parts, Exception):
            raise parts
        return parts


class Known:
    """Parts whose name ends with ``?`` ask ClickHouse. ``prepared``: in which order."""

    def __init__(self) -> None:
        self.day_is_over = False
        self.prepared: list[str] = []
        self.grew = asyncio.Event()

    def begin_day(self) -> None:
        self.prepared.append("day")
        self.day_is_over = False

    def look(self, part: str) -> Any:
        return SimpleNamespace(asks=part.endswith("?"))

    async def prepare(self, part: str, look: Any) -> str:
        self.prepared.append(part)
        self.grew.set()
        return part

    async def until(self, part: str) -> None:
        while part not in self.prepared:
            self.grew.clear()
            await self.grew.wait()


def run(scene: Any) -> None:
    async def play() -> None:
        intake, known = Intake(), Known()
        ahead = Ahead("trades", intake, known)  # type: ignore[arg-type]
        try:
            await asyncio.wait_for(scene(ahead, intake, known), 10)
        finally:
            await ahead.end()

    asyncio.run(play())


async def turns() -> None:
    """Whatever can go on has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_one_batch_is_made_ready_while_another_is_stored_and_no_more():
    async def scene(ahead: Ahead, intake: Intake, known: Known) -> None:
        for name in "abcd":
            intake.given.put_nowait([name])
        assert await ahead.next() == "a"
        await known.until("b")
        await turns()
        assert known.prepared == ["a", "b"]  # a is being stored, b waits, c is cleaned
        assert intake.given.qsize() == 1  # and d is left where it is
        assert await ahead.next() == "b"
        await known.until("c")
        await turns()
        assert intake.given.empty()

    run(scene)


def test_a_batch_that_asks_waits_until_the_one_before_is_on_record():
    async def scene(ahead: Ahead, intake: Intake, known: Known) -> None:
        for name in ("a", "b?", "c"):
            intake.given.put_nowait([name])
        assert await ahead.next() == "a"
        await turns()
        assert known.prepared == ["a"]
        assert await ahead.next() == "b?"
        await known.until("c")

    run(scene)


def test_the_silent_are_forgotten_only_when_everything_is_on_record():
    async def scene(ahead: Ahead, intake: Intake, known: Known) -> None:
        intake.given.put_nowait(["a"])
        assert await ahead.next() == "a"
        known.day_is_over = True
        intake.given.put_nowait(["b"])
        await turns()
        assert known.prepared == ["a"]
        assert await ahead.next() == "b"
        assert known.prepared == ["a", "day", "b"]

    run(scene)


def test_a_small_batch_grows_as_long_as_anything_is_under_way():
    async def scene(ahead: Ahead, intake: Intake, known: Known) -> None:
        ahead.inserted()
        assert intake.idle.is_set()
        intake.given.put_nowait(["a", "b"])
        assert await ahead.next() == "a"
        assert not intake.idle.is_set()
        await known.until("b")
        await turns()
        ahead.inserted()  # a is in the table, b waits
        assert not intake.idle.is_set()
        assert await ahead.next() == "b"
        assert not intake.rests
        ahead.inserted()
        assert intake.idle.is_set()
        waiting = asyncio.create_task(ahead.next())
        await turns()
        assert intake.rests  # and b is on record
        intake.given.put_nowait(["c"])
        assert await waiting == "c"
        assert not intake.rests

    run(scene)


def test_what_was_ready_before_a_failure_is_handed_out_first():
    async def scene(ahead: Ahead, intake: Intake, known: Known) -> None:
        intake.given.put_nowait(["a"])
        intake.given.put_nowait(["b"])
        intake.given.put_nowait(OSError("the connection is gone"))
        assert await ahead.next() == "a"
        await known.until("b")
        await turns()
        assert await ahead.next() == "b"
        with pytest.raises(OSError, match="is gone"):
            await ahead.next()

    run(scene)


def test_it_ends_when_the_intake_was_asked_to_stop():
    async def scene(ahead: Ahead, intake: Intake, known: Known) -> None:
        intake.given.put_nowait(["a"])
        intake.given.put_nowait([])
        assert await ahead.next() == "a"
        assert await ahead.next() is None

    run(scene)
