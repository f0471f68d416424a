"""What goes out: answers in the message that fits, and no more than the peer may be sent (RFC 7959, 9175)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from firstboot_plugins.transports.coap.config import CoapConfig
from firstboot_plugins.transports.coap.deliveries import Deliveries
from firstboot_plugins.transports.coap.downloads import LARGEST_BLOCK, Downloads
from firstboot_plugins.transports.coap.exchanges import Exchange, Exchanges
from firstboot_plugins.transports.coap.messages import Message, Option, Type
from firstboot_plugins.transports.coap.peers import Heard, Peer, Verified
from firstboot_plugins.transports.coap.replies import Answered, Reply

logger = logging.getLogger(__name__)


class Outgoing:
    """Answers requests, and sends what nobody has asked for just now."""

    def __init__(
        self,
        config: CoapConfig,
        exchanges: Exchanges,
        send: Callable[[bytes, Peer], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._max_amplification = config.max_amplification
        self._exchanges = exchanges
        self.heard = Heard(monotonic)
        self.verified = Verified(monotonic)
        self.downloads = Downloads(self.verified, monotonic)
        self.deliveries = Deliveries(send, self.heard, monotonic)
        self._confirming: set[asyncio.Task[None]] = set()

    def look_at(self, exchange: Exchange) -> None:
        """See whether the peer of a request is verified."""
        echo = exchange.message.first(Option.ECHO)
        exchange.is_verified = exchange.peer in self.verified or (
            echo is not None and self.verified.check(exchange.peer, echo)
        )

    async def listen_for(self, exchange: Exchange) -> None:
        """Ask the peer of a request for a sign of life, if it has given none."""
        if exchange.peer not in self.heard:
            # Small clients know nothing of Echo options, but every one answers this.
            await self.deliveries.ping(exchange.peer)

    def further(self, exchange: Exchange) -> Reply | None:
        """Return the part of an earlier answer that a request asks for; None when it asks for a new one.

        Raises: `Answered`.
        """
        return self.downloads.further(exchange.message, exchange.peer, self._most(exchange))

    def cut(self, exchange: Exchange, reply: Reply) -> Reply:
        """Return the reply, or its first part where it is too large for a message or for this peer.

        Raises: `Answered`.
        """
        return self.downloads.reply(exchange.message, exchange.peer, reply, self._most(exchange))

    def respond(self, exchange: Exchange, reply: Reply, arrived: Callable[[bool], None] | None = None) -> None:
        """Answer a request. ``arrived`` is told whether the peer has got the answer, or may be thought to."""
        message, peer = exchange.message, exchange.peer
        # What is told later goes to an address that has shown that somebody is there who wants it.
        must_confirm = reply.delivered is not None or (arrived is not None and not exchange.is_verified)
        if must_confirm:
            self._exchanges.acknowledge(exchange)
        if exchange.is_confirmable and not exchange.answer:
            self._exchanges.answer(exchange, reply.message(Type.ACK, message.id, message.token).encode())
        elif exchange.is_confirmable or must_confirm:
            most = self._most(exchange)
            budget = None if most is None else most - len(exchange.answer)
            self.deliveries.send(reply, peer, message.token, budget, _both(arrived, self._confirmation(reply)))
            return
        else:
            data = reply.message(Type.NON, self.deliveries.next_id(peer), message.token).encode()
            self._exchanges.answer(exchange, data)
        if arrived is not None:
            arrived(True)

    def push(self, registration: Message, peer: Peer, reply: Reply, ended: Callable[[bool], None]) -> None:
        """Send news to a peer that has acknowledged those before, until they are acknowledged.

        They go whole, if they fit into a message: the acknowledgement shows interest (RFC 7641, 7). If not, the
        first block is so small that the peer may ask for the others.
        """
        fits = peer in self.verified or len(reply.payload) <= LARGEST_BLOCK
        most = None if fits else self._max_amplification * len(registration.encode())
        try:
            reply = self.downloads.reply(registration, peer, reply, most)
        except Answered as answered:
            reply = answered.reply
        self.deliveries.send(reply, peer, registration.token, None, ended)

    async def close(self) -> None:
        """Send nothing more."""
        self.deliveries.close()
        await asyncio.gather(*self._confirming)

    def _most(self, exchange: Exchange) -> int | None:
        """Return how many bytes the peer may be sent for this request; None when there is no bound."""
        return None if exchange.is_verified else self._max_amplification * exchange.received

    def _confirmation(self, reply: Reply) -> Callable[[bool], None]:
        def ended(arrived: bool) -> None:
            if arrived and reply.delivered is not None:
                task = asyncio.get_running_loop().create_task(_confirm(reply.delivered))
                self._confirming.add(task)
                task.add_done_callback(self._confirming.discard)

        return ended


def _both(first: Callable[[bool], None] | None, second: Callable[[bool], None]) -> Callable[[bool], None]:
    def ended(arrived: bool) -> None:
        if first is not None:
            first(arrived)
        second(arrived)

    return ended


async def _confirm(delivered: Callable[[], Awaitable[None]]) -> None:
    try:
        await delivered()
    except Exception as error:
        # Without it the device may ask again for a while, which is what happens to an answer that was lost.
        logger.warning("a confirmed delivery could not be recorded: %s", error)
