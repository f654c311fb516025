"""``python -m tests.faults.mutant_storage NAME``: the storage service with one part of its protocol taken out.

The fault plan must notice each of them; a plan that does not notice proves nothing.
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Callable
from typing import Any, Final

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError

import storage_service.worker as worker
from marketprism.errors import MarketPrismError
from storage_service.clickhouse_io import Warehouse
from storage_service.faultpoints import reach
from storage_service.position import Cell, Ranges
from storage_service.pull import Puller
from storage_service.recover import Below
from storage_service.service import run


def ack_before_insert() -> None:
    async def store(self: Any, step: Any) -> None:
        cell = self._intent(step.batch, step.prepared)
        await self._puller.ack(step.batch.frames[-1])
        await self._positions.write(self.data_type, worker._done(cell))
        reach("after_intent", self.data_type)
        await self._insert(cell, step.prepared)

    worker.Worker._store = store  # type: ignore[method-assign]


def token_dropped() -> None:
    insert = Warehouse.insert

    async def without(self: Any, table: str, batch: Any, names: list[str], token: str) -> None:
        await insert(self, table, batch, names, uuid.uuid4().hex)

    Warehouse.insert = without  # type: ignore[method-assign]


def block_cut_changed_on_retry() -> None:
    async def replay(self: Any, intent: Cell) -> None:
        self._intake.expected = intent.first

    worker.Worker._replay = replay  # type: ignore[method-assign]


def state_recovered_with_the_intent() -> None:
    recover = worker.Worker._recover

    async def beyond(self: Any, below: Below, holes: Ranges) -> None:
        await recover(self, Below(below.position + 1_000_000, below.epoch), holes)

    worker.Worker._recover = beyond  # type: ignore[method-assign]


def durable_not_reset() -> None:
    async def resume(self: Any, sequence: int) -> None:
        delete, self._js.delete_consumer = self._js.delete_consumer, _nothing
        add, self._js.add_consumer = self._js.add_consumer, self._js.add_consumer

        async def existing(stream: str, config: ConsumerConfig) -> Any:
            try:
                return await self._js.consumer_info(stream, config.durable_name)
            except APIError:
                fresh = ConsumerConfig(
                    durable_name=config.durable_name,
                    deliver_policy=DeliverPolicy.ALL,
                    ack_policy=AckPolicy.ALL,
                    max_ack_pending=config.max_ack_pending,
                )
                return await add(stream, fresh)

        self._js.add_consumer = existing
        try:
            await start(self, sequence)
        finally:
            self._js.delete_consumer, self._js.add_consumer = delete, add

    start = Puller.start
    Puller.start = resume  # type: ignore[method-assign]


async def _nothing(*_: Any) -> None:
    return


MUTANTS: Final[dict[str, Callable[[], None]]] = {
    "ack_before_insert": ack_before_insert,
    "token_dropped": token_dropped,
    "block_cut_changed_on_retry": block_cut_changed_on_retry,
    "state_recovered_with_the_intent": state_recovered_with_the_intent,
    "durable_not_reset": durable_not_reset,
}


def main() -> int:
    MUTANTS[sys.argv[1]]()
    try:
        asyncio.run(run())
    except MarketPrismError as error:
        sys.stderr.write(f"storage: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
