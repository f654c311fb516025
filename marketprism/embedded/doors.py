"""The ways into the engine: reads, writes and administration have their own threads; a request has its own handle."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from marketprism.embedded import meters
from marketprism.embedded.access import Access
from marketprism.embedded.engine import Engine, Handle, identifier
from marketprism.embedded.exceptions import EngineError
from marketprism.embedded.request import Request
from marketprism.embedded.sessions import Session, Sessions
from marketprism.embedded.statement import Kind

_SLOT_WAIT_S: Final = 5.0
_WRITERS: Final = 16
_ADMINS: Final = 8
_KILL_AGAIN_S: Final = 0.1
_ANSWERED_S: Final = 0.001
"""Until an answer has left; then the next request's session is opened."""

T = TypeVar("T")


@dataclass(slots=True)
class Job:
    """One request under way. ``tag`` travels as log_comment, so that the engine's own processes can be found."""

    asked: Request
    admin: bool
    read_only: bool
    session: Session | None = None

    @property
    def tag(self) -> str:
        asked = self.asked
        return f"{asked.comment} [{asked.query_id}]" if asked.comment else asked.query_id


class Doors:
    """Threads, slots, sessions, and what runs now. Made and used in one event loop."""

    def __init__(self, engine: Engine, access: Access, *, max_readers: int, slot_wait_s: float = _SLOT_WAIT_S) -> None:
        self.engine = engine
        self.access = access
        self._slot_wait_s = slot_wait_s
        self._sessions = Sessions(engine.fresh)
        self._slots = asyncio.Semaphore(max_readers)
        self._analyst_slots = asyncio.Semaphore(max(1, max_readers // 2))
        self._pools = {
            "read": ThreadPoolExecutor(max_readers, thread_name_prefix="reader"),
            "write": ThreadPoolExecutor(_WRITERS, thread_name_prefix="writer"),
            "admin": ThreadPoolExecutor(_ADMINS, thread_name_prefix="admin"),
        }
        self._running: dict[str, asyncio.Future[object]] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._closed = False

    @contextmanager
    def lease(self, job: Job, base: dict[str, str]) -> Iterator[Handle]:
        """In a thread: a handle with this request's settings and database, and with nobody else's."""
        if job.session is not None:
            with job.session.entered(base, self._settings(job), job.asked.database) as handle:
                yield handle
            return
        with self.unset(job) as handle:
            handle.apply(self.settings(job, base))
            yield handle

    @contextmanager
    def unset(self, job: Job) -> Iterator[Handle]:
        """In a thread: a fresh handle in this request's database, for a statement that brings ``settings`` itself."""
        with self.engine.session() as handle:
            if job.asked.database:
                handle.query("USE " + identifier(job.asked.database))
            yield handle

    def settings(self, job: Job, base: dict[str, str]) -> dict[str, str]:
        """What holds for a request without a session; ``base`` gives way to what the request says."""
        read_only = {"readonly": "2"} if job.read_only else {}
        return {**base, **read_only, **self._settings(job)}

    def _settings(self, job: Job) -> dict[str, str]:
        asked = job.asked.settings
        return {**(asked if job.admin else self.access.analyst_settings(asked)), "log_comment": job.tag}

    def start(self, job: Job, kind: Kind, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run ``work`` in a thread of its door; it goes on when nobody waits. Raises EngineError 216, 372, 373."""
        query_id = job.asked.query_id
        if query_id in self._running:
            raise EngineError(
                216, f"Query with id = {query_id} is already running", "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING"
            )
        asked = job.asked
        if asked.session_id and job.admin:
            job.session = self._sessions.take(asked.user, asked.session_id, asked.session_timeout, asked.session_check)
        begun = time.perf_counter()
        meters.RUNNING.labels(kind.value).inc()
        future: asyncio.Future[T] = asyncio.get_running_loop().run_in_executor(self._pools[_POOL[kind]], work)
        self._running[query_id] = future  # type: ignore[assignment]
        future.add_done_callback(functools.partial(self._ended, job, kind, begun))
        return future

    def _ended(self, job: Job, kind: Kind, begun: float, future: asyncio.Future[object]) -> None:
        self._running.pop(job.asked.query_id, None)
        if job.session is not None:
            self._sessions.give_back(job.session)
        failed = future.cancelled() or future.exception() is not None
        meters.RUNNING.labels(kind.value).dec()
        meters.QUERIES.labels(kind.value, "error" if failed else "ok").inc()
        meters.SECONDS.labels(kind.value).observe(time.perf_counter() - begun)
        asyncio.get_running_loop().call_later(_ANSWERED_S, self._open_spare)

    def _open_spare(self) -> None:
        if not self._closed:  # one that fails is opened again, and told, by who needs it
            self._pools["admin"].submit(self.engine.spare)

    async def ask(self, work: Callable[[], T]) -> T:
        """A question of our own, through the administration's door."""
        return await asyncio.get_running_loop().run_in_executor(self._pools["admin"], work)

    @asynccontextmanager
    async def reader_slots(self, job: Job) -> AsyncIterator[Callable[[asyncio.Future[None]], None]]:
        """Take a reader's slot (analysts have half of them), waiting briefly. Raises EngineError 202.

        Gives a function that binds the slot to the reader: it is free again when that has ended, or at the end of the
        block when none was bound.
        """
        taken: list[asyncio.Semaphore] = []
        bound: list[asyncio.Future[None]] = []

        def release(_: object = None) -> None:
            while taken:
                taken.pop().release()

        def bind(worker: asyncio.Future[None]) -> None:
            bound.append(worker)
            worker.add_done_callback(release)

        try:
            async with asyncio.timeout(self._slot_wait_s):
                for slot in (self._slots,) if job.admin else (self._analyst_slots, self._slots):
                    await slot.acquire()
                    taken.append(slot)
        except TimeoutError as error:
            release()
            raise EngineError(
                202,
                "Too many simultaneous queries: all readers are busy; "
                "try again, or raise MARKETPRISM_EMBEDDED_MAX_READERS",
                "TOO_MANY_SIMULTANEOUS_QUERIES",
            ) from error
        except BaseException:
            release()
            raise
        try:
            yield bind
        finally:
            if not bound:
                release()

    def stop(self, job: Job, worker: asyncio.Future[None]) -> None:
        """Kill a request's statement in the background, until its thread has ended."""
        task = asyncio.get_running_loop().create_task(self._kill(job.tag, worker))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _kill(self, tag: str, worker: asyncio.Future[None]) -> None:
        while not worker.done():  # a statement that has not registered yet cannot be killed yet: ask again
            await self.ask(lambda: self.engine.kill(tag))
            await asyncio.wait([worker], timeout=_KILL_AGAIN_S)

    async def close(self, grace_s: float) -> None:
        """Let what runs end within ``grace_s``, kill the rest, close all sessions."""
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=grace_s)
        if self._running:
            await self.ask(self.engine.kill_all)
            await asyncio.wait(list(self._running.values()), timeout=grace_s)
        self._sessions.close()
        self._closed = True
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


_POOL: Final = {
    Kind.SELECT: "read",
    Kind.SHOW: "read",
    Kind.INSERT: "write",
    Kind.INSERT_SELECT: "write",
    Kind.SESSION: "admin",
    Kind.KILL: "admin",
    Kind.ADMIN: "admin",
}
