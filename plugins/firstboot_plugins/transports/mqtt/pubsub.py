"""The door's way to the embedded broker."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from firstboot.sessions import Owner
from firstboot_plugins.transports.mqtt.broker.message import BrokerMessage
from firstboot_plugins.transports.mqtt.config import MqttConfig
from firstboot_plugins.transports.mqtt.dialect import TopicRights
from firstboot_plugins.transports.mqtt.packets import Property, Publish, Will

if TYPE_CHECKING:
    from firstboot_plugins.transports.mqtt.broker.embedded import EmbeddedBroker
    from firstboot_plugins.transports.mqtt.broker.inner_session import Deliver, InnerSession


class PubSub:
    """Starts the broker when the first session needs it: a server without ordinary messages never loads it."""

    def __init__(self, config: MqttConfig) -> None:
        self._config = config
        self._broker: EmbeddedBroker | None = None
        self._starting = asyncio.Lock()

    async def open(self, owner: Owner, deliver: Deliver) -> InnerSession:
        """Return a session in the broker; ``deliver`` is called with what it is to get."""
        return await (await self._started()).open_session(owner, deliver)

    async def publish(self, message: BrokerMessage, owner: Owner) -> None:
        """Publish what no session can publish any more: a will."""
        (await self._started()).publish(message, owner)

    async def retained(self, inner_filter: str) -> list[BrokerMessage]:
        """Return the retained messages that a filter matches."""
        return (await self._started()).retained.matching(inner_filter)

    def forget(self, owner: Owner) -> None:
        """Drop what is retained of an owner whose rights have ended."""
        if self._broker is not None:
            self._broker.forget(owner)

    async def stop(self) -> None:
        async with self._starting:
            if self._broker is not None:
                await self._broker.stop()

    async def _started(self) -> EmbeddedBroker:
        async with self._starting:
            if self._broker is None:
                # Importing takes a tenth of a second, for which nobody else is to wait.
                make = await asyncio.to_thread(_embedded_broker)
                broker = make(self._config.max_retained, self._config.max_retained_bytes)
                await broker.start()
                self._broker = broker
            return self._broker


def _embedded_broker() -> type[EmbeddedBroker]:
    from firstboot_plugins.transports.mqtt.broker.embedded import EmbeddedBroker

    return EmbeddedBroker


def broker_message(packet: Publish | Will, rights: TopicRights, sender: int) -> BrokerMessage | None:
    """Return a client's message as the broker carries it; None when the client may not publish there."""
    topic = rights.publish_to(packet.topic)
    if topic is None:
        return None
    properties = dict(packet.properties)
    properties.pop(Property.WILL_DELAY_INTERVAL, None)
    life_s = properties.pop(Property.MESSAGE_EXPIRY_INTERVAL, None)
    if Property.RESPONSE_TOPIC in properties:
        # The client will be listening there, so it is a topic that it may subscribe to.
        inner = rights.subscribe_to(properties.pop(Property.RESPONSE_TOPIC))
        if inner is not None:
            properties[Property.RESPONSE_TOPIC] = inner
    return BrokerMessage(
        topic,
        packet.payload,
        packet.qos,
        packet.retain and rights.may_retain,
        sender,
        float("inf") if life_s is None else time.monotonic() + life_s,
        properties,
    )
