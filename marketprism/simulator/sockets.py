"""The exchange's side of its WebSockets: subscriptions, acknowledgements, stamped frames, back-pressure.

Used by the simulator and by the replay server. A stamped server puts the receive time in front of every text frame:
16 digits of microseconds since the epoch, one space, then the exchange's own text. The collector's stamped clock
unwraps them, so rows carry these receive times however fast the frames come.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec
from aiohttp import WSMessage, WSMsgType, web

from marketprism.simulator.dialects import ServerDialect

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""(venue, stream name), for example ("binance.spot", "btcusdt@trade")."""

PONG_TIMEOUT_S = 30.0
_FLUSH_BYTES = 32 * 1024
"""Frames are written to the transport together: one system call a frame would cost more than making the frame."""


class _Request(msgspec.Struct):
    method: str
    params: list[Any] = []
    id: int | str | None = None


_decode_request = msgspec.json.Decoder(_Request).decode


class Peer:
    """One connected client; ``combined`` tells whether it wants ``{"stream","data"}`` or the bare data."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, venue: str, route: str, combined: bool):
        self.venue = venue
        self.route = route
        self.combined = combined
        self.streams: set[str] = set()
        self.silent_until_us = 0  # a fault: answers nothing, not even pings, until this time
        self._socket = socket
        self._request = request
        self._pong = asyncio.Event()
        self._queued: list[bytes] = []
        self._queued_bytes = 0

    @property
    def backlog(self) -> int:
        """Bytes that wait for the client to read."""
        transport = self._request.transport
        if transport is None or transport.is_closing():
            return 0
        return self._queued_bytes + int(transport.get_write_buffer_size())

    def queue(self, text: bytes) -> None:
        """Append one text frame to what is written next."""
        size = len(text)
        self._queued.append(_text_header(size))
        self._queued.append(text)
        self._queued_bytes += size

    async def send(self, text: bytes) -> None:
        """Queue one text frame; every 32 KB it is written, waiting while the client is slow (see ``flush``)."""
        self.queue(text)
        if self._queued_bytes >= _FLUSH_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Write what is queued; waits while the client is slow. A client that has gone is no error."""
        if not self._queued:
            return
        data = b"".join(self._queued)
        self._queued.clear()
        self._queued_bytes = 0
        transport = self._request.transport
        if transport is None or transport.is_closing() or self._socket.closed:
            return
        transport.write(data)
        try:
            await self._request.writer.drain()
        except ConnectionError:
            self.cut()

    async def close(self) -> None:
        """Say goodbye as an exchange that shuts down does."""
        await self.flush()
        await self._socket.close(code=1001)

    def cut(self) -> None:
        """Drop the connection as a network failure does: without a closing handshake."""
        if self._request.transport is not None:
            self._request.transport.abort()

    def answered_ping(self) -> None:
        self._pong.set()

    async def drained(self, timeout_s: float = PONG_TIMEOUT_S) -> bool:
        """Wait until the client has read everything sent so far: its pong comes after all frames before the ping."""
        self._pong.clear()
        await self.flush()
        if self._socket.closed:
            return False
        try:
            await self._socket.ping(b"drained")
            await asyncio.wait_for(self._pong.wait(), timeout_s)
        except (ConnectionError, TimeoutError):
            return False
        return True


class FrameFaults(Protocol):
    """What may go wrong between the exchange and one client."""

    def accepts(self, peer: Peer, stream: str) -> bool:
        """False: acknowledge the subscription and never send its data."""

    async def deliver(self, peer: Peer, received_us: int, payload: str, encode: Callable[[int, str], bytes]) -> None:
        """Send the payload to the peer, or not, or twice, or later, or something else."""


