"""Live or simulated: are the exchanges reachable from here? Decided within three seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import aiohttp

DECIDE_WITHIN_S: Final = 3.0


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    """Any HTTP answer below 400 means reachable; a block page of a proxy (403, 451) does not."""
    try:
        async with session.get(url) as response:
            return response.status < 400
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


async def exchanges_reachable(urls: Iterable[str]) -> bool:
    """Whether every URL answers within DECIDE_WITHIN_S seconds; the proxies of the environment are honoured."""
    timeout = aiohttp.ClientTimeout(total=DECIDE_WITHIN_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        answers = await asyncio.gather(*(_answers(session, url) for url in urls))
    return bool(answers) and all(answers)
