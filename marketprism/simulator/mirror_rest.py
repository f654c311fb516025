"""What the REST interfaces of simulated OKX and Deribit share: finding the instrument, stamps, refusals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from marketprism.simulator.binance_rest import RECEIVED_AT
from marketprism.simulator.mirrors import Follower

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answer = Callable[[web.Request], str]


class MirrorRest(ABC):
    """``refuses``: a fault, True answers this request as one too many."""

    exchange: str
    too_many: str

    def __init__(
        self, followers: Sequence[Follower], seed: int, now_us: Callable[[], int], refuses: Callable[[], bool]
    ):
        self.followers = [each for each in followers if each.spec.exchange == self.exchange]
        self._followers = {each.spec.symbol: each for each in self.followers}
        self._seed = seed
        self._now_us = now_us
        self._refuses = refuses

    @abstractmethod
    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Every path that is answered."""

    @abstractmethod
    def failed(self, reason: str) -> str:
        """The exchange's words for a request that cannot be answered."""

    @property
    def now_ms(self) -> int:
        return self._now_us() // 1000

    def handler(self, answer: Answer) -> Handler:
        """Wrap an answer: KeyError and ValueError are the client's fault."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if self._refuses():
                return self._respond(self.too_many, 429)
            try:
                return self._respond(answer(request))
            except (KeyError, ValueError) as error:
                return self._respond(self.failed(f"{type(error).__name__}: {error}"), 400)

        return handle

    def follower(self, symbol: str) -> Follower:
        """Raises KeyError."""
        return self._followers[symbol]

    def _respond(self, text: str, status: int = 200) -> web.Response:
        headers = {RECEIVED_AT: f"{self._now_us():016d}", **({"Retry-After": "1"} if status == 429 else {})}
        return web.Response(text=text, status=status, content_type="application/json", headers=headers)
