"""RowBinary of String columns, the smallest exact way to ask the engine for names."""

from __future__ import annotations

from collections.abc import Iterator


def strings(raw: bytes) -> Iterator[str]:
    """Each value: a varint length, then the bytes."""
    at = 0
    while at < len(raw):
        length = shift = 0
        while True:
            byte = raw[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield raw[at : at + length].decode("utf-8", "surrogateescape")
        at += length
