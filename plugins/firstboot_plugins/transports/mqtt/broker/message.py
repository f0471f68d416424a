"""A message on its way through the broker."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from firstboot_plugins.transports.mqtt.packets import Properties
from firstboot_plugins.transports.mqtt.properties import (
    IN_SERVER_PUBLISH,
    property_bytes,
    read_properties,
    write_properties,
)

_HEAD = struct.Struct(">BQd")
_RETAIN = 0x04
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class BrokerMessage:
    """What a session has published, on an inner topic (see `dialect.TopicRights`).

    amqtt carries it as its payload: MQTT 3.1.1 has no fields for the properties of version 5, and amqtt itself
    forgets the QoS and RETAIN of the publisher.
    """

    topic: str
    payload: bytes = field(repr=False)
    qos: int = 0
    retain: bool = False
    sender: int = 0
    """Number of the session that has published it; 0 is the door itself."""
    expires_at: float = _NEVER
    """On the clock of `time.monotonic`."""
    properties: Properties = field(default_factory=dict, repr=False)
    """Response topics in them are inner topics."""

    @property
    def size(self) -> int:
        return len(self.topic) + len(self.payload) + property_bytes(self.properties)

    def pack(self) -> bytes:
        """Return all but the topic as bytes."""
        head = _HEAD.pack(self.qos | (_RETAIN if self.retain else 0), self.sender, self.expires_at)
        return b"".join((head, write_properties(self.properties), self.payload))


def unpack(topic: str, data: bytes) -> BrokerMessage:
    """Return what was packed."""
    flags, sender, expires_at = _HEAD.unpack_from(data)
    properties, start = read_properties(data, _HEAD.size, IN_SERVER_PUBLISH)
    return BrokerMessage(topic, data[start:], flags & 0x03, bool(flags & _RETAIN), sender, expires_at, properties)
