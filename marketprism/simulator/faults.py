"""Misbehaviour of the simulated exchange, each kind by a rate, by a seeded random plan, or once on demand.

What was traded stays in the ledger and in REST whatever happens to the frames: a collector that does its work stores
every trade all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Final

from marketprism.errors import SettingsError
from marketprism.simulator.sockets import Peer

FRAME_FAULTS: Final = ("drop", "duplicate", "reorder", "delay", "cut", "malformed", "unknown_fields", "stall")
"""Per frame and client."""
KINDS: Final = (
    *FRAME_FAULTS, "silent_ack", "skip_ids", "too_many_requests", "tick_change", "list_symbol", "day_over",
)  # fmt: skip
"""Besides: per subscription; per model step and book; per REST request; per model step and book, once each; per model
step, where symbols wait for their listing; per model step and client, which is closed as after 24 hours."""

USUAL_RATES: Final[dict[str, float]] = {
    "drop": 0.002,
    "duplicate": 0.005,
    "reorder": 0.005,
    "delay": 0.002,
    "cut": 0.0002,
    "malformed": 0.001,
    "unknown_fields": 0.02,
    "stall": 0.0001,
    "silent_ack": 0.1,
    "skip_ids": 0.002,
    "too_many_requests": 0.05,
    "tick_change": 0.002,
    "list_symbol": 0.01,
    "day_over": 0.0005,
}
STALL_US: Final = 8_000_000
"""Market time for which a stalled connection neither sends nor answers."""
UNKNOWN: Final = '"zz":{"new":[1,null,"x"]},'


class Faults:
    """Decides, counts and carries out. ``counts`` tells what was done."""

    def __init__(self, rates: Mapping[str, float] | None = None, *, seed: int = 1):
        self.rates = dict(rates or {})
        for kind, rate in self.rates.items():
            if kind not in KINDS:
                raise SettingsError(f"simulator: unknown fault {kind!r}; known: {', '.join(KINDS)}")
            if not 0 <= rate <= 1:
                raise SettingsError(f"simulator: the rate of {kind} must be between 0 and 1, not {rate:g}")
        self.counts: Counter[str] = Counter()
        self._random = Random(f"faults/{seed}")
        self._once: Counter[str] = Counter()
        self._held: dict[Peer, list[tuple[int, str]]] = {}
        self._active = True

    @classmethod
    def parse(cls, words: Iterable[str], *, seed: int = 1) -> Faults:
        """From ``kind`` (its usual rate) and ``kind=rate`` words; raises SettingsError for a word that is neither."""
        rates: dict[str, float] = {}
        for word in words:
            kind, _, rate = word.partition("=")
            try:
                rates[kind] = float(rate) if rate else USUAL_RATES[kind]
            except (KeyError, ValueError):
                raise SettingsError(
                    f"simulator: fault {word!r} is not KIND or KIND=RATE; kinds: {', '.join(KINDS)}"
                ) from None
        return cls(rates, seed=seed)

    @classmethod
    def random_plan(cls, seed: int) -> Faults:
        """Some kinds, at up to twice their usual rates: the same plan for the same seed."""
        random = Random(f"plan/{seed}")
        chosen = random.sample(KINDS, random.randint(2, 5))
        return cls({kind: USUAL_RATES[kind] * random.uniform(0.5, 2.0) for kind in chosen}, seed=seed)

    def once(self, kind: str) -> None:
        """Do it at the next occasion."""
        if kind not in KINDS:
            raise SettingsError(f"simulator: unknown fault {kind!r}; known: {', '.join(KINDS)}")
        self._once[kind] += 1

    def stop(self) -> None:
        """Behave from now on; what is held back goes out with the next frame."""
        self._active = False
        self._once.clear()

    def strikes(self, kind: str) -> bool:
        """Whether it happens now."""
        if self._once[kind]:
            self._once[kind] -= 1
        elif not self._active or self._random.random() >= self.rates.get(kind, 0.0):
            return False
        self.counts[kind] += 1
        return True

    # ------------------------------------------------------------------ the seam of the sockets

    def accepts(self, peer: Peer, stream: str) -> bool:
        return not self.strikes("silent_ack")

    async def deliver(self, peer: Peer, received_us: int, payload: str, encode: Callable[[int, str], bytes]) -> None:
        if peer.silent_until_us > received_us:
            self.counts["lost in a stall"] += 1
            return
        fault = next((kind for kind in FRAME_FAULTS if self.strikes(kind)), None)
        if fault == "cut":
            self._held.pop(peer, None)
            peer.cut()
            return
        if fault == "stall":
            peer.silent_until_us = received_us + STALL_US
            return
        if fault in ("reorder", "delay"):
            frames = 1 if fault == "reorder" else self._random.randint(5, 60)
            self._held.setdefault(peer, []).append((frames, payload))
            return
        if fault == "malformed":
            await peer.send(encode(received_us, payload[: len(payload) // 2]))
        if fault == "unknown_fields":
            payload = with_unknown_fields(payload)
        if fault != "drop":
            await peer.send(encode(received_us, payload))
        if fault == "duplicate":
            await peer.send(encode(received_us, payload))
        await self._release(peer, received_us, encode)

    async def _release(self, peer: Peer, received_us: int, encode: Callable[[int, str], bytes]) -> None:
        held = self._held.pop(peer, None)
        if not held:
            return
        waiting = []
        for frames, payload in held:
            if frames > 1 and self._active:
                waiting.append((frames - 1, payload))
            else:
                await peer.send(encode(received_us, payload))  # late, and so stamped late
        if waiting:
            self._held[peer] = waiting


def with_unknown_fields(payload: str) -> str:
    """The message with a key that no version of the collector knows."""
    at = payload.find("{", payload.find('"data":') + 1 if '"data":' in payload else 0)
    return payload[: at + 1] + UNKNOWN + payload[at + 1 :]
