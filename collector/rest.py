"""HTTP to exchanges: one session, weights per pool, typed failures, receive times by the clock."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from collector.clock import Clock
from collector.limiter import Blocked, Budget, Limiter
from collector.metrics import CollectorMetrics

logger = logging.getLogger(__name__)

_BANNED: Final = 418
_TOO_MANY: Final = (_BANNED, 429)
_DEFAULT_BLOCK_S: Final = 30.0


class RestError(Exception):
    """A request that gave no usable answer. ``status`` is 0 when there was none at all."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status

    @property
    def permanent(self) -> bool:
        """Asking again the same way is of no use (a client error other than 'too many')."""
        return 400 <= self.status < 500 and self.status not in (*_TOO_MANY, 408)


@dataclass(frozen=True, slots=True)
class Response:
    """A body and when it was received (µs)."""

    body: bytes
    received_at: int


class RestClient:
    """Shared by all venues of a process. Use as an async context manager."""

    def __init__(self, clock: Clock, metrics: CollectorMetrics, *, timeout_s: float = 10.0) -> None:
        self._clock = clock
        self._metrics = metrics
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._limiters: dict[str, Limiter] = {}
        self._asked: dict[str, set[Limiter]] = {}
        self._banned_until: dict[str, float] = {}
        self._session: aiohttp.ClientSession | None = None
        self.tap: Callable[[tuple[str, str], int, str, str, bytes], None] | None = None
        """Sees every good answer: (venue, received_at, "http", address with its question, body)."""

    async def __aenter__(self) -> RestClient:
        self._session = aiohttp.ClientSession(
            timeout=self._timeout, headers={"User-Agent": "marketprism"}, trust_env=True
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def limiter(self, budget: Budget) -> Limiter:
        """The limiter of a pool; the first to name a pool sets its size."""
        if budget.pool not in self._limiters:
            self._limiters[budget.pool] = Limiter(budget)
        return self._limiters[budget.pool]

    def ban(self, url: str, seconds: float) -> None:
        """The host of ``url`` has banned this IP: nothing more is asked of it for this long, whatever the pool."""
        host = urlsplit(url).netloc
        self._banned_until[host] = max(self._banned_until.get(host, 0.0), time.monotonic() + seconds)
        for limiter in self._asked.get(host, ()):
            limiter.block(seconds)

    def _pool(self, url: str, budget: Budget) -> Limiter:
        """The limiter of a request: one that is new to a host knows of its ban."""
        host, limiter = urlsplit(url).netloc, self.limiter(budget)
        asked = self._asked.setdefault(host, set())
        if limiter not in asked:
            asked.add(limiter)
            limiter.block(self._banned_until.get(host, 0.0) - time.monotonic())
        return limiter

    async def get(
        self,
        venue: tuple[str, str],
        url: str,
        params: Mapping[str, str | int],
        *,
        budget: Budget,
        weight: int,
        used_header: str = "",
        urgent: bool = False,
    ) -> Response:
        """GET within the budget. Raises RestError with the status (0: no answer) and what the venue said."""
        if self._session is None:
            raise RestError(0, "the REST client is not open")
        limiter = self._pool(url, budget)
        try:
            await limiter.acquire(weight, urgent=urgent)
        except Blocked as error:
            self._count(venue, "limited")
            raise RestError(429, f"{url} is not asked: {error}") from error
        try:
            async with self._session.get(url, params=params) as response:
                body = await response.read()
                headers, status = response.headers, response.status
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            self._count(venue, "unreachable")
            raise RestError(0, f"{url} does not answer: {type(error).__name__} {error}") from error
        if (used := headers.get(used_header, "") if used_header else "").isdigit():
            limiter.observe(int(used))
        if status in _TOO_MANY:
            seconds, scope = _retry_after(headers), budget.pool
            limiter.block(seconds)
            if status == _BANNED:
                scope = urlsplit(url).netloc
                self.ban(url, seconds)
            self._count(venue, "limited")
            logger.warning("%s answers %d: nothing more is asked of %s for %.0f s", url, status, scope, seconds)
        if status != 200:
            self._count(venue, "refused")
            raise RestError(status, f"{url} answers {status}: {body[:200].decode(errors='replace')}")
        self._count(venue, "ok")
        received_at = self._clock.response(headers)
        if self.tap is not None:
            self.tap(venue, received_at, "http", str(response.url), body)
        return Response(body, received_at)

    def _count(self, venue: tuple[str, str], outcome: str) -> None:
        self._metrics.counts["rest_requests"][(*venue, outcome)] += 1


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    return float(text) if text.isdigit() else _DEFAULT_BLOCK_S
