"""Questions to a process that is starting: does it answer over HTTP, over TCP?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import aiohttp


async def http_answers(url: str, *, timeout_s: float = 2.0) -> bool:
    """Whether GET ``url`` gives 200."""
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


def http_health(url: str) -> Callable[[], Awaitable[bool]]:
    """The health question of a Part that serves ``url``."""

    async def ask() -> bool:
        return await http_answers(url)

    return ask