class StreamHub:
    """All clients and what they subscribed.

    ``now_us`` stamps what is not market data (acknowledgements). ``carries(venue, route, stream)`` tells whether a
    route has a stream's data; a stream on the wrong route is acknowledged and stays silent, as at the exchange.
    ``opening(key)``: what a new subscriber of a stream is sent first (a book), for venues that have a dialect.
    """

    def __init__(
        self,
        now_us: Callable[[], int],
        *,
        stamped: bool = True,
        carries: Callable[[str, str, str], bool] = lambda venue, route, stream: True,
        faults: FrameFaults | None = None,
        opening: Callable[[Key], str | None] = lambda key: None,
    ):
        self._opening = opening
        self._now_us = now_us
        self._stamped = stamped
        self._carries = carries
        self._faults = faults
        self._by_key: dict[Key, list[Peer]] = {}
        self._peers: set[Peer] = set()
        self._changed = asyncio.Event()
        self.connections_seen = 0

    # ------------------------------------------------------------------ clients

    def handler(
        self, venue: str, route: str, *, combined: bool = True, dialect: ServerDialect | None = None
    ) -> Callable[[web.Request], Any]:
        """The aiohttp handler of one WebSocket path; without a dialect it is spoken to as Binance is."""

        async def serve(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=1 << 20)
            await socket.prepare(request)
            peer = Peer(socket, request, venue, route, combined)
            self._peers.add(peer)
            self.connections_seen += 1
            try:
                listed = request.query.get("streams") or request.match_info.get("streams", "")
                self._subscribe(peer, [name for name in listed.split("/") if name])
                await self._converse(peer, socket, dialect)
            finally:
                self._forget(peer)
            return socket

        return serve

    async def _converse(self, peer: Peer, socket: web.WebSocketResponse, dialect: ServerDialect | None) -> None:
        async for message in socket:
            if peer.silent_until_us > self._now_us():
                continue
            if message.type is WSMsgType.TEXT:
                answers = [self._answer(peer, message.data)] if dialect is None else self._talk(peer, message, dialect)
                for text in answers:
                    peer.queue(self.encode(self._now_us(), text))
                await peer.flush()
            elif message.type is WSMsgType.PING:
                await peer.flush()
                await socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                peer.answered_ping()

    def _talk(self, peer: Peer, message: WSMessage, dialect: ServerDialect) -> list[str]:
        """Replies, then what each new stream begins with: nothing is published in between."""
        understood = dialect.understand(message.data)
        for name in understood.unsubscribe:
            self._unsubscribe(peer, name)
        new = [name for name in understood.subscribe if name not in peer.streams]
        self._subscribe(peer, new)
        openings = [
            self._opening((peer.venue, name)) for name in new if peer in self._by_key.get((peer.venue, name), ())
        ]
        return [*understood.replies, *(text for text in openings if text is not None)]

    def _answer(self, peer: Peer, text: str) -> str:
        try:
            request = _decode_request(text)
        except msgspec.MsgspecError as error:
            return _error(None, 3, f"Invalid JSON: {error}")
        names = [str(name) for name in request.params]
        result: object = None
        if request.method == "SUBSCRIBE":
            self._subscribe(peer, names)
        elif request.method == "UNSUBSCRIBE":
            for name in names:
                self._unsubscribe(peer, name)
        elif request.method == "LIST_SUBSCRIPTIONS":
            result = sorted(peer.streams)
        elif request.method == "SET_PROPERTY" and len(names) == 2 and names[0] == "combined":
            peer.combined = request.params[1] is True
        else:
            return _error(request.id, 2, f"Invalid request: unknown variant {request.method}")
        return msgspec.json.encode({"result": result, "id": request.id}).decode()

    def _subscribe(self, peer: Peer, names: Iterable[str]) -> None:
        for name in names:
            if name in peer.streams:
                continue
            peer.streams.add(name)
            silent = self._faults is not None and not self._faults.accepts(peer, name)
            if not silent and self._carries(peer.venue, peer.route, name):
                self._by_key.setdefault((peer.venue, name), []).append(peer)
        self._notify()

    def _unsubscribe(self, peer: Peer, name: str) -> None:
        peer.streams.discard(name)
        peers = self._by_key.get((peer.venue, name), [])
        if peer in peers:
            peers.remove(peer)
        self._notify()

    def _forget(self, peer: Peer) -> None:
        self._peers.discard(peer)
        for name in list(peer.streams):
            self._unsubscribe(peer, name)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # ------------------------------------------------------------------ frames

    @property
    def peers(self) -> frozenset[Peer]:
        return frozenset(self._peers)

    def subscribed(self, key: Key) -> bool:
        return bool(self._by_key.get(key))

    def subscribed_keys(self) -> set[Key]:
        return {key for key, peers in self._by_key.items() if peers}

    async def changed(self) -> None:
        """Wait for the next subscription, unsubscription or lost client."""
        await self._changed.wait()

    def encode(self, received_us: int, text: str) -> bytes:
        return f"{received_us:016d} {text}".encode() if self._stamped else text.encode()

    async def publish(self, key: Key, received_us: int, combined: str) -> int:
        """Queue a combined-form message for all who subscribed its stream; returns for how many. See ``flush``."""
        peers = self._by_key.get(key)
        if not peers:
            return 0
        count = len(peers)
        if self._faults is None and count == 1 and peers[0].combined:  # the ordinary case, without copies
            await peers[0].send(self.encode(received_us, combined))
            return 1
        for peer in tuple(peers):
            text = combined if peer.combined else data_of(combined)
            if self._faults is None:
                await peer.send(self.encode(received_us, text))
            else:
                await self._faults.deliver(peer, received_us, text, self.encode)
        return count

    async def flush(self) -> None:
        """Write out what is queued for every client; waits for slow ones."""
        for peer in tuple(self._peers):
            await peer.flush()

    async def drained(self) -> bool:
        """Wait until every client has read what was sent; False when one has gone or does not answer."""
        return all(await asyncio.gather(*(peer.drained() for peer in self._peers)))

    async def close(self) -> None:
        """Close every socket as an exchange that shuts down does."""
        await asyncio.gather(*(peer.close() for peer in self._peers), return_exceptions=True)


def _text_header(size: int) -> bytes:
    """Head of an unmasked, unfragmented text frame (RFC 6455, 5.2)."""
    if size < 126:
        return struct.pack("!BB", 0x81, size)
    if size < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, size)
    return struct.pack("!BBQ", 0x81, 127, size)


def data_of(combined: str) -> str:
    """The ``data`` part of ``{"stream":…,"data":…}``, text unchanged."""
    return combined[combined.index('"data":') + 7 : combined.rindex("}")].strip()


def _error(request_id: int | str | None, code: int, text: str) -> str:
    return msgspec.json.encode({"error": {"code": code, "msg": text}, "id": request_id}).decode()
