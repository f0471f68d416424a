"""What MQTT calls a session: subscriptions and messages under way. It may outlive its connection."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firstboot.sessions import Owner
from firstboot_plugins.transports.mqtt.broker.message import BrokerMessage
from firstboot_plugins.transports.mqtt.dialect import Sender, TopicRights
from firstboot_plugins.transports.mqtt.outgoing import Ordinary, Outgoing
from firstboot_plugins.transports.mqtt.packets import Property, Publish, Reason
from firstboot_plugins.transports.mqtt.pubsub import PubSub, broker_message
from firstboot_plugins.transports.mqtt.topic_syntax import covers

if TYPE_CHECKING:
    from firstboot_plugins.transports.mqtt.broker.inner_session import InnerSession

_QOS = 0x03
_NO_LOCAL = 0x04
_RETAIN_AS_PUBLISHED = 0x08

_numbers = itertools.count(1)


class SessionOver(Exception):
    """The session has ended while something that its client had asked for waited to be served."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One filter of a session. ``inner`` is its form in the broker, None for a filter of the dialect."""

    inner: str | None
    options: int
    """As in SUBSCRIBE; the low bits are the granted QoS."""


class ClientSession:
    """The session of one client. Messages for it arrive here, whether it is connected or not."""

    __slots__ = (
        "_inner", "_number", "_opening", "_pubsub", "client_id", "collect", "filters", "is_over", "outgoing",
        "owner", "received", "rights", "sink",
    )  # fmt: skip

    def __init__(
        self, pubsub: PubSub, owner: Owner | None, rights: TopicRights | None, client_id: str, outgoing: Outgoing
    ) -> None:
        """Without an ``owner`` and ``rights`` it has nothing to do with the broker."""
        self._pubsub = pubsub
        self.owner = owner
        self.rights = rights
        self.collect: Callable[[str, bytes], Awaitable[None]] | None = None
        """See `firstboot_plugins.transports.mqtt.dialect.Login`."""
        self.client_id = client_id
        self.outgoing = outgoing
        self.filters: dict[str, Subscription] = {}
        self.received: set[int] = set()
        """Packet ids of QoS 2 messages that were taken and not yet released: they must not be taken again."""
        self.sink: Sender = lambda message: None
        """Takes what arrives from the broker: the connection, or the store of absent sessions."""
        self._number = next(_numbers)
        self._inner: InnerSession | None = None
        self._opening: asyncio.Lock | None = None
        self.is_over = False

    def inner_filter(self, topic_filter: str) -> str | None:
        """Return a filter as the broker knows it; None when the client may not subscribe to it."""
        if self.rights is None or topic_filter.startswith("$"):
            return None
        return self.rights.subscribe_to(topic_filter)

    async def publish(self, packet: Publish) -> int:
        """Pass a message on; return the reason code of its acknowledgement."""
        message = None
        if self.rights is not None and not packet.topic.startswith("$"):
            message = broker_message(packet, self.rights, self._number)
        if message is None:
            return Reason.TOPIC_NAME_INVALID
        if self.collect is not None:
            await self.collect(packet.topic, packet.payload)
        await (await self._inner_session()).publish(message)
        return Reason.SUCCESS

    async def subscribe(self, topic_filter: str, inner: str, options: int) -> None:
        """Subscribe, or change the options of a subscription."""
        if topic_filter not in self.filters:
            await (await self._inner_session()).subscribe(inner)
        self.filters[topic_filter] = Subscription(inner, options)

    async def unsubscribe(self, topic_filter: str) -> None:
        """Drop a subscription to topics of the broker."""
        subscription = self.filters.pop(topic_filter)
        assert subscription.inner is not None  # those of the dialect are dropped there
        await (await self._inner_session()).unsubscribe(subscription.inner)

    async def retained(self, topic_filter: str) -> list[Ordinary]:
        """Return the retained messages for a subscription."""
        subscription = self.filters[topic_filter]
        assert subscription.inner is not None  # a dialect retains nothing
        found = await self._pubsub.retained(subscription.inner)
        messages = [self._ordinary(each, min(each.qos, subscription.options & _QOS), True) for each in found]
        return [each for each in messages if each is not None]

    def deliver(self, message: BrokerMessage) -> None:
        """Take a message that one or more of the session's filters match; the client gets it once."""
        qos, retain = -1, False
        for subscription in self.filters.values():
            if subscription.inner is None or not covers(subscription.inner, message.topic):
                continue
            if subscription.options & _NO_LOCAL and message.sender == self._number:
                continue
            qos = max(qos, subscription.options & _QOS)
            retain |= bool(subscription.options & _RETAIN_AS_PUBLISHED)
        ordinary = self._ordinary(message, min(qos, message.qos), retain and message.retain)
        if qos >= 0 and ordinary is not None:
            self.sink(ordinary)

    def close(self) -> None:
        """End the session, also in the broker, and for good: what its client has sent may still wait."""
        self.is_over = True
        if self._inner is not None:
            self._inner.close()
            self._inner = None

    def _ordinary(self, message: BrokerMessage, qos: int, retain: bool) -> Ordinary | None:
        """Return a message as the client sees it; None when it may not see it (threat MQ-8)."""
        rights = self.rights
        topic = rights.seen_as(message.topic) if rights is not None else None
        if rights is None or topic is None:
            return None
        properties = message.properties
        if Property.RESPONSE_TOPIC in properties:
            properties = dict(properties)
            response_topic = rights.seen_as(properties.pop(Property.RESPONSE_TOPIC))
            if response_topic is not None:
                properties[Property.RESPONSE_TOPIC] = response_topic
        return Ordinary(
            topic, message.payload, qos, retain=retain, properties=properties, expires_at=message.expires_at
        )

    async def _inner_session(self) -> InnerSession:
        if self.is_over:
            raise SessionOver
        if self._inner is None:
            self._opening = self._opening or asyncio.Lock()
            async with self._opening:
                if self._inner is None:
                    assert self.owner is not None  # who has rights is somebody
                    inner = await self._pubsub.open(self.owner, self.deliver)
                    if self.is_over:
                        inner.close()
                        raise SessionOver
                    self._inner = inner
        return self._inner
