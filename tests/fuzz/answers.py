"""Mutated REST answers into every venue: whatever a venue asks for, it gets rows or a refusal that is counted.

Each question that a session asks (instruments, volumes, books, missing trades, polls) is asked as the session asks it,
and answered with a recorded body, nine of ten times mutated.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final

from collector.rest import Response, RestError
from collector.venue import BookUpdate, RepairPage
from tests.fuzz.corpus import corpus, path_of
from tests.fuzz.mutations import mutated
from tests.fuzz.payloads import Source, into_storage, make
from tests.unit.collector.feeding import Core

_FIRST: Final = 1_000_000


class Exchange:
    """Answers GETs with what was once recorded for the path, most times mutated; other paths are not found."""

    def __init__(self, venue: str, chance: random.Random) -> None:
        self._answers = corpus().answers(venue)
        self._all = [body for bodies in self._answers.values() for body in bodies]
        self._chance = chance
        self._at = max(record.received_at for record in corpus().records if record.venue == venue)
        self.broken = True

    async def get(self, _: tuple[str, str], url: str, __: Mapping[str, Any], **___: Any) -> Response:
        path = path_of(url)
        bodies = next((found for known, found in self._answers.items() if known.endswith(path)), None)
        if bodies is None:
            raise RestError(404, f"{path} is not recorded")
        body = self._chance.choice(bodies)
        if self.broken and self._chance.random() < 0.9:
            body = mutated(self._chance, body, self._all)
        return Response(body, self._at)


def _questions(core: Core, symbol: str) -> dict[str, Any]:
    venue = core.venue
    asked: dict[str, Any] = {
        "instruments": venue.fetch_instruments,
        "volumes": venue.fetch_volumes,
        "book": lambda: venue.fetch_book(symbol),
        "trades": lambda: venue.fetch_trades(symbol, "trade", _FIRST, _FIRST + 10),
    }
    for poll in venue.polls():
        asked[poll.name] = lambda poll=poll: poll.fetch(symbol if poll.per_symbol else "", 0)
    return asked


def _take(core: Core, answer: object) -> None:
    """What a session does with an answer. Volumes only choose symbols."""
    if isinstance(answer, BookUpdate):
        core.market.snapshot(answer)
    elif isinstance(answer, RepairPage):
        for trade in answer.trades:
            core.market.trade(trade)
        core.market.publish_polled(answer.others)
    elif isinstance(answer, Sequence):
        core.market.publish_polled(answer)


async def _ask(core: Core, question: Awaitable[Any]) -> bool:
    try:
        answer = await core.market.asked(question)
    except RestError:
        return False
    _take(core, answer)
    return True


def _source(venue: str) -> Source:
    """Bybit's REST gives books of the deepest stream only."""
    return Source(venue, settings={"bybit_book_depth": 1000})


def fuzz_answers(venue: str, seed: int, count: int) -> Counter[str]:
    """``count`` questions to one venue. Raises what the venue raises beside RestError, and for a row that vanishes."""
    chance, counts = random.Random(f"{venue}{seed}"), Counter[str]()
    source, done = _source(venue), 0
    symbol = source.instruments()[0].symbol
    while done < count:
        core, exchange = make(source), Exchange(venue, chance)
        core.venue._api._client.get = exchange.get  # type: ignore[attr-defined]
        questions = _questions(core, symbol)
        for _ in range(min(500, count - done)):
            name = chance.choice(sorted(questions))
            counts["understood" if asyncio.run(_ask(core, questions[name]())) else "refused"] += 1
            done += 1
        counts["refused"] += sum(core.errors().values())
        counts += into_storage(venue, core.rows)
    counts["questions"] = done
    return counts


def unmutated(venue: str) -> Counter[str]:
    """Each question with its recorded answer: which of them are understood."""
    core, exchange = make(_source(venue)), Exchange(venue, random.Random(1))
    exchange.broken = False
    core.venue._api._client.get = exchange.get  # type: ignore[attr-defined]
    symbol = _source(venue).instruments()[0].symbol
    return Counter(name for name, ask in _questions(core, symbol).items() if asyncio.run(_ask(core, ask())))
