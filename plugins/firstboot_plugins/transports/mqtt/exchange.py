"""What a client sends over its open connection, and how it is answered."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from firstboot.errors import Unavailable
from firstboot_plugins.transports.mqtt.client_session import ClientSession
from firstboot_plugins.transports.mqtt.dialect import FAILURES, DecidesOnFilters, Reply, SessionTopics
from firstboot_plugins.transports.mqtt.outgoing import Delivered, NotAcknowledged
from firstboot_plugins.transports.mqtt.packets import (
    V5,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Reason,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from firstboot_plugins.transports.mqtt.reasons import IN_PUBACK
from firstboot_plugins.transports.mqtt.subscriptions import Subscriptions

if TYPE_CHECKING:
    from firstboot_plugins.transports.mqtt.connection import Connection

logger = logging.getLogger(__name__)

Request = Publish | Subscribe | Unsubscribe
_QOS = 0x03


class Exchange:
    """Serves one client in the order in which it asks. What only the dialect has to answer is answered at once."""

    __slots__ = (
        "_connection",
        "_decides",
        "_numbered",
        "_proven",
        "_session",
        "_subscriptions",
        "_topics",
        "_waiting",
        "_worker",
    )

    def __init__(
        self, connection: Connection, topics: SessionTopics, session: ClientSession, *, proven: bool
    ) -> None:
        """``proven``: whether the client has logged in; else it may only provision."""
        self._connection = connection
        self._topics = topics
        self._decides = topics if isinstance(topics, DecidesOnFilters) else None
        self._session = session
        self._proven = proven
        config = connection.door.config
        self._subscriptions = Subscriptions(topics, session, connection.level, config.max_filters)
        self._waiting: deque[Request] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._numbered = 0
        """How many of the waiting messages the client will send again if they are not acknowledged."""

    @property
    def is_busy(self) -> bool:
        """Say whether requests wait or are being served."""
        return self._worker is not None

    @property
    def is_full(self) -> bool:
        """Say whether nothing more should be read for now."""
        return (
            self._proven
            and self._waiting is not None
            and len(self._waiting) >= self._connection.door.config.max_in_flight
        )

    def resume(self) -> None:
        """Go on with a session that was left."""
        self._subscriptions.resume()
        self._connection.flush(self._session.outgoing.again())

    # -- messages from the client ------------------------------------------------------------------

    def on_publish(self, packet: Publish) -> None:
        connection = self._connection
        if Property.TOPIC_ALIAS in packet.properties:
            connection.leave(Reason.TOPIC_ALIAS_INVALID, "topic alias")
        elif self._is_one_too_many(packet):
            connection.leave(Reason.RECEIVE_MAXIMUM_EXCEEDED, "too many messages in flight")
        elif not self._proven and self._is_too_much(packet):
            connection.leave(Reason.QUOTA_EXCEEDED, "too many bytes in flight")
        else:
            self._numbered += packet.qos > 0
            self._enqueue(packet)

    def _is_one_too_many(self, packet: Publish) -> bool:
        most = self._connection.door.config.max_in_flight
        if not self._proven:
            return len(self._waiting or ()) >= most
        received = self._session.received
        return packet.qos > 0 and packet.packet_id not in received and self._numbered + len(received) >= most

    def _is_too_much(self, packet: Publish) -> bool:
        held = sum(len(each.payload) for each in self._waiting or () if isinstance(each, Publish))
        return held + len(packet.payload) > self._connection.door.config.max_packet_size

    def on_pubrel(self, packet: Pubrel) -> None:
        if self._proven:
            known = packet.packet_id in self._session.received
            self._session.received.discard(packet.packet_id)
            reason = Reason.SUCCESS if known else Reason.PACKET_ID_NOT_FOUND
            self._connection.write(Pubcomp(packet.packet_id, reason).encode(self._connection.level))

    # -- acknowledgements of the client ------------------------------------------------------------

    def on_puback(self, packet: Puback | Pubcomp) -> None:
        delivered = self._session.outgoing.acknowledged(packet.packet_id)
        if delivered is not None and packet.reason < Reason.UNSPECIFIED_ERROR:
            self._connection.door.spawn(_report_delivery(delivered))
        self._connection.flush()

    def on_pubrec(self, packet: Pubrec) -> None:
        if self._proven:
            self._connection.flush(self._session.outgoing.received(packet.packet_id, packet.reason))

    # -- subscriptions -----------------------------------------------------------------------------

    def on_subscribe(self, packet: Subscribe) -> None:
        if Property.SUBSCRIPTION_IDENTIFIER in packet.properties:
            self._connection.leave(Reason.SUBSCRIPTION_IDS_NOT_SUPPORTED, "subscription identifier")
        elif self._decides or any(self._subscriptions.inner(topic_filter) for topic_filter, _ in packet.filters):
            self._enqueue(packet)
        else:
            reasons = [self._subscriptions.add(*each) for each in packet.filters]
            self._connection.write(Suback(packet.packet_id, reasons).encode(self._connection.level))

    def on_unsubscribe(self, packet: Unsubscribe) -> None:
        subscriptions = self._subscriptions
        if any(subscriptions.is_in_broker(each) or subscriptions.inner(each) for each in packet.filters):
            self._enqueue(packet)
        else:
            reasons = [subscriptions.remove(each) for each in packet.filters]
            self._connection.write(Unsuback(packet.packet_id, reasons).encode(self._connection.level))

    # -- one after the other -----------------------------------------------------------------------

    def _enqueue(self, packet: Request) -> None:
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(packet)
        if self._worker is None:
            self._worker = self._connection.door.spawn(self._work(self._waiting))

    async def _work(self, waiting: deque[Request]) -> None:
        """Serve requests in order: also after the client has left, but not after it was sent away."""
        connection = self._connection
        while waiting and not connection.is_expelled and not self._session.is_over:
            packet = waiting[0]
            try:
                if isinstance(packet, Publish):
                    reply = await self._publish(packet)
                    if connection.is_open:
                        self._answer(packet, reply)
                elif isinstance(packet, Subscribe):
                    await self._subscribe(packet)
                else:
                    await self._unsubscribe(packet)
            except FAILURES:
                if not self._session.is_over:
                    logger.exception("a request could not be served")
                connection.leave(Reason.IMPLEMENTATION_SPECIFIC_ERROR, "failed")
            waiting.popleft()
            connection.go_on()
        self._worker = None
        connection.served()

    async def _publish(self, packet: Publish) -> Reply:
        session, packet_id = self._session, packet.packet_id
        exactly_once = packet.qos == 2 and self._proven
        if exactly_once:
            assert packet_id is not None  # goes with the QoS
            self._numbered -= 1
            if packet_id in session.received:
                return Reply()
            session.received.add(packet_id)
        try:
            if self._topics.owns(packet.topic):
                reply = await self._topics.publish(packet)
            else:
                reply = Reply(await session.publish(packet))
        except FAILURES:
            if not session.is_over:
                logger.exception("a message could not be served")
            reply = Reply(Reason.IMPLEMENTATION_SPECIFIC_ERROR, close=True, must_tell=self._proven)
        if not exactly_once:
            self._numbered -= packet.qos > 0
        elif reply.reason >= Reason.UNSPECIFIED_ERROR and (self._connection.level == V5 or reply.must_tell):
            # The client learns that it was not taken; when it comes again it is not a duplicate.
            session.received.discard(packet.packet_id or 0)
        return reply

    def _answer(self, packet: Publish, reply: Reply) -> None:
        connection = self._connection
        refused = reply.reason >= Reason.UNSPECIFIED_ERROR
        can_tell = connection.level == V5 and packet.qos > 0 and reply.reason in IN_PUBACK
        if refused and reply.must_tell and not can_tell:
            connection.leave(reply.reason, "unreadable message")
            return
        acknowledgement = b""
        if packet.packet_id is not None:
            # A provision-only session answers QoS 2 with PUBACK (contract PM-10).
            kind = Pubrec if packet.qos == 2 and self._proven else Puback
            acknowledgement = kind(packet.packet_id, reply.reason).encode(connection.level)
        try:
            for message in reply.messages:
                self._session.outgoing.send(message)
        except NotAcknowledged:
            connection.overflow()
            return
        connection.flush(acknowledgement)
        if reply.close:
            connection.leave(reply.reason, "refused message")
        elif not self._proven:
            connection.linger()

    async def _subscribe(self, packet: Subscribe) -> None:
        session, subscriptions = self._session, self._subscriptions
        reasons: list[int] = []
        wants_retained: list[str] = []
        if self._decides is not None:
            await self._decides.decide([topic_filter for topic_filter, _ in packet.filters])
        for topic_filter, options in packet.filters:
            inner = subscriptions.inner(topic_filter)
            if inner is None:
                reasons.append(subscriptions.add(topic_filter, options))
                continue
            if subscriptions.is_full_for(topic_filter):
                reasons.append(subscriptions.refusal(Reason.QUOTA_EXCEEDED))
                continue
            if self._connection.level < V5:
                options &= _QOS
            retain_handling = options >> 4
            if retain_handling == 0 or (retain_handling == 1 and topic_filter not in session.filters):
                wants_retained.append(topic_filter)
            await session.subscribe(topic_filter, inner, options)
            reasons.append(options & _QOS)
        connection = self._connection
        connection.write(Suback(packet.packet_id, reasons).encode(connection.level))
        for topic_filter in wants_retained:
            messages = await session.retained(topic_filter)
            try:
                session.outgoing.send_later(messages, connection.door.config.max_retained)
            except NotAcknowledged:
                connection.overflow()
                return
        connection.flush()

    async def _unsubscribe(self, packet: Unsubscribe) -> None:
        reasons: list[int] = []
        for topic_filter in packet.filters:
            if self._subscriptions.is_in_broker(topic_filter):
                await self._session.unsubscribe(topic_filter)
                reasons.append(Reason.SUCCESS)
            else:
                reasons.append(self._subscriptions.remove(topic_filter))
        self._connection.write(Unsuback(packet.packet_id, reasons).encode(self._connection.level))


async def _report_delivery(delivered: Delivered) -> None:
    try:
        await delivered()
    except Unavailable as error:
        logger.error("a delivery could not be recorded", extra={"reason": str(error)})
    except Exception:
        logger.exception("a delivery could not be recorded")
