"""HTTP compression both ways: lz4 (frames), zstd, gzip, deflate. Streaming, and strict about a body's end."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol

import lz4.frame
import zstandard

from marketprism.embedded.exceptions import EngineError


class Encoder(Protocol):
    """Compresses a stream piece by piece."""

    def encode(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class Decoder(Protocol):
    """Decompresses a stream piece by piece; ``finish`` raises EngineError when the stream is cut."""

    def decode(self, data: bytes) -> bytes: ...
    def finish(self) -> None: ...


class _Lz4Encoder:
    def __init__(self) -> None:
        self._compressor = lz4.frame.LZ4FrameCompressor(auto_flush=True)
        self._begun = False

    def encode(self, data: bytes) -> bytes:
        head: bytes = b"" if self._begun else self._compressor.begin()
        self._begun = True
        body: bytes = self._compressor.compress(data)
        return head + body

    def finish(self) -> bytes:
        head: bytes = b"" if self._begun else self._compressor.begin()
        tail: bytes = self._compressor.flush()
        return head + tail


class _ObjectEncoder:
    """zlib's and zstandard's compressobj have the same two methods."""

    def __init__(self, compressor: Any) -> None:
        self._compressor = compressor

    def encode(self, data: bytes) -> bytes:
        out: bytes = self._compressor.compress(data)
        return out

    def finish(self) -> bytes:
        out: bytes = self._compressor.flush()
        return out


class _FrameDecoder:
    """Any number of frames one after the other: clients compress each block on its own."""

    def __init__(self, name: str, new: Callable[[], Any]) -> None:
        self._name = name
        self._new = new
        self._decoder: Any = None

    def decode(self, data: bytes) -> bytes:
        out: list[bytes] = []
        while data:
            if self._decoder is None:
                self._decoder = self._new()
            try:
                out.append(self._decoder.decompress(data))
            except (RuntimeError, zlib.error, zstandard.ZstdError, EOFError) as error:
                raise EngineError(432, f"Cannot decompress the {self._name} body: {error}", "UNKNOWN_CODEC") from error
            if not self._decoder.eof:
                break
            data = self._decoder.unused_data or b""
            self._decoder = None
        return b"".join(out)

    def finish(self) -> None:
        if self._decoder is not None:
            raise EngineError(
                33, f"Cannot read all data: the {self._name} body ends inside a frame", "CANNOT_READ_ALL_DATA"
            )


class _Plain:
    def decode(self, data: bytes) -> bytes:
        return data

    def finish(self) -> None:
        return None


_ENCODERS: Final[dict[str, Callable[[], Encoder]]] = {
    "lz4": _Lz4Encoder,
    "zstd": lambda: _ObjectEncoder(zstandard.ZstdCompressor(level=1).compressobj()),
    "gzip": lambda: _ObjectEncoder(zlib.compressobj(3, zlib.DEFLATED, 31)),
    "deflate": lambda: _ObjectEncoder(zlib.compressobj(3, zlib.DEFLATED, 15)),
}
_DECODERS: Final[dict[str, Callable[[], Any]]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "gzip": lambda: zlib.decompressobj(31),
    "deflate": lambda: zlib.decompressobj(15),
}


def accepted(header: str) -> str:
    """The encoding for an answer, out of an Accept-Encoding header, in our order of speed; '' = plain."""
    offers = {}
    for offer in header.split(","):
        name, _, quality = offer.partition(";")
        offers[name.strip().lower()] = quality.strip().replace(" ", "") not in ("q=0", "q=0.0")
    return next((name for name in _ENCODERS if offers.get(name)), "")


def encoder(name: str) -> Encoder:
    """A fresh encoder of a name that ``accepted`` gave."""
    return _ENCODERS[name]()


def decoder(header: str) -> Decoder:
    """A decoder for a Content-Encoding header. Raises EngineError for one we do not speak."""
    name = header.strip().lower()
    if name in ("", "identity"):
        return _Plain()
    if name not in _DECODERS:
        raise EngineError(
            432, f"Unknown Content-Encoding {header[:40]!r}; use one of {', '.join(_DECODERS)}", "UNKNOWN_CODEC"
        )
    return _FrameDecoder(name, _DECODERS[name])
