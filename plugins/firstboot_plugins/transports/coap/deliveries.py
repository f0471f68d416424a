"""Messages that a peer must acknowledge: sent again until it does (RFC 7252, 4.2)."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from firstboot_plugins.transports.coap.kept import Kept
from firstboot_plugins.transports.coap.messages import Message, Type, empty
from firstboot_plugins.transports.coap.peers import MAX_VERIFIED, Heard, Peer
from firstboot_plugins.transports.coap.replies import Reply

ACK_TIMEOUT_S = 2.0
ACK_RANDOM_FACTOR = 1.5
MAX_RETRANSMIT = 4
EXCHANGE_LIFETIME_S = 247.0
PING_S = 0.4
MOST = 10_000
MAX_GUESSES = 8
"""Numbers that an unknown peer may acknowledge, or reject, without having been sent anything with them."""

Ended = Callable[[bool], None]


@dataclass(slots=True)
class _Delivery:
    data: bytes
    ended: Ended
    budget: int | None
    timeout_s: float
    sent: int = 0
    timer: asyncio.TimerHandle | None = None


class Deliveries:
    """What is on its way and not acknowledged."""

    def __init__(self, send: Callable[[bytes, Peer], None], heard: Heard, monotonic: Callable[[], float]) -> None:
        """``heard``: takes the peers that answer."""
        self._send = send
        self._heard = heard
        self._open: dict[tuple[Peer, int], _Delivery] = {}
        # The first number of a peer is drawn: who does not get our messages cannot acknowledge them.
        self._numbers: Kept[Peer, int] = Kept(monotonic, life_s=2 * EXCHANGE_LIFETIME_S, most=MAX_VERIFIED)
        self._guesses: Kept[Peer, int] = Kept(monotonic, life_s=EXCHANGE_LIFETIME_S, most=MAX_VERIFIED)
        self._late: Kept[tuple[Peer, int], bool] = Kept(monotonic, life_s=EXCHANGE_LIFETIME_S, most=MAX_VERIFIED)
        """Questions for a sign of life that nobody waits for any more: slow peers answer them still."""

    def __len__(self) -> int:
        return len(self._open)

    def next_id(self, peer: Peer) -> int:
        """Return a message id that the peer has not seen of late."""
        former = self._numbers.get(peer)
        number = secrets.randbelow(1 << 16) if former is None else (former + 1) % (1 << 16)
        self._numbers.put(peer, number)
        return number

    def send(self, reply: Reply, peer: Peer, token: bytes, budget: int | None, ended: Ended) -> None:
        """Send until it is acknowledged, rejected, or given up; ``ended`` is told whether it has arrived.

        ``budget``: how many bytes may be sent in all to a peer that is not verified.
        """
        message_id = self.next_id(peer)
        data = reply.message(Type.CON, message_id, token).encode()
        if len(self._open) >= MOST or (peer, message_id) in self._open:
            asyncio.get_running_loop().call_soon(ended, False)
            return
        # RFC 7252, 4.2; nothing depends on whether this can be foretold.
        timeout_s = random.uniform(ACK_TIMEOUT_S, ACK_TIMEOUT_S * ACK_RANDOM_FACTOR)  # noqa: S311
        delivery = _Delivery(data, ended, budget, timeout_s)
        self._open[peer, message_id] = delivery
        self._transmit(peer, message_id, delivery)

    async def ping(self, peer: Peer) -> None:
        """Ask a peer for a sign of life, and wait for it a little (RFC 7252, 4.3)."""
        message_id = self.next_id(peer)
        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        key = peer, message_id
        if len(self._open) >= MOST or key in self._open:
            return
        self._open[key] = _Delivery(b"", answered.set_result, 0, PING_S)
        self._send(empty(Type.CON, message_id), peer)
        try:
            async with asyncio.timeout(PING_S):
                await answered
        except TimeoutError:
            pass
        finally:
            if self._open.pop(key, None) is not None:
                self._late.put(key, True)

    def _transmit(self, peer: Peer, message_id: int, delivery: _Delivery) -> None:
        if delivery.sent > MAX_RETRANSMIT:
            del self._open[peer, message_id]
            delivery.ended(False)
            return
        if delivery.budget is None or len(delivery.data) * (delivery.sent + 1) <= delivery.budget:
            self._send(delivery.data, peer)
        wait_s = delivery.timeout_s * 2**delivery.sent
        delivery.sent += 1
        delivery.timer = asyncio.get_running_loop().call_later(wait_s, self._transmit, peer, message_id, delivery)

    def answered(self, message: Message, peer: Peer) -> None:
        """Take an acknowledgement or a rejection."""
        key = peer, message.id
        guesses = self._guesses.get(peer) or 0
        if guesses >= MAX_GUESSES and peer not in self._heard:
            return  # whoever spells out all numbers finds ours among them
        delivery = self._open.pop(key, None)
        if delivery is None:
            if self._late.drop(key) is not None:
                self._heard.add(peer)
            elif peer not in self._heard:
                self._guesses.put(peer, guesses + 1)
            return
        if delivery.timer is not None:
            delivery.timer.cancel()
        self._heard.add(peer)
        delivery.ended(message.type is Type.ACK)

    def close(self) -> None:
        """Give up everything, without a word."""
        for delivery in self._open.values():
            if delivery.timer is not None:
                delivery.timer.cancel()
        self._open.clear()
