"""How OKX's book updates chain: ``prevSeqId`` to ``seqId``; in recordings of the time before, a CRC32.

Rules: https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel
"""

from __future__ import annotations

import zlib
from bisect import insort

from collector.venue import BookUpdate, Verdict
from collector.venues.okx.messages import BookMessage, Levels

CHECKED_LEVELS = 25
"""Best levels of each side that the checksum is about."""


def sequence_rule(last_id: int, update: BookUpdate, fresh: bool) -> Verdict:
    """An update follows when its ``prevSeqId`` is the last id, also when the engine's ids were reset to smaller ones.

    A keep-alive repeats the last id. An update that begins inside the book and ends after it (the other of two
    overlapping connections, or a snapshot from REST) joins: its quantities are absolute.
    """
    if update.last_id == last_id:
        return Verdict.SKIP
    if update.previous_id == last_id:
        return Verdict.APPLY
    if update.last_id < last_id:
        return Verdict.SKIP
    return Verdict.APPLY if update.previous_id < last_id else Verdict.GAP


class ChecksumChain:
    """Numbers the updates of a symbol that has no ids, and breaks the chain where a checksum does not agree.

    The numbers rise with the exchange's time, so that they rise over restarts too.
    """

    def __init__(self, *, verify: bool = True) -> None:
        self.verified = 0
        self._verify = verify
        self._last = 0
        self._sides: tuple[dict[str, str], dict[str, str]] = ({}, {})
        self._keys: tuple[list[tuple[float, str]], list[tuple[float, str]]] = ([], [])

    def number(self, message: BookMessage, *, snapshot: bool) -> tuple[int, int]:
        """(previous id, id) of a message. A wrong checksum gives a previous id that no update has had."""
        if snapshot:
            self._sides, self._keys = ({}, {}), ([], [])
        previous = self._last
        self._last = max(previous + 1, int(message.ts) * 1000)
        for number, levels in enumerate((message.bids, message.asks)):
            self._apply(number, levels)
        if message.checksum and self._verify:
            if self.checksum() != message.checksum:
                self._last = max(self._last, previous + 2)
                return self._last - 1, self._last  # it follows on an update that never came
            self.verified += 1
        return previous, self._last

    def checksum(self) -> int:
        """CRC32 (signed) of ``bid:size:ask:size:…`` over the best levels, in the exchange's own digits."""
        words: list[str] = []
        tops = [keys[:CHECKED_LEVELS] for keys in self._keys]
        for rank in range(CHECKED_LEVELS):
            for side, top in zip(self._sides, tops, strict=True):
                if rank < len(top):
                    price = top[rank][1]
                    words += (price, side[price])
        value = zlib.crc32(":".join(words).encode())
        return value - (1 << 32) if value >= 1 << 31 else value

    def _apply(self, number: int, levels: Levels) -> None:
        side, keys, sign = self._sides[number], self._keys[number], 1 if number else -1
        for level in levels:
            price, size = level[0], level[1]
            if float(size) > 0:
                if price not in side:
                    insort(keys, (sign * float(price), price))
                side[price] = size
            elif side.pop(price, None) is not None:
                keys.remove((sign * float(price), price))
