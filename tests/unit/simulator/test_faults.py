"""Misbehaviours one by one, against a client that records what reaches it."""

from __future__ import annotations

from collections import Counter

import pytest

from marketprism.errors import SettingsError
from marketprism.simulator.faults import FRAME_FAULTS, KINDS, STALL_US, Faults, with_unknown_fields

MESSAGE = '{"stream":"btcusdt@trade","data":{"e":"trade","t":%d}}'


class RecordingPeer:
    """Stands for a socket."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.cuts = 0
        self.silent_until_us = 0

    async def send(self, frame: bytes) -> None:
        self.frames.append(frame.decode())

    def cut(self) -> None:
        self.cuts += 1


def encode(received_us: int, text: str) -> bytes:
    return f"{received_us} {text}".encode()


async def play(faults: Faults, messages: int = 5, strike: str = "", at: int = 2) -> RecordingPeer:
    peer = RecordingPeer()
    for number in range(messages):
        if strike and number == at:
            faults.once(strike)
        await faults.deliver(peer, number, MESSAGE % number, encode)
    return peer


def plain(*numbers: int) -> list[str]:
    return [MESSAGE % number for number in numbers]


def texts(peer: RecordingPeer) -> list[str]:
    return [frame.partition(" ")[2] for frame in peer.frames]


async def test_without_faults_all_frames_pass_in_order() -> None:
    assert texts(await play(Faults())) == plain(0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("drop", (0, 1, 3, 4)), ("duplicate", (0, 1, 2, 2, 3, 4)), ("reorder", (0, 1, 3, 2, 4)), ("cut", (0, 1, 3, 4))],
)
async def test_what_reaches_the_client(kind: str, expected: tuple[int, ...]) -> None:
    faults = Faults()
    peer = await play(faults, strike=kind)
    assert texts(peer) == plain(*expected)
    assert faults.counts == Counter({kind: 1})
    assert peer.cuts == (kind == "cut")


async def test_a_delayed_frame_comes_later_with_a_later_receive_time() -> None:
    peer = await play(Faults(seed=1), messages=80, strike="delay")
    assert sorted(texts(peer)) == sorted(plain(*range(80)))
    place = texts(peer).index(MESSAGE % 2)
    assert place > 4
    stamps = [int(frame.partition(" ")[0]) for frame in peer.frames]
    assert stamps == sorted(stamps)


async def test_stop_releases_what_is_held_back() -> None:
    faults, peer = Faults({"delay": 1.0}), RecordingPeer()
    await faults.deliver(peer, 1, MESSAGE % 1, encode)
    assert not peer.frames
    faults.stop()
    await faults.deliver(peer, 2, MESSAGE % 2, encode)
    assert texts(peer) == plain(2, 1)


async def test_a_malformed_frame_comes_besides_the_good_one() -> None:
    peer = await play(Faults(), strike="malformed")
    assert [text for text in texts(peer) if text in plain(*range(5))] == plain(0, 1, 2, 3, 4)
    assert len(peer.frames) == 6


async def test_a_stall_silences_the_connection_for_its_time() -> None:
    faults, peer = Faults(), RecordingPeer()
    faults.once("stall")
    for received_us in (0, 1, STALL_US - 1, STALL_US, STALL_US + 1):
        await faults.deliver(peer, received_us, "x", encode)
    assert [int(frame.split()[0]) for frame in peer.frames] == [STALL_US, STALL_US + 1]


def test_unknown_fields_keep_the_rest() -> None:
    assert with_unknown_fields('{"stream":"s","data":{"a":1}}') == (
        '{"stream":"s","data":{"zz":{"new":[1,null,"x"]},"a":1}}'
    )
    assert with_unknown_fields('{"a":1}') == '{"zz":{"new":[1,null,"x"]},"a":1}'


async def test_rates_and_random_plans_are_the_same_for_the_same_seed() -> None:
    def counts(faults: Faults) -> Counter[str]:
        for kind in KINDS * 2000:
            faults.strikes(kind)
        return faults.counts

    assert Faults.random_plan(9).rates == Faults.random_plan(9).rates
    assert counts(Faults.random_plan(9)) == counts(Faults.random_plan(9))
    assert {tuple(sorted(Faults.random_plan(seed).rates)) for seed in range(20)} != {tuple(sorted(KINDS))}
    assert set().union(*(Faults.random_plan(seed).rates for seed in range(40))) == set(KINDS)


@pytest.mark.parametrize("word", ["drip", "drop=often", "drop=1.5", "=0.5"])
def test_a_bad_fault_word_is_one_clear_line(word: str) -> None:
    with pytest.raises(SettingsError, match=r"^simulator: .*(known|kinds|between)"):
        Faults.parse([word])


def test_words_give_rates() -> None:
    faults = Faults.parse(["drop=0.25", "cut"])
    assert faults.rates["drop"] == 0.25
    assert 0 < faults.rates["cut"] < 0.01
    assert set(FRAME_FAULTS) < set(KINDS)
