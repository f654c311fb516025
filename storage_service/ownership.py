"""A process's beats: it says that it lives, takes free partitions, gives up what is above its share.

Dead is who has not beaten for a lease and a quarter by *our* clock since we last saw the beat change (clocks are never
compared), or who ran beside us and is gone. Who was only asleep finds its lease over when it wakes.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Set
from pathlib import Path
from typing import Final

import msgspec
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from storage_service import metrics
from storage_service.lease import Lease
from storage_service.registry import KEY, Member, Registry, advance, surplus, without

logger = logging.getLogger(__name__)

BEATS_PER_LEASE: Final = 5
_PATIENCE: Final = 1.25
_ATTEMPTS: Final = 20
_ENCODER: Final = msgspec.json.Encoder()


def here() -> str:
    """This machine, boot and pid namespace: within one of these a pid names a process."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    parts = [socket.gethostname()]
    if boot.exists() and namespace.exists():
        parts += [boot.read_text().strip(), str(namespace.readlink())]
    else:
        parts.append(uuid.uuid4().hex)  # nothing can be said about neighbours: they live until their lease is over
    return " ".join(parts)


def started(pid: int) -> str:
    """Kernel ticks at which a process began; empty when there is none, or only what its parent has not fetched yet."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


class Ownership:
    """Membership of one process. ``owned`` is what it may store while ``lease`` lasts."""

    def __init__(
        self, bucket: KeyValue, lease: Lease, *, partitions: int, lease_s: float, fixed: tuple[int, ...] | None = None
    ) -> None:
        self._bucket, self.lease = bucket, lease
        self._partitions, self._lease_s, self._fixed = partitions, lease_s, fixed
        self._host, self._pid = here(), os.getpid()
        self._seen: dict[str, tuple[int, float]] = {}
        self._beat = 0
        self.name = self._new_name()
        self.owned: frozenset[int] = frozenset()
        self.surplus: frozenset[int] = frozenset()

    def _new_name(self) -> str:
        return f"{socket.gethostname()}.{self._pid}.{uuid.uuid4().hex[:8]}"

    async def beat(self, ended: Set[int] = frozenset()) -> None:
        """One beat; ``ended``: partitions whose workers no longer run. Raises nats errors; then the lease runs out.

        Who finds that others have taken over joins with the next beat: until then its lease is over, or its workers,
        which do not know yet, would go on under the new one.
        """
        for _ in range(_ATTEMPTS):
            registry, revision = await self._read()
            if self._beat and self.name not in registry.members:
                logger.warning("others have taken over what was ours", extra={"partitions": sorted(self.owned)})
                metrics.TAKEN_AWAY.inc(len(self.owned))
                self.lease.end()
                self.owned = self.surplus = frozenset()
                self._beat, self.name = 0, self._new_name()
                return
            next_one = advance(
                registry, self.name, self._member(), partitions=self._partitions, dead=self._dead(registry), ended=ended
            )
            sent_at = self.lease.clock()
            if await self._write(next_one, revision):
                self._accept(next_one, sent_at)
                return
        raise KeyWrongLastSequenceError(description="the registry changes faster than it can be read")

    def _accept(self, registry: Registry, sent_at: float) -> None:
        self._beat += 1
        self.lease.renew(sent_at, self._lease_s)
        owned = registry.owned_by(self.name)
        if owned != self.owned:
            logger.info("partitions", extra={"owned": sorted(owned), "members": len(registry.members)})
        self.owned = owned
        self.surplus = surplus(registry, self.name, self._partitions)
        metrics.OWNED.set(len(owned))
        metrics.MEMBERS.set(len(registry.members))

    async def leave(self) -> None:
        """Give everything up at once; the workers have ended. Raises nats errors (others then wait for the lease)."""
        for _ in range(_ATTEMPTS):
            registry, revision = await self._read()
            if self.name not in registry.members or await self._write(without(registry, self.name), revision):
                break
        self.lease.end()
        self.owned = frozenset()

    def _member(self) -> Member:
        return Member(
            beat=self._beat + 1, host=self._host, pid=self._pid, started=started(self._pid), fixed=self._fixed
        )

    def _dead(self, registry: Registry) -> set[str]:
        now, dead = self.lease.clock(), set()
        for name, member in registry.members.items():
            if name == self.name:
                continue
            beat, since = self._seen.get(name, (-1, now))
            if beat != member.beat:
                since = now
            self._seen[name] = (member.beat, since)
            gone = member.host == self._host and started(member.pid) != member.started
            if gone or now - since > self._lease_s * _PATIENCE:
                logger.warning("a storage service is gone", extra={"member": name, "killed": gone})
                dead.add(name)
        self._seen = {name: seen for name, seen in self._seen.items() if name in registry.members}
        return dead

    async def _read(self) -> tuple[Registry, int]:
        try:
            entry = await self._bucket.get(KEY)
        except KeyNotFoundError:
            return Registry(), 0
        return msgspec.json.decode(entry.value or b"", type=Registry), entry.revision or 0

    async def _write(self, registry: Registry, revision: int) -> bool:
        try:
            await self._bucket.update(KEY, _ENCODER.encode(registry), last=revision)
        except KeyWrongLastSequenceError:
            return False
        return True
