"""Messages on their way to one client: their numbers, their acknowledgements, and the client's limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from firstboot_plugins.transports.mqtt.dialect import Message
from firstboot_plugins.transports.mqtt.packets import Connect, Property, Publish

Delivered = Callable[[], Awaitable[None]]

_PACKET_IDS = 0xFFFF


class NotAcknowledged(Exception):
    """The client has left so many messages unacknowledged that no more are kept for it."""


class Outgoing:
    """Turns messages into frames. At most ``most`` are unacknowledged, and as many wait behind them."""

    __slots__ = ("_largest", "_last_id", "_level", "_most", "_unacknowledged", "_waiting", "_window")

    def __init__(self, connect: Connect, most: int) -> None:
        self._level = connect.level
        self._most = most
        # Only MQTT 5 has these two properties.
        self._window = min(most, connect.properties.get(Property.RECEIVE_MAXIMUM, most))
        self._largest = connect.properties.get(Property.MAXIMUM_PACKET_SIZE)
        self._last_id = 0
        self._unacknowledged: dict[int, Delivered | None] = {}
        self._waiting: list[Message] = []

    def send(self, message: Message) -> bytes:
        """Return the bytes to write now: none when the client must acknowledge others first.

        Raises: `NotAcknowledged`.
        """
        if message.qos == 0:
            return self._fitting(Publish(message.topic, message.payload))
        if len(self._unacknowledged) < self._window:
            return self._numbered(message)
        if len(self._waiting) >= self._most:
            raise NotAcknowledged
        self._waiting.append(message)
        return b""

    def acknowledged(self, packet_id: int) -> tuple[bytes, Delivered | None]:
        """Return the bytes to write now that a message is acknowledged, and what to call for that message."""
        delivered = self._unacknowledged.pop(packet_id, None)
        frames = []
        while self._waiting and len(self._unacknowledged) < self._window:
            frames.append(self._numbered(self._waiting.pop(0)))
        return b"".join(frames), delivered

    def _numbered(self, message: Message) -> bytes:
        packet_id = self._last_id % _PACKET_IDS + 1
        while packet_id in self._unacknowledged:
            packet_id = packet_id % _PACKET_IDS + 1
        frame = self._fitting(Publish(message.topic, message.payload, qos=1, packet_id=packet_id))
        if frame:
            self._last_id = packet_id
            self._unacknowledged[packet_id] = message.delivered
        return frame

    def _fitting(self, packet: Publish) -> bytes:
        frame = packet.encode(self._level)
        # MQTT-3.1.2-25: what is too large for the client is dropped as if it had been sent.
        return b"" if self._largest is not None and len(frame) > self._largest else frame
