"""``python -m tests.faults.mutants [NAME…]``: the fault plan must fail for each way in which delivery can be broken.

Five take a part out of the storage service (``mutant_storage``), three are done to the running chain. The schedules are
those of the plan, drawn among kills that can matter. Prints how each was noticed; exit 1 when one was not.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from marketprism.streams import stream_config
from storage_service.faultpoints import POINTS
from tests.faults.chain import Chain
from tests.faults.mutant_storage import MUTANTS
from tests.faults.schedules import Kill, open_chain, run_schedule

SETTLE_S: Final = 40.0


def schedules(chance: random.Random) -> Iterator[list[Kill]]:
    """The service dies at each step of its protocol; between them ClickHouse dies."""
    for point in chance.sample(POINTS, len(POINTS)):
        yield [Kill("storage", 0.3, 0.0, point), Kill("clickhouse", chance.uniform(0.1, 0.6), 0.0)]
    yield [Kill("clickhouse", 0.5, 0.2), Kill("storage", 0.2, 0.0)]
    yield [Kill("nats", 0.5, 0.2), Kill("storage", 0.2, 0.0)]


@contextmanager
def undisturbed(_: Chain) -> Iterator[None]:
    yield


@contextmanager
def view_that_throws(chain: Chain) -> Iterator[None]:
    """Rows of one side cannot pass a view on the trades."""
    chain.client().command(
        "CREATE MATERIALIZED VIEW marketprism_features.broken_mv ENGINE = MergeTree ORDER BY x AS "
        "SELECT throwIf(sequence % 50 = 0) AS x FROM marketprism_hot.trades"
    )
    yield


@contextmanager
def stream_recreated(chain: Chain) -> Iterator[None]:
    """The trades' stream is deleted and made again under load: what was not stored yet is gone."""

    async def again() -> None:
        nc, js = await chain.connect()
        config = stream_config("trades", 0, chain.nats_settings)
        await js.delete_stream(config.name)
        await js.add_stream(config)
        await nc.close()

    chain.kill("storage")
    threading.Event().wait(0.5)  # messages that nobody has stored
    asyncio.run(again())
    chain.start("storage")
    yield


@contextmanager
def replace_without_the_lock(chain: Chain) -> Iterator[None]:
    """Partitions are copied and replaced beside the writer, as a rebuild without its hold would."""
    stop = threading.Event()

    def work() -> None:
        client = chain.client()
        client.command("CREATE TABLE marketprism_hot.shadow AS marketprism_hot.trades")
        while not stop.wait(0.05):
            client.command("TRUNCATE TABLE marketprism_hot.shadow")
            client.command("INSERT INTO marketprism_hot.shadow SELECT * FROM marketprism_hot.trades")
            for (part,) in chain.rows(
                "SELECT DISTINCT partition_id FROM system.parts WHERE active AND table = 'shadow' "
                "AND database = 'marketprism_hot'"
            ):
                client.command(
                    f"ALTER TABLE marketprism_hot.trades REPLACE PARTITION ID '{part}' FROM marketprism_hot.shadow"
                )

    thread = threading.Thread(target=work)
    thread.start()
    threading.Event().wait(3)
    stop.set()
    thread.join()
    yield


DONE_TO_THE_CHAIN: Final[dict[str, Callable[[Chain], AbstractContextManager[None]]]] = {
    "view_that_throws": view_that_throws,
    "stream_recreated": stream_recreated,
    "replace_without_the_lock": replace_without_the_lock,
}


def noticed(name: str, directory: Path, seed: int) -> str:
    """How the plan notices the mutant; empty when it does not."""
    chain, chance = None, random.Random(seed)
    disturb = DONE_TO_THE_CHAIN.get(name, undisturbed)
    try:
        chain = open_chain(directory, seed, mutant=name if name in MUTANTS else "")
        with disturb(chain):
            for kills in schedules(chance):
                verdict = run_schedule(chain, kills if name in MUTANTS else [], SETTLE_S)
                if not verdict.exact:
                    return f"lost {verdict.lost}, doubled {verdict.doubled}, wrong {len(verdict.wrong)}"
    except AssertionError as error:
        return str(error).partition(";")[0].partition("\n")[0][:150]
    finally:
        if chain is not None:
            chain.close()
    return ""


def main() -> int:
    missed = 0
    for number, name in enumerate(sys.argv[1:] or [*MUTANTS, *DONE_TO_THE_CHAIN]):
        with tempfile.TemporaryDirectory(prefix="marketprism-mutant-") as temporary:
            how = noticed(name, Path(temporary), 100 + number)
        missed += not how
        print(f"{name}: {'noticed: ' + how if how else 'NOT NOTICED'}", flush=True)
    print(f"mutants not noticed: {missed}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
