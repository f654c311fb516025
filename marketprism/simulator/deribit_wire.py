"""Followers' events as Deribit says them: notifications of JSON-RPC, and the first message of each channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from marketprism.simulator.mirror_specs import DERIBIT, MirrorSpec
from marketprism.simulator.mirrors import Changed, Done, Follower, Liquidated, Mirrored, Said, implied_volatility
from marketprism.simulator.sockets import Key

Message = tuple[Key, str]

INTERVAL: Final = "100ms"
_HOURS_OF_FUNDING: Final = 8


class DeribitWire:
    """Renders everything; who subscribed what is known by the sockets."""

    def __init__(self, followers: Sequence[Follower], seed: int):
        self._followers = followers
        self._seed = seed
        self._by_symbol = {each.spec.symbol: each for each in followers if each.spec.exchange == DERIBIT}
        # DVOL is one index a coin: the first option of a coin tells it
        self._tells_volatility = {
            next(each.number for each in self._by_symbol.values() if each.spec.is_option and each.spec.base == base)
            for base in {each.spec.base for each in self._by_symbol.values() if each.spec.is_option}
        }

    def messages(self, event: Mirrored) -> list[Message]:
        """What is sent for an event. Liquidations are a flag of the trade."""
        follower = self._followers[event.mirror]
        spec = follower.spec
        if isinstance(event, Done):
            row = self.trade(
                spec, event.trade_id, event.time_ms, event.price, event.units, event.taker_buys, event.forced
            )
            return [_push(f"trades.{spec.symbol}.{INTERVAL}", f"[{row}]")]
        if isinstance(event, Changed):
            sides = []
            for name, levels, had in (("bids", event.bids, follower.bids), ("asks", event.asks, follower.asks)):
                rows = ",".join(
                    f'["{_action(units, price in had)}",{spec.price_text(price)},{_amount(spec, units)}]'
                    for price, units in levels
                )
                sides.append(f'"{name}":[{rows}]')
            data = (
                f'{{"type":"change","timestamp":{event.time_ms},"prev_change_id":{event.previous_id},'
                f'"instrument_name":"{spec.symbol}","change_id":{event.change_id},{sides[0]},{sides[1]}}}'
            )
            return [_push(f"book.{spec.symbol}.{INTERVAL}", data)]
        return [] if isinstance(event, Liquidated) else self._said(follower, event)

    def opening(self, stream: str, time_ms: int) -> str | None:
        """A book begins with all of it, a ticker with its last state."""
        channel, _, rest = stream.partition(".")
        follower = self._by_symbol.get(rest.rpartition(".")[0])
        if follower is None:
            return None
        if channel == "ticker":
            return None if follower.said is None else _push(stream, self._ticker(follower, follower.said))[1]
        if channel != "book":
            return None
        sides = [
            ",".join(
                f'["new",{follower.spec.price_text(price)},{_amount(follower.spec, units)}]' for price, units in side
            )
            for side in follower.book(10_000)
        ]
        data = (
            f'{{"type":"snapshot","timestamp":{time_ms},"instrument_name":"{follower.spec.symbol}",'
            f'"change_id":{follower.told_id},"bids":[{sides[0]}],"asks":[{sides[1]}]}}'
        )
        return _push(stream, data)[1]

    @staticmethod
    def trade(spec: MirrorSpec, trade_id: int, time_ms: int, price: int, units: int, buys: bool, forced: bool) -> str:
        """One row, of a channel or of REST."""
        name = f"{trade_id}" if spec.base == "BTC" else f"{spec.base}-{trade_id}"
        flag = ',"liquidation":"T"' if forced else ""
        return (
            f'{{"trade_seq":{trade_id},"trade_id":"{name}","timestamp":{time_ms},"instrument_name":"{spec.symbol}",'
            f'"price":{spec.price_text(price)},"amount":{_amount(spec, units)},'
            f'"direction":"{"buy" if buys else "sell"}","tick_direction":0{flag}}}'
        )

    def _said(self, follower: Follower, event: Said) -> list[Message]:
        spec = follower.spec
        found = [_push(f"ticker.{spec.symbol}.{INTERVAL}", self._ticker(follower, event))]
        if follower.number in self._tells_volatility:
            name = f"{spec.base.lower()}_usd"
            volatility = implied_volatility(self._seed, spec.base, event.time_ms)
            data = f'{{"timestamp":{event.time_ms},"volatility":{volatility},"index_name":"{name}"}}'
            found.append(_push(f"deribit_volatility_index.{name}", data))
        return found

    @staticmethod
    def _ticker(follower: Follower, event: Said) -> str:
        spec = follower.spec
        interest = round(event.open_interest * event.mark) if spec.counts == "dollars" else event.open_interest
        extra = f'"mark_iv":{event.volatility}' if spec.is_option else f'"current_funding":{event.funding:.10f}'
        return (
            f'{{"timestamp":{event.time_ms},"state":"open","instrument_name":"{spec.symbol}",'
            f'"mark_price":{event.mark:.8f},"index_price":{event.index:.4f},"open_interest":{interest:.4f},{extra}}}'
        )


def _action(units: int, known: bool) -> str:
    return "delete" if not units else "change" if known else "new"


def _amount(spec: MirrorSpec, units: int) -> str:
    text = spec.native_text(units)
    return text if "." in text else f"{text}.0"


def _push(channel: str, data: str) -> Message:
    text = f'{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"{channel}","data":{data}}}}}'
    return (DERIBIT, channel), text
