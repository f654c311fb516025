"""Who owns which partition: laws over any history of beats, deaths and departures; the lease's two clocks."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from storage_service.lease import Lease, LeaseLost
from storage_service.ownership import Ownership, here, started
from storage_service.registry import Member, Registry, advance, parse_partitions, share, surplus, without


def member(beat: int = 1, fixed: tuple[int, ...] | None = None) -> Member:
    return Member(beat=beat, host="elsewhere", pid=1, started="", fixed=fixed)


def settle(registry: Registry, names: dict[str, tuple[int, ...] | None], partitions: int) -> Registry:
    """Beats in turn until nothing moves; every worker that should end has ended by its next beat."""
    for _ in range(2 * partitions + 4):
        for name, fixed in names.items():
            mine = surplus(registry, name, partitions) if name in registry.members else frozenset()
            registry = advance(registry, name, member(fixed=fixed), partitions=partitions, dead=set(), ended=mine)
    return registry


NAMES = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=5, unique=True)


@settings(deadline=None)
@given(st.integers(1, 16), NAMES, st.data())
def test_after_any_change_every_partition_has_one_owner_and_shares_differ_by_one(partitions, names, data) -> None:
    registry = settle(Registry(), dict.fromkeys(names), partitions)
    for _ in range(data.draw(st.integers(1, 4))):
        names = data.draw(NAMES)
        dead = registry.members.keys() - set(names)
        if data.draw(st.booleans()):
            for name in dead:
                registry = without(registry, name)
        else:
            registry = advance(registry, names[0], member(), partitions=partitions, dead=dead, ended=set())
        registry = settle(registry, dict.fromkeys(names), partitions)
        assert registry.owners.keys() == set(range(partitions))
        sizes = [len(registry.owned_by(name)) for name in names]
        assert sum(sizes) == partitions
        assert max(sizes) - min(sizes) <= 1


@settings(deadline=None)
@given(st.integers(1, 12), NAMES, st.data())
def test_nobody_loses_a_partition_whose_worker_still_runs(partitions, names, data) -> None:
    registry = settle(Registry(), dict.fromkeys(names), partitions)
    newcomer = advance(registry, "z", member(), partitions=partitions, dead=set(), ended=set())
    for name in names:
        again = advance(newcomer, name, member(), partitions=partitions, dead=set(), ended=set())
        assert again.owned_by(name) == registry.owned_by(name)
        running = registry.owned_by(name) - surplus(again, name, partitions)
        given_up = advance(again, name, member(), partitions=partitions, dead=set(), ended=set(range(partitions)))
        assert running <= given_up.owned_by(name)


def test_fixed_partitions_go_to_who_was_told_and_the_others_share_the_rest() -> None:
    names: dict[str, tuple[int, ...] | None] = {"a": None, "b": (0, 1, 2), "c": None}
    registry = settle(settle(Registry(), {"a": None}, 8), names, 8)
    assert registry.owned_by("b") == {0, 1, 2}
    assert sorted(len(registry.owned_by(name)) for name in "ac") == [2, 3]
    assert share(registry, "b", 8) == 3
    registry = settle(registry, {**names, "d": (2, 3)}, 8)
    assert registry.owned_by("b") == {0, 1, 2}, "who was there first keeps it"
    assert registry.owned_by("d") == {3}


@pytest.mark.parametrize(
    ("text", "expected"), [("auto", None), ("0-3", (0, 1, 2, 3)), ("5, 1-2,2", (1, 2, 5)), ("7", (7,))]
)
def test_partitions_are_read(text: str, expected: tuple[int, ...] | None) -> None:
    assert parse_partitions(text, 8) == expected


@pytest.mark.parametrize("text", ["", "8", "1-", "x", "3-1", "-1", "0-8"])
def test_partitions_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="partitions"):
        parse_partitions(text, 8)


@dataclass
class Entry:
    value: bytes
    revision: int


class Bucket:
    """One key of a KV bucket, with its compare and set."""

    def __init__(self) -> None:
        self.value, self.revision = b"", 0

    async def get(self, key: str) -> Entry:
        if not self.revision:
            raise KeyNotFoundError
        return Entry(self.value, self.revision)

    async def update(self, key: str, value: bytes, last: int) -> int:
        await asyncio.sleep(0)
        if last != self.revision:
            raise KeyWrongLastSequenceError
        self.value, self.revision = value, self.revision + 1
        return self.revision


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def join(bucket: Bucket, clock: Clock, host: str) -> Ownership:
    ownership = Ownership(bucket, Lease(clock), partitions=4, lease_s=10)  # type: ignore[arg-type]
    ownership._host = host
    return ownership


async def test_a_sleeper_is_replaced_after_its_lease_and_knows_it_when_it_wakes() -> None:
    bucket, clock = Bucket(), Clock()
    sleeper, other = join(bucket, clock, "one"), join(bucket, clock, "two")
    await asyncio.gather(sleeper.beat(), other.beat())
    await sleeper.beat()
    await sleeper.beat(sleeper.surplus)
    await other.beat()
    assert len(sleeper.owned) == len(other.owned) == 2
    for _ in range(6):
        clock.now += 2
        await other.beat()
    assert sleeper.lease.left < 0, "its lease is over before anyone takes over"
    assert len(other.owned) == 2
    clock.now += 2
    await other.beat()
    assert other.owned == {0, 1, 2, 3}
    with pytest.raises(LeaseLost):
        sleeper.lease.check()
    name = sleeper.name
    await sleeper.beat()
    assert sleeper.name != name
    assert sleeper.owned == frozenset()
    with pytest.raises(LeaseLost):  # its workers have not been ended yet
        sleeper.lease.check()
    await sleeper.beat()
    assert sleeper.lease.left > 0
    assert sleeper.owned == frozenset(), "everything is another's until it gives up a share"
    await other.beat()
    await other.beat(other.surplus)
    await sleeper.beat()
    assert len(sleeper.owned) == len(other.owned) == 2
    await sleeper.leave()
    await other.beat()
    assert other.owned == {0, 1, 2, 3}


async def test_a_killed_neighbour_is_replaced_at_once() -> None:
    bucket, clock = Bucket(), Clock()
    dead, other = join(bucket, clock, here()), join(bucket, clock, here())
    dead._pid = 2**22 + 1  # above any pid there is
    dead._member = lambda: Member(beat=1, host=here(), pid=dead._pid, started="7")  # type: ignore[method-assign]
    await dead.beat()
    await other.beat()
    assert other.owned == {0, 1, 2, 3}
    assert started(os.getpid()).isdecimal()


def test_the_servers_deadline_is_never_later_than_ours() -> None:
    clock = Clock()
    lease = Lease(clock)
    lease.renew(clock.now, 10)
    assert lease.server_deadline_ms() is None
    lease.learn_server_clock(5_000_000, clock.now + 3)  # the answer took up to three seconds
    assert lease.server_deadline_ms() == 5_000_000 + 7_000
    lease.end()
    assert lease.left < 0
