"""A task that loses a cancellation, as ``wait_for`` of Python 3.11 can, ends all the same."""

from __future__ import annotations

import asyncio
import contextlib

from marketprism.tasks import end_tasks


async def test_a_lost_cancellation_is_repeated() -> None:
    lost = 0

    async def deaf() -> None:
        nonlocal lost
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        lost += 1
        await asyncio.sleep(3600)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await asyncio.wait_for(end_tasks([task]), 10)
    assert task.cancelled()
    assert lost == 1


async def test_what_failed_or_ended_is_left_alone() -> None:
    async def failing() -> None:
        raise ValueError("for itself")

    async def ending() -> int:
        return 1

    tasks: list[asyncio.Task[object]] = [asyncio.create_task(failing()), asyncio.create_task(ending())]
    await asyncio.wait(tasks)
    await end_tasks(tasks)
    assert [task.cancelled() for task in tasks] == [False, False]
