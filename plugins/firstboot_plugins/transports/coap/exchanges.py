"""One request and what became of it, kept for the case that it comes again (RFC 7252, 4.5; threat PV-9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from firstboot_plugins.transports.coap.config import CoapConfig
from firstboot_plugins.transports.coap.deliveries import EXCHANGE_LIFETIME_S
from firstboot_plugins.transports.coap.kept import Kept
from firstboot_plugins.transports.coap.messages import Message, Type, empty
from firstboot_plugins.transports.coap.peers import Peer

_OVERHEAD = 500
"""About what an answer occupies that is kept, beside its own bytes."""


@dataclass(slots=True)
class _Answered:
    """What is kept of a request."""

    data_hash: int
    answer: bytes = b""


@dataclass(slots=True)
class Exchange:
    """A request that was received."""

    message: Message
    peer: Peer
    received: int
    """Bytes that the peer has sent for it; of all its blocks, once they are there."""
    kept: _Answered
    is_verified: bool = False
    """Whether the peer is, so that there is no bound on what it is sent."""

    @property
    def is_confirmable(self) -> bool:
        return self.message.type is Type.CON

    @property
    def answer(self) -> bytes:
        """What the request was answered with at once: an acknowledgement, with the reply or without it."""
        return self.kept.answer


class Exchanges:
    """The requests of late. Sent again, one is not executed again: it gets the same bytes, or nothing yet."""

    def __init__(
        self, config: CoapConfig, send: Callable[[bytes, Peer], None], monotonic: Callable[[], float]
    ) -> None:
        self._send = send
        # By a hash, of which others cannot know the seed: the whole keys would take more than the answers.
        self._all: Kept[int, _Answered] = Kept(
            monotonic,
            life_s=EXCHANGE_LIFETIME_S,
            most=config.max_remembered,
            most_bytes=config.max_remembered_bytes,
        )

    def __len__(self) -> int:
        return len(self._all)

    @property
    def size(self) -> int:
        """Bytes that all of them occupy, about."""
        return self._all.size

    def begin(self, message: Message, peer: Peer, data: bytes) -> Exchange | None:
        """Return a new exchange; None when this request was received before, and is dealt with.

        A peer that sends much uses a number again before its time; another request with it is a new one (CO-5).
        """
        key = hash((peer, message.id))
        former = self._all.get(key)
        if former is not None and former.data_hash == hash(data):
            if former.answer and message.type is Type.CON:
                self._send(former.answer, peer)
            return None
        kept = _Answered(hash(data))
        self._all.put(key, kept, _OVERHEAD)
        return Exchange(message, peer, len(data), kept)

    def acknowledge(self, exchange: Exchange) -> None:
        """Tell the peer that its request has arrived, if it has not been told."""
        if exchange.is_confirmable and not exchange.answer:
            self.answer(exchange, empty(Type.ACK, exchange.message.id))

    def answer(self, exchange: Exchange, data: bytes) -> None:
        """Send what answers the request, now and whenever it comes again."""
        exchange.kept.answer = data
        key = hash((exchange.peer, exchange.message.id))
        if self._all.get(key) is exchange.kept:
            self._all.resize(key, _OVERHEAD + len(data))
        self._send(data, exchange.peer)
