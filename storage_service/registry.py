"""Who owns which partition: one small document in the KV bucket, changed by compare-and-set only. No I/O here.

Members say that they live by counting ``beat`` up. Whoever finds a member dead takes it out, and its partitions become
free in the same write; whoever holds more than its share gives up partitions whose workers have ended.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

import msgspec

KEY: Final = "owners"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A storage process. ``fixed``: the partitions it was told to store; None = a share of what nobody was told to.

    ``host`` (name, boot and pid namespace), ``pid`` and ``started`` say whether it still lives to those beside it.
    """

    beat: int
    host: str
    pid: int
    started: str
    fixed: tuple[int, ...] | None = None


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """Members by id; partition → id of its owner. A partition that is missing is free."""

    members: dict[str, Member] = {}
    owners: dict[int, str] = {}

    def owned_by(self, name: str) -> frozenset[int]:
        """The partitions of a member."""
        return frozenset(partition for partition, owner in self.owners.items() if owner == name)


def reserved(registry: Registry) -> frozenset[int]:
    """Partitions that some member was told to store."""
    return frozenset(p for member in registry.members.values() for p in member.fixed or ())


def share(registry: Registry, name: str, partitions: int) -> int:
    """How many partitions the member should own: its fixed ones, or an equal part of the others."""
    fixed = registry.members[name].fixed
    if fixed is not None:
        return len(fixed)
    sharing = sorted(other for other, member in registry.members.items() if member.fixed is None)
    free = len(frozenset(range(partitions)) - reserved(registry))
    return free // len(sharing) + (sharing.index(name) < free % len(sharing))


def surplus(registry: Registry, name: str, partitions: int) -> frozenset[int]:
    """Partitions that the member holds and should give up: those of others, and the highest above its share."""
    mine = registry.owned_by(name)
    fixed = registry.members[name].fixed
    foreign = mine & reserved(registry) if fixed is None else mine - frozenset(fixed)
    rest = sorted(mine - foreign)
    return foreign | frozenset(rest[share(registry, name, partitions) :])


def advance(
    registry: Registry, name: str, member: Member, *, partitions: int, dead: Set[str], ended: Set[int]
) -> Registry:
    """The registry after a beat of ``name``: the dead are out, what it should not hold is given up, free ones taken.

    ``ended``: partitions whose workers no longer run; only these are given up.
    """
    members = {other: m for other, m in registry.members.items() if other not in dead} | {name: member}
    owners = {p: owner for p, owner in registry.owners.items() if owner in members and p < partitions}
    next_one = Registry(members=members, owners=owners)
    for partition in surplus(next_one, name, partitions) & ended:
        del owners[partition]
    wanted = member.fixed if member.fixed is not None else sorted(set(range(partitions)) - reserved(next_one))
    room = share(next_one, name, partitions) - len(next_one.owned_by(name))
    for partition in [p for p in wanted if p not in owners][: max(0, room)]:
        owners[partition] = name
    return next_one


def without(registry: Registry, name: str) -> Registry:
    """The registry after a member has left: its partitions are free."""
    members = {other: member for other, member in registry.members.items() if other != name}
    return Registry(members=members, owners={p: owner for p, owner in registry.owners.items() if owner != name})


def parse_partitions(text: str, partitions: int) -> tuple[int, ...] | None:
    """``auto`` → None; ``0-3,6`` → (0, 1, 2, 3, 6). Raises ValueError saying what is wrong."""
    if text.strip().lower() == "auto":
        return None
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"partitions {text!r} are not `auto` or a list such as 0-3,6")
        found |= set(range(int(first), int(last or first) + 1))
    if not found or max(found) >= partitions:
        raise ValueError(
            f"partitions {text!r} are not among 0-{partitions - 1}: MARKETPRISM_NATS_PARTITIONS is {partitions}"
        )
    return tuple(sorted(found))
