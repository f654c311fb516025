"""Weights are kept, 429 and Retry-After respected, failures typed."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from collector.clock import StampedClock
from collector.limiter import Blocked, Budget, Limiter
from collector.metrics import CollectorMetrics
from collector.rest import RestClient, RestError
from collector.venues.bybit import rest as bybit
from collector.venues.bybit.rest import BybitRest

VENUE = ("binance", "spot")
BUDGET = Budget("test", 100)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@given(st.lists(st.integers(1, 60), min_size=1, max_size=60))
async def test_no_window_holds_more_than_the_budget(weights: list[int]) -> None:
    time = Time()
    limiter = Limiter(Budget("test", 120, window_s=60, use=0.5), time.monotonic, time.sleep)
    spent: list[tuple[float, int]] = []
    for weight in weights:
        await limiter.acquire(weight)
        spent.append((time.now, weight))
    for start, _ in spent:
        assert sum(weight for at, weight in spent if start <= at < start + 59.99) <= 60


@pytest.mark.parametrize(("urgent", "at_once"), [(True, 4), (False, 3)])
async def test_the_budget_of_a_window_may_be_spent_at_once(urgent: bool, at_once: int) -> None:
    time = Time()
    limiter = Limiter(Budget("test", 100, window_s=60, use=0.8), time.monotonic, time.sleep)
    times = []
    for _ in range(9):
        await limiter.acquire(20, urgent=urgent)
        times.append(time.now)
    assert times == [number // at_once * 60 for number in range(9)]


async def test_what_the_venue_says_is_used_counts() -> None:
    time = Time()
    limiter = Limiter(Budget("test", 60, window_s=60, use=1.0), time.monotonic, time.sleep)
    limiter.observe(60)
    await limiter.acquire(10)
    assert time.now == pytest.approx(60.0)  # its window may have begun a moment ago
    limiter.block(60)
    await limiter.acquire(1)
    assert time.now >= 120.0


async def test_a_silence_that_may_last_for_days_is_told_and_not_waited_for() -> None:
    time = Time()
    limiter = Limiter(Budget("test", 60), time.monotonic, time.sleep)
    limiter.block(3 * 86_400)
    for urgent in (False, True):
        with pytest.raises(Blocked, match="nothing may be asked for 259200 s"):
            await limiter.acquire(1, urgent=urgent)
    time.now += 3 * 86_400
    await limiter.acquire(1)


async def test_a_hole_in_trades_does_not_wait_behind_the_books_of_a_start() -> None:
    limiter, served = Limiter(Budget("test", 100, window_s=0.4, use=1.0)), []

    async def ask(name: str, *, urgent: bool) -> None:
        await limiter.acquire(5, urgent=urgent)
        served.append(name)

    books = [asyncio.create_task(ask("book", urgent=False)) for _ in range(60)]
    await asyncio.sleep(0)
    holes = [asyncio.create_task(ask("hole", urgent=True)) for _ in range(3)]
    await asyncio.wait_for(asyncio.gather(*holes), 5)
    assert served == ["book"] * 17 + ["hole"] * 3
    await asyncio.wait_for(asyncio.gather(*books), 10)
    assert served.count("book") == 60


async def test_what_others_use_is_waited_for_although_it_is_more_than_our_share() -> None:
    time = Time()
    limiter = Limiter(Budget("test", 100, window_s=60, use=0.8), time.monotonic, time.sleep)
    await limiter.acquire(10)
    time.now = 20.0
    limiter.observe(100)
    await limiter.acquire(1)
    assert time.now == pytest.approx(80.0)


async def ask(handler, weight: int = 1) -> tuple[RestClient, str]:
    application = web.Application()
    application.add_routes([web.get("/{path:.*}", handler)])
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = RestClient(StampedClock(), CollectorMetrics(CollectorRegistry()))
    await client.__aenter__()
    client.runner = runner  # type: ignore[attr-defined]
    return client, f"http://127.0.0.1:{runner.addresses[0][1]}/x"


async def close(client: RestClient) -> None:
    await client.__aexit__()
    await client.runner.cleanup()  # type: ignore[attr-defined]


async def test_a_limit_answer_blocks_the_pool_for_as_long_as_it_says() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "77"}, text="slow down")

    client, url = await ask(handler)
    with pytest.raises(RestError, match="answers 429: slow down") as caught:
        await client.get(VENUE, url, {}, budget=BUDGET, weight=1)
    assert not caught.value.permanent
    assert 76 < client.limiter(BUDGET)._delay(1) <= 77
    await close(client)


async def test_a_ban_blocks_every_pool_of_the_host() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=418, headers={"Retry-After": "77"}, text="banned")

    client, url = await ask(handler)
    other, later = Budget("other", 100), Budget("later", 100)
    elsewhere = "http://127.0.0.1:1/x"
    assert client._pool(url, other)._delay(1) <= 0
    assert client._pool(elsewhere, Budget("elsewhere", 100))._delay(1) <= 0
    with pytest.raises(RestError, match="answers 418"):
        await client.get(VENUE, url, {}, budget=BUDGET, weight=1)
    for budget in (BUDGET, other, later):
        assert 76 < client._pool(url, budget)._delay(1) <= 77
    assert client._pool(elsewhere, Budget("elsewhere", 100))._delay(1) <= 0
    await close(client)


@pytest.mark.parametrize(
    ("status", "body", "blocked_s"),
    [
        (403, "403, access too frequent", 600),
        (403, "not from your country", 0),
        (200, '{"retCode":10006,"retMsg":"Too many visits!"}', 5),
    ],
)
async def test_bybit_is_left_alone_when_it_says_so(status: int, body: str, blocked_s: float) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    client, url = await ask(handler)
    address = url.removesuffix("/x")
    with pytest.raises(RestError) as caught:
        await BybitRest(client, "linear", address).get("tickers", list[int], {})
    assert caught.value.permanent is (blocked_s == 0)
    delay = client.limiter(bybit.BUDGET)._delay(1)
    assert max(0.0, blocked_s - 1) <= max(0.0, delay) <= blocked_s
    await close(client)


async def test_answers_carry_their_stamp_and_used_weight() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"{}", headers={"X-Received-At": "1700000000000123", "X-MBX-USED-WEIGHT-1M": "50"})

    client, url = await ask(handler)
    response = await client.get(VENUE, url, {}, budget=BUDGET, weight=1, used_header="X-MBX-USED-WEIGHT-1M")
    assert (response.body, response.received_at) == (b"{}", 1_700_000_000_000_123)
    assert client.limiter(BUDGET)._used == 50
    await close(client)


async def test_client_errors_are_permanent_and_silence_is_not() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=400, text="bad symbol")

    client, url = await ask(handler)
    with pytest.raises(RestError, match="bad symbol") as caught:
        await client.get(VENUE, url, {}, budget=BUDGET, weight=1)
    assert caught.value.permanent
    await client.runner.cleanup()  # type: ignore[attr-defined]
    with pytest.raises(RestError, match="does not answer") as caught:
        await client.get(VENUE, url, {}, budget=BUDGET, weight=1)
    assert (caught.value.status, caught.value.permanent) == (0, False)
    await close(client)
