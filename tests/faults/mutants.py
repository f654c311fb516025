"""``python -m tests.faults.mutants [NAME…]``: the fault plan must fail for each way in which delivery can be broken.

Five take a part out of the storage service (``mutant_storage``), three are done to the running chain. The schedules are
those of the plan, drawn among kills that can matter. Prints how each was noticed; exit 1 when one was not, or not by
the harm that it does (``HARM``).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from marketprism.streams import stream_config
from storage_service.faultpoints import POINTS
from tests.faults.chain import Chain, StandsStill
from tests.faults.compare_ledger import Verdict, compare
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


HARM: Final[dict[str, str]] = {
    "ack_before_insert": "lost",
    "token_dropped": "doubled",
    "block_cut_changed_on_retry": "doubled",
    "state_recovered_with_the_intent": "halts",  # the replay's digest is not the intent's
    "durable_not_reset": "stands still",  # newer messages come first, and the worker refuses to pass over the others
    "view_that_throws": "halts",
    "stream_recreated": "lost",
    "replace_without_the_lock": "lost",
}
"""What each must be noticed by."""


def noticed(name: str, directory: Path, seed: int, patience_s: float) -> tuple[str, str]:
    """(what the plan notices, in detail); empty when it notices nothing before its patience ends."""
    chain, chance = None, random.Random(seed)
    disturb = DONE_TO_THE_CHAIN.get(name, undisturbed)
    try:
        chain = open_chain(directory, seed, mutant=name if name in MUTANTS else "")
        until = time.monotonic() + patience_s
        with disturb(chain):
            for kills in schedules(chance):
                verdict = run_schedule(chain, kills if name in MUTANTS else [], SETTLE_S)
                if not verdict.exact:
                    return _harm(verdict), str(kills[0]) if name in MUTANTS else "under load"
                if time.monotonic() > until:
                    break
    except StandsStill as error:
        assert chain is not None
        verdict = compare(chain.ledger.trades, chain.tables)
        return ("doubled" if verdict.doubled else "stands still"), f"{_harm(verdict)}; {error}"[:150]
    except AssertionError as error:
        detail = str(error).partition("\n")[0][:150]
        if chain is None or "stopped storing" not in detail:
            return "ends", detail
        doubled = compare(chain.ledger.trades, chain.tables).doubled  # it may halt over what it has just doubled
        return "halts" + (f", doubled {doubled}" if doubled else ""), detail
    finally:
        if chain is not None:
            chain.close()
    return "", ""


def _harm(verdict: Verdict) -> str:
    found = {"lost": verdict.lost, "doubled": verdict.doubled, "wrong": len(verdict.wrong)}
    return ", ".join(f"{word} {count}" for word, count in found.items() if count)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *HARM], help=", ".join(HARM) + " [all]")
    parser.add_argument(
        "--patience-s", type=float, default=180.0, help="a mutant that is not noticed by then is missed"
    )
    given = parser.parse_args()
    missed, began = 0, time.monotonic()
    seeds = {name: 100 + number for number, name in enumerate(HARM)}  # by name the same run as among all
    for name in given.names or HARM:
        with tempfile.TemporaryDirectory(prefix="marketprism-mutant-") as temporary:
            how, detail = noticed(name, Path(temporary), seeds[name], given.patience_s)
        right = HARM[name] in how
        missed += not right
        verdict = "noticed" if right else f"NOTICED OTHERWISE (must be: {HARM[name]})" if how else "NOT NOTICED"
        print(f"{name}: {verdict}: {how}; {detail}", flush=True)
    print(f"mutants not noticed for what they break: {missed} of {len(given.names or HARM)}; "
          f"{time.monotonic() - began:.0f} s")  # fmt: skip
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
