"""A process that others have replaced: its workers end before it joins again, and so before its lease is renewed."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from typing import Any

import pytest

from marketprism.settings import ClickHouseSettings, NatsSettings, StorageSettings
from storage_service.crew import Group
from storage_service.service import StorageService


class Stays:
    """A worker in the middle of something."""

    async def run(self) -> None:
        await asyncio.Event().wait()

    def tell_no_more(self) -> None:
        return


class Beats:
    """An ownership whose first beat finds that others have taken over."""

    surplus: frozenset[int] = frozenset()

    def __init__(self, service: StorageService, group: Group) -> None:
        self._service, self._group = service, group
        self.owned = frozenset({0})
        self.workers_ended: list[bool] = []

    async def beat(self, ended: Set[int]) -> None:
        self.workers_ended.append(self._group.task.done())
        self.owned = frozenset()
        if len(self.workers_ended) == 2:
            self._service.stop.set()


async def test_workers_of_what_was_taken_over_end_before_the_next_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        return

    settings = StorageSettings(_env_file=None, lease_s=3.0)
    service = StorageService(ClickHouseSettings(_env_file=None), NatsSettings(_env_file=None), settings)
    monkeypatch.setattr(service, "_keep_days", nothing)
    monkeypatch.setattr(service._warehouse, "read_clock", nothing)
    group = Group(workers=[Stays()])  # type: ignore[list-item]
    group.run()
    service._groups[0] = group
    ownership = Beats(service, group)
    await service._own(ownership)  # type: ignore[arg-type]
    assert ownership.workers_ended == [False, True]
    assert service._groups == {}
