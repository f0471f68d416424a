"""A client of the embedded broker: what a door session is inside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from amqtt.adapters import StreamReaderAdapter

from firstboot_plugins.transports.mqtt.broker.message import BrokerMessage, unpack
from firstboot_plugins.transports.mqtt.broker.pipe import PipeWriter
from firstboot_plugins.transports.mqtt.dialect import FAILURES
from firstboot_plugins.transports.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Limits,
    Packet,
    Publish,
    Subscribe,
    Unsubscribe,
    decode_frame,
)

logger = logging.getLogger(__name__)

LEVEL = 4
_PACKET_IDS = 0xFFFF
_LIMITS = Limits(topic_bytes=2048, topic_levels=64)
"""Inner topics are longer than those of clients, which the door has measured."""

Deliver = Callable[[BrokerMessage], None]


class BrokerGone(Exception):
    """The broker has ended this session."""


class FrameReader:
    """Decodes what the broker writes; a message that goes to many is the same object for all of them."""

    def __init__(self) -> None:
        self._frame = b""
        self._decoded: Packet | BrokerMessage | None = None

    def read(self, frame: bytes) -> Packet | BrokerMessage:
        if frame is not self._frame or self._decoded is None:
            packet = decode_frame(frame, LEVEL, from_server=True, limits=_LIMITS)
            self._decoded = unpack(packet.topic, packet.payload) if isinstance(packet, Publish) else packet
            self._frame = frame
        return self._decoded


class InnerSession:
    """Speaks MQTT 3.1.1 with amqtt through a pipe.

    It subscribes with QoS 0, as a pipe in memory loses nothing; what a message's QoS is to the clients stands
    in the `BrokerMessage`. Who keeps it until a client has it, and how much of it, is up to the door session.
    """

    def __init__(self, client_id: str, frames: FrameReader, deliver: Deliver) -> None:
        self.client_id = client_id
        self._frames = frames
        self._deliver = deliver
        self._stream = asyncio.StreamReader()
        self.reader = StreamReaderAdapter(self._stream)
        self.writer = PipeWriter(self._receive, self._ended)
        self._pending: dict[int, asyncio.Future[Packet]] = {}
        self._last_id = 0
        self._gone = False

    async def connect(self) -> None:
        """Raises: `BrokerGone`."""
        await self._ask(0, Connect(LEVEL, self.client_id))

    async def subscribe(self, topic_filter: str) -> None:
        """Raises: `BrokerGone`."""
        packet_id = self._next_id()
        await self._ask(packet_id, Subscribe(packet_id, [(topic_filter, 0)]))

    async def unsubscribe(self, topic_filter: str) -> None:
        """Raises: `BrokerGone`."""
        packet_id = self._next_id()
        await self._ask(packet_id, Unsubscribe(packet_id, [topic_filter]))

    async def publish(self, message: BrokerMessage) -> None:
        """Return when every receiver's session has the message. Raises: `BrokerGone`."""
        packet_id = self._next_id()
        packet = Publish(message.topic, message.pack(), qos=1, retain=message.retain, packet_id=packet_id)
        await self._ask(packet_id, packet)

    def close(self) -> None:
        """End the session, also in the broker."""
        if not self._gone:
            self._stream.feed_data(Disconnect().encode(LEVEL))
            self._ended()

    async def _ask(self, packet_id: int, packet: Packet) -> None:
        if self._gone:
            raise BrokerGone
        answer = asyncio.get_running_loop().create_future()
        self._pending[packet_id] = answer
        self._stream.feed_data(packet.encode(LEVEL))
        try:
            await answer
        finally:
            self._pending.pop(packet_id, None)

    def _next_id(self) -> int:
        self._last_id = self._last_id % _PACKET_IDS + 1
        while self._last_id in self._pending:
            self._last_id = self._last_id % _PACKET_IDS + 1
        return self._last_id

    def _receive(self, frame: bytes) -> None:
        if self._gone:
            return
        packet = self._frames.read(frame)
        if isinstance(packet, BrokerMessage):
            try:
                self._deliver(packet)
            except FAILURES:  # the other receivers get it all the same
                logger.exception("a message could not be delivered")
            return
        packet_id = 0 if isinstance(packet, Connack) else packet.packet_id  # type: ignore[union-attr]
        answer = self._pending.get(packet_id or 0)
        if answer is not None and not answer.done():
            answer.set_result(packet)

    def _ended(self) -> None:
        self._gone = True
        self._stream.feed_eof()
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(BrokerGone())
