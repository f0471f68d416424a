"""amqtt, with its own listeners closed off and its subscriptions and retained messages replaced.

Pinned to one release of amqtt: `EmbeddedBroker` overrides methods that are not public.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
from amqtt.errors import NoDataError
from amqtt.mqtt.connect import ConnectPacket
from amqtt.session import Session

from firstboot.sessions import Owner
from firstboot_plugins.transports.mqtt.broker.amqtt_parts import InnerHandler, LeanSession, TrustTheDoor
from firstboot_plugins.transports.mqtt.broker.inner_session import LEVEL, Deliver, FrameReader, InnerSession
from firstboot_plugins.transports.mqtt.broker.message import BrokerMessage, unpack
from firstboot_plugins.transports.mqtt.broker.retained import RetainedMessages
from firstboot_plugins.transports.mqtt.broker.subscription_index import SubscriptionIndex
from firstboot_plugins.transports.mqtt.packets import Publish

_LISTENER = "default"


class EmbeddedBroker(Broker):
    """Distributes messages among inner sessions."""

    def __init__(self, most_retained: int, most_retained_bytes: int) -> None:
        """Retain so many messages for each tenant, and so many bytes."""
        for name in ("amqtt", "transitions"):  # they write payloads, and a line for every packet
            logging.getLogger(name).setLevel(logging.WARNING)
        trust = f"{TrustTheDoor.__module__}.{TrustTheDoor.__qualname__}"
        listener = ListenerConfig(type=ListenerType.EXTERNAL)
        super().__init__(BrokerConfig(listeners={_LISTENER: listener}, plugins={trust: {}}))
        self.retained = RetainedMessages(most_retained, most_retained_bytes)
        self._index = SubscriptionIndex()
        self._frames = FrameReader()
        self._inner: dict[InnerSession, asyncio.Task[None]] = {}
        self._opened = 0
        self._forgotten: dict[str, int] = {}
        """The last session that a publisher had when its rights ended; until nothing of it can be under way."""

    # -- for the door ------------------------------------------------------------------------------

    async def open_session(self, owner: Owner, deliver: Deliver) -> InnerSession:
        """Make a session; its client id is the owner's and used only once, whatever the client calls itself."""
        self._opened += 1
        session = InnerSession(f"{_publisher(owner)}/{self._opened}", self._frames, deliver)
        serving = asyncio.get_running_loop().create_task(
            self.external_connected(session.reader, session.writer, _LISTENER)
        )
        self._inner[session] = serving
        serving.add_done_callback(lambda _: self._inner.pop(session, None))
        await session.connect()
        return session

    def publish(self, message: BrokerMessage, owner: Owner) -> None:
        """Distribute what no session publishes itself, such as a will."""
        self.distribute(message.topic, message.pack(), _publisher(owner) if message.retain else None)

    def forget(self, owner: Owner) -> None:
        """Drop the retained messages of somebody who may publish no longer."""
        self._forgotten[_publisher(owner)] = self._opened
        self.retained.forget(_publisher(owner))

    def retainer(self, client_id: str) -> str | None:
        """Return for whom a message of this session is retained; None when its rights have ended meanwhile."""
        publisher, _, number = client_id.rpartition("/")
        return publisher if int(number) > self._forgotten.get(publisher, 0) else None

    async def stop(self) -> None:
        """End every session, and amqtt."""
        for session in list(self._inner):
            session.close()
        if self._inner:
            await asyncio.wait(list(self._inner.values()), timeout=1.0)
        await self.shutdown()

    def distribute(self, topic: str, data: bytes, retained_by: str | None) -> None:
        """Write a packed message to everyone who has subscribed to its topic; keep it if somebody retains it."""
        frame = b""
        for client_id in self._index.clients_of(topic):
            handler = self._sessions[client_id][1]
            if handler.writer is not None:
                frame = frame or Publish(topic, data).encode(LEVEL)
                handler.writer.write(frame)
        if retained_by is not None:
            self.retained.keep(unpack(topic, data), retained_by)

    # -- what amqtt calls --------------------------------------------------------------------------

    async def _initialize_client_session(
        self, reader: ReaderAdapter, writer: WriterAdapter, remote_address: str, remote_port: int
    ) -> tuple[InnerHandler, Session]:
        connect = await ConnectPacket.from_stream(reader)
        if connect is None:
            raise NoDataError("an inner session has ended before it began")
        session = LeanSession()
        session.client_id = connect.client_id
        session.clean_session = True
        return InnerHandler(self), session

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        topic_filter, qos = subscription
        assert session.client_id is not None  # every inner session has one
        self._index.add(topic_filter, session.client_id)
        return qos

    def _del_subscription(self, a_filter: str, session: Session) -> int:
        assert session.client_id is not None  # every inner session has one
        return int(self._index.remove(a_filter, session.client_id))

    async def _del_all_subscriptions(self, session: Session) -> None:
        assert session.client_id is not None  # every inner session has one
        self._index.remove_all(session.client_id)

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        """Do nothing: a door session asks for retained messages itself, as version 5 lets clients choose."""

    async def _broadcast_message(
        self, session: Session | None, topic: str | None, data: Any, force_qos: int | None = None
    ) -> None:
        raise AssertionError("only whole messages are distributed")

    async def _handle_disconnect(self, client_session: Session, handler: Any, disconnect_waiter: Any) -> None:
        await super()._handle_disconnect(client_session, handler, disconnect_waiter)
        assert client_session.client_id is not None  # every inner session has one
        # amqtt itself looks once in a second for the sessions to forget.
        await self._cleanup_session(client_session.client_id)

    async def _session_monitor(self) -> None:
        """Drop retained messages that have expired; ended sessions are gone at once."""
        while True:
            await asyncio.sleep(60)
            self.retained.drop_expired(time.monotonic())
            self._forgotten.clear()


def _publisher(owner: Owner) -> str:
    return f"{owner.kind}/{owner.id}"
