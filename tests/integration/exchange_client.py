"""A small client of Binance-form stamped servers, independent of the collector."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import websockets


@dataclass
class Frame:
    """One text frame: the stamp, and the exchange's text."""

    received_us: int
    text: str

    @property
    def body(self) -> dict:
        return json.loads(self.text)


@dataclass
class Client:
    """Subscribes, and keeps every frame in order; ``acks`` and data apart."""

    url: str
    streams: list[str]
    frames: list[Frame] = field(default_factory=list)
    acks: list[dict] = field(default_factory=list)
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until the server closes, or cancelled."""
        async with websockets.connect(f"{self.url}/stream", max_size=None) as socket:
            await socket.send(json.dumps({"method": "SUBSCRIBE", "params": self.streams, "id": 1}))
            async for raw in socket:
                assert isinstance(raw, str)
                assert raw[:16].isdigit()
                assert raw[16] == " "
                self._take(Frame(int(raw[:16]), raw[17:]))

    def _take(self, frame: Frame) -> None:
        if '"stream":' in frame.text[:12]:
            self.frames.append(frame)
        else:
            self.acks.append(frame.body)
            self.subscribed.set()
        self.grown.set()
        self.grown = asyncio.Event()

    async def until(self, count: int) -> None:
        """Wait for so many frames."""
        while len(self.frames) < count:
            await self.grown.wait()
