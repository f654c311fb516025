"""Tasks that are to end, and do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

_AGAIN_S = 0.5


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel until all have ended; how they ended is of no interest any more.

    Once is not enough: ``wait_for`` of Python 3.11, which nats-py uses, loses a cancellation that meets the answer.
    """
    everything = set(tasks)
    pending = {task for task in everything if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
    for task in everything:
        if not task.cancelled():
            task.exception()  # or asyncio complains that nobody asked
