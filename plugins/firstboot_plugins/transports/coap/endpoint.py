"""What comes in: which datagrams are answered at all, and requests until there is an answer (RFC 7252)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from firstboot.model import PeerCertificate
from firstboot.throttle import FailureThrottle
from firstboot_plugins.transports.coap.config import CoapConfig
from firstboot_plugins.transports.coap.exchanges import Exchange, Exchanges
from firstboot_plugins.transports.coap.messages import (
    Code,
    MalformedMessage,
    Message,
    NotCoap,
    Option,
    Type,
    decode,
    empty,
    is_request,
)
from firstboot_plugins.transports.coap.observations import Observation, Observations
from firstboot_plugins.transports.coap.options import uint
from firstboot_plugins.transports.coap.outgoing import Outgoing
from firstboot_plugins.transports.coap.peers import Peer
from firstboot_plugins.transports.coap.rates import Rates
from firstboot_plugins.transports.coap.replies import Answered, Reply, reply_to
from firstboot_plugins.transports.coap.resources import CoapResource, Handler, Request
from firstboot_plugins.transports.coap.routing import find_handler, refused_option
from firstboot_plugins.transports.coap.uploads import Uploads

logger = logging.getLogger(__name__)

ACK_DELAY_S = 0.5
"""A request whose answer takes longer is acknowledged first (contract PC-3)."""
FAILURES_PER_MINUTE = 10
"""Failures of handlers that are logged one by one."""
STOP_OBSERVING = uint(1)
LAST_ANSWERS_S = 1.0
"""How long requests under way may take for their answers when the server stops."""


class Endpoint:
    """Serves datagrams. Each request is a task of its own, and what fails in it costs no other (threat CO-4)."""

    def __init__(
        self,
        config: CoapConfig,
        resources: Sequence[CoapResource],
        send: Callable[[bytes, Peer], None],
        monotonic: Callable[[], float],
        certificate_of: Callable[[Peer], PeerCertificate | None] = lambda peer: None,
    ) -> None:
        self._config = config
        self._resources = resources
        self._send = send
        self._certificate_of = certificate_of
        self._rates = Rates(config.messages_per_second, config.burst, monotonic)
        self._failures = FailureThrottle(per_minute=FAILURES_PER_MINUTE, max_delay_s=0.0, monotonic=monotonic)
        self.exchanges = Exchanges(config, send, monotonic)
        self.uploads = Uploads(config, monotonic)
        self.outgoing = Outgoing(config, self.exchanges, send, monotonic)
        self.observations = Observations(
            self.outgoing, config.max_observations, config.observation_check.total_seconds()
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    # -- what comes in -----------------------------------------------------------------------------

    def received(self, data: bytes, peer: Peer) -> None:
        """Take a datagram."""
        if not self._rates.take(peer.address):
            return
        try:
            message = decode(data)
        except NotCoap:
            return
        except MalformedMessage as error:
            if error.type is Type.CON:
                self._send(empty(Type.RST, error.message_id), peer)
            return
        if message.type in (Type.ACK, Type.RST):
            self.outgoing.deliveries.answered(message, peer)
        elif is_request(message.code):
            self._request(message, peer, data)
        elif message.type is Type.CON:  # somebody looks whether we are there, or answers what nobody asked
            self._send(empty(Type.RST, message.id), peer)

    def _request(self, message: Message, peer: Peer, data: bytes) -> None:
        exchange = self.exchanges.begin(message, peer, data)
        if exchange is None:
            return
        if self._stopping or len(self._tasks) >= self._config.max_in_flight:
            self.outgoing.respond(exchange, Reply(Code.SERVICE_UNAVAILABLE, ((Option.MAX_AGE, uint(1)),)))
            return
        task = asyncio.get_running_loop().create_task(self._serve(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def left(self, peer: Peer) -> None:
        """Take note that nothing reaches the peer any more."""
        self.observations.cancel_all(peer)

    # -- requests ----------------------------------------------------------------------------------

    async def _serve(self, exchange: Exchange) -> None:
        acknowledging = asyncio.get_running_loop().call_later(ACK_DELAY_S, self.exchanges.acknowledge, exchange)
        observation: Observation | None = None
        try:
            self.outgoing.look_at(exchange)
            further = self.outgoing.further(exchange)
            if further is None:
                reply, observation = await self._reply(exchange)
                reply = self.outgoing.cut(exchange, reply)
            else:
                reply = further
        except Answered as answered:
            reply = answered.reply
            _give_up(observation)
        except Exception:
            if self._failures.is_news("coap requests"):
                logger.exception("a request failed")
            reply = Reply(Code.INTERNAL_SERVER_ERROR)
            _give_up(observation)
        finally:
            acknowledging.cancel()
        is_observed = observation is not None and observation.is_begun
        self.outgoing.respond(exchange, reply, observation.arrived if observation and is_observed else None)

    async def _reply(self, exchange: Exchange) -> tuple[Reply, Observation | None]:
        message, peer = exchange.message, exchange.peer
        refused = refused_option(message)
        if refused is not None:
            raise Answered(refused)
        handler, path, query = find_handler(self._resources, message)
        if self.uploads.are_full and message.first(Option.BLOCK1) is not None:
            await self.outgoing.listen_for(exchange)
        body, exchange.received = self.uploads.take(message, peer, exchange.received, self.outgoing.heard)
        observation = self._observation(message, peer)
        stops = observation is None and message.first(Option.OBSERVE) == STOP_OBSERVING
        certificate = self._certificate_of(peer)
        request = Request(
            path, query, body, peer.host, observation, stops, certificate,
            content_format=_number(message.first(Option.CONTENT_FORMAT)),
            accept=_number(message.first(Option.ACCEPT)),
        )  # fmt: skip
        reply = await self._ask(handler, request, observation)
        value = message.first(Option.BLOCK1)
        if value is not None:
            reply = reply.with_option(Option.BLOCK1, value)
        return reply, observation

    async def _ask(self, handler: Handler, request: Request, observation: Observation | None) -> Reply:
        try:
            answer = await handler(request)
        except BaseException:
            _give_up(observation)
            raise
        reply = reply_to(answer)
        if observation is None or not observation.is_begun:
            return reply
        if answer.code not in (Code.CONTENT, Code.VALID):
            observation.close()
            return reply
        return observation.numbered(reply)

    def _observation(self, message: Message, peer: Peer) -> Observation | None:
        wanted = message.first(Option.OBSERVE)
        if message.code != Code.GET or wanted is None or len(wanted) > 3:
            return None
        if wanted == STOP_OBSERVING:
            self.observations.cancel(peer, message.token)
            return None
        if int.from_bytes(wanted) != 0 or self.observations.are_full:
            return None
        return Observation(self.observations, message, peer)

    # -- the end -----------------------------------------------------------------------------------

    def stop_accepting(self) -> None:
        """Answer new requests with 5.03 from now on."""
        self._stopping = True

    async def close(self) -> None:
        """Let the requests under way get their answers, if they do so soon, and forget everything."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=LAST_ANSWERS_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self.observations.close()
        await self.outgoing.close()


def _number(value: bytes | None) -> int | None:
    return None if value is None else int.from_bytes(value)


def _give_up(observation: Observation | None) -> None:
    if observation is not None:
        observation.close()
