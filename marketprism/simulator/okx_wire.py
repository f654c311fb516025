"""Followers' events as OKX says them: public and business channels, and the first message of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from marketprism.simulator.events import Levels
from marketprism.simulator.mirror_specs import OKX, MirrorSpec
from marketprism.simulator.mirrors import Changed, Done, Follower, Liquidated, Mirrored, Said
from marketprism.simulator.sockets import Key

Message = tuple[Key, str]

FUNDING_EVERY_MS: Final = 30_000
_BUSINESS: Final = "trades-all"
_KINDS: Final = {"spot": "SPOT", "linear": "SWAP", "inverse": "SWAP", "option": "OPTION"}
_DEPTH: Final = 400


def carries(route: str, stream: str) -> bool:
    """Each print only on the business address, everything else only on the public one."""
    return stream.startswith(f"{_BUSINESS}:") == (route == "business")


def kind_of(spec: MirrorSpec) -> str:
    """instType."""
    return _KINDS[spec.market_type]


class OkxWire:
    """Renders everything; who subscribed what is known by the sockets."""

    def __init__(self, followers: Sequence[Follower]):
        self._followers = followers
        self._by_symbol = {each.spec.symbol: each for each in followers if each.spec.exchange == OKX}

    def messages(self, event: Mirrored) -> list[Message]:
        """What is sent for an event."""
        follower = self._followers[event.mirror]
        symbol = follower.spec.symbol
        if isinstance(event, Done):
            data = self.trade(follower.spec, event.trade_id, event.time_ms, event.price, event.units, event.taker_buys)
            return [self._push(f"{channel}:{symbol}", f"[{data}]") for channel in (_BUSINESS, "trades")]
        if isinstance(event, Changed):
            sides = _sides(follower.spec, event.bids, event.asks)
            ids = f'"checksum":0,"seqId":{event.change_id},"prevSeqId":{event.previous_id}'
            return [self._push(f"books:{symbol}", f'[{{{sides},"ts":"{event.time_ms}",{ids}}}]', "update")]
        if isinstance(event, Liquidated):
            return [self._liquidation(follower.spec, event)]
        return self._said(follower.spec, event)

    def opening(self, stream: str, time_ms: int) -> str | None:
        """A book begins with a snapshot, an instrument channel with the list."""
        channel, _, of = stream.partition(":")
        follower = self._by_symbol.get(of)
        if channel == "books" and follower is not None:
            bids, asks = follower.book(_DEPTH)
            sides = _sides(follower.spec, bids, asks)
            data = f'[{{{sides},"ts":"{time_ms}","checksum":0,"seqId":{follower.told_id},"prevSeqId":-1}}]'
            return self._push(stream, data, "snapshot")[1]
        return None

    @staticmethod
    def trade(spec: MirrorSpec, trade_id: int, time_ms: int, price: int, units: int, buys: bool) -> str:
        """One row, of a channel or of REST."""
        return (
            f'{{"instId":"{spec.symbol}","tradeId":"{trade_id}","px":"{spec.price_text(price)}",'
            f'"sz":"{spec.native_text(units)}","side":"{"buy" if buys else "sell"}","ts":"{time_ms}","count":"1",'
            f'"source":"0"}}'
        )

    @staticmethod
    def book(follower: Follower, limit: int, time_ms: int) -> str:
        """A book of REST."""
        bids, asks = follower.book(limit)
        return f'[{{{_sides(follower.spec, bids, asks)},"ts":"{time_ms}","seqId":{follower.told_id}}}]'

    @staticmethod
    def interest(spec: MirrorSpec, said: Said) -> str:
        """Open interest: contracts, coins, dollars."""
        coins = said.open_interest
        per_contract = 10.0**-spec.contract_decimals if spec.counts == "base" else spec.dollars / said.mark
        return (
            f'{{"instId":"{spec.symbol}","instType":"{kind_of(spec)}","oi":"{coins / per_contract:.6f}",'
            f'"oiCcy":"{coins:.12f}","oiUsd":"{coins * said.index:.4f}","ts":"{said.time_ms}"}}'
        )

    def _said(self, spec: MirrorSpec, event: Said) -> list[Message]:
        found = [self._push(f"open-interest:{spec.symbol}", f"[{self.interest(spec, event)}]")]
        if spec.is_option:
            row = f'{{"instId":"{spec.symbol}","markVol":"{event.volatility / 100:.4f}","ts":"{event.time_ms}"}}'
            family = f"{spec.base}-{spec.quote}"
            found.append(self._push(f"opt-summary:{family}", f"[{row}]"))
        elif event.time_ms // FUNDING_EVERY_MS != (event.time_ms - 1000) // FUNDING_EVERY_MS:
            following = event.next_funding_ms + 8 * 3_600_000
            row = (
                f'{{"instId":"{spec.symbol}","instType":"SWAP","fundingRate":"{event.funding:.16f}",'
                f'"fundingTime":"{event.next_funding_ms}","nextFundingRate":"","nextFundingTime":"{following}",'
                f'"method":"current_period","ts":"{event.time_ms}"}}'
            )
            found.append(self._push(f"funding-rate:{spec.symbol}", f"[{row}]"))
        return found

    def _liquidation(self, spec: MirrorSpec, event: Liquidated) -> Message:
        side, position = ("sell", "long") if event.sell else ("buy", "short")
        row = (
            f'{{"instType":"{kind_of(spec)}","instId":"{spec.symbol}","instFamily":"{spec.base}-{spec.quote}",'
            f'"uly":"{spec.base}-{spec.quote}","details":[{{"side":"{side}","posSide":"{position}",'
            f'"bkPx":"{spec.price_text(event.price)}","sz":"{spec.native_text(event.units)}","bkLoss":"0","ccy":"",'
            f'"ts":"{event.order_ms}"}}]}}'
        )
        return self._push(f"liquidation-orders:{kind_of(spec)}", f"[{row}]")

    def _push(self, stream: str, data: str, action: str = "") -> Message:
        channel, _, of = stream.partition(":")
        key = "instType" if channel == "liquidation-orders" else "instFamily" if channel == "opt-summary" else "instId"
        said = f',"action":"{action}"' if action else ""
        return (OKX, stream), f'{{"arg":{{"channel":"{channel}","{key}":"{of}"}}{said},"data":{data}}}'


def _sides(spec: MirrorSpec, bids: Levels, asks: Levels) -> str:
    def levels(side: Levels) -> str:
        return ",".join(f'["{spec.price_text(price)}","{spec.native_text(units)}","0","1"]' for price, units in side)

    return f'"asks":[{levels(asks)}],"bids":[{levels(bids)}]'
