"""Mutations of text that a machine would hardly think of sending, and some that it might."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

NASTY: Final = (
    *(
        b"",
        b"null",
        b"true",
        b"NaN",
        b"Infinity",
        b"-0",
        b"1e999",
        b"-1",
        b"0",
        b"[]",
        b"{}",
        b"[[[[",
        b"\x00",
        b"\xff\xfe",
    ),
    *(b"18446744073709551616", b"9223372036854775807", b"1.7976931348623157e308", b"\xef\xbb\xbf", b"\r\n", b"\n\n"),
    *(b'"1e5"', b'"-1.5"', b'"1.0000000000000000001"', b'""', b'"\\u0000"', b'"\\ud800"', b'"\xd9\xa1"'),
    b'"99999999999999999999999999999999999999"',
)
Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def _flip(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + bytes([text[at] ^ 1 << chance.randrange(8)]) + text[at + 1 :]


def _cut(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    return text[: chance.randrange(len(text))]


def _drop(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + text[at + chance.randint(1, 12) :]


def _repeat(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(text))
    piece = text[at : at + chance.randint(1, 40)]
    return text[:at] + piece * chance.randint(2, 4) + text[at + len(piece) :]


def _insert(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(NASTY) + text[at:]


def _value(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    """Another value behind one of the colons."""
    colons = [i for i, byte in enumerate(text) if byte == 0x3A]
    if not colons:
        return text + chance.choice(NASTY)
    start = chance.choice(colons) + 1
    end = min((i for i in (text.find(b",", start), text.find(b"}", start)) if i != -1), default=len(text))
    return text[:start] + chance.choice(NASTY) + text[end:]


def _splice(chance: random.Random, text: bytes, others: Sequence[bytes]) -> bytes:
    other = chance.choice(others)
    return text[: chance.randrange(len(text) + 1)] + other[chance.randrange(len(other) + 1) :]


def _noise(chance: random.Random, text: bytes, _: Sequence[bytes]) -> bytes:
    return chance.randbytes(chance.randint(0, 200))


MUTATIONS: Final[tuple[Mutation, ...]] = (_flip, _cut, _drop, _repeat, _insert, _value, _value, _splice, _noise)


def mutated(chance: random.Random, text: bytes, others: Sequence[bytes]) -> bytes:
    """One to three mutations of ``text``; pieces of ``others`` may come in."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        text = chance.choice(MUTATIONS)(chance, text, others) if text else chance.choice(NASTY)
    return text
