"""The control packets as values, and their canonical form on the wire.

``encode(level)`` writes for MQTT 3.1 (3), 3.1.1 (4) or 5 (5). Levels 3 and 4 have no properties
and few reason codes: what they cannot carry is left out, so a packet read at one level can be written at
another. Encoding checks no more than it needs: packets are built by this server or come from the decoder.
What may hold a secret or a payload stays out of ``repr``, the user name too: it can be an access token.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from .properties import Properties, write_properties
from .wire import write_binary, write_frame, write_text, write_u16, write_varint

V5 = 5
_PROTOCOL = {3: b"\0\6MQIsdp\3", 4: b"\0\4MQTT\4", 5: b"\0\4MQTT\5"}
_CONNACK_ACCEPTED_V3 = b"\x20\x02\x00\x00"
_CONNACK_ACCEPTED_V5 = b"\x20\x03\x00\x00\x00"
_PINGREQ = b"\xc0\x00"
_PINGRESP = b"\xd0\x00"
_DISCONNECT = b"\xe0\x00"
_AUTH = b"\xf0\x00"


@dataclass(slots=True)
class Will:
    """The message that the server publishes when the connection is lost."""

    topic: str
    payload: bytes = field(repr=False)
    qos: int = 0
    retain: bool = False
    properties: Properties = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class Connect:
    """``clean_start`` is Clean Session below level 5. ``keep_alive`` is in seconds, 0 for none."""

    level: int
    client_id: str
    clean_start: bool = True
    keep_alive: int = 0
    username: str | None = field(default=None, repr=False)
    password: bytes | None = field(default=None, repr=False)
    will: Will | None = None
    properties: Properties = field(default_factory=dict, repr=False)

    def encode(self, level: int) -> bytes:
        """Raises: `ValueError` for a password without a user name below level 5 (MQTT-3.1.2-22)."""
        flags = 0x02 if self.clean_start else 0
        body = [write_u16(self.keep_alive)]
        if level == V5:
            body.append(write_properties(self.properties))
        body.append(write_text(self.client_id))
        will = self.will
        if will is not None:
            flags |= 0x04 | will.qos << 3 | will.retain << 5
            if level == V5:
                body.append(write_properties(will.properties))
            body += write_text(will.topic), write_binary(will.payload)
        if self.username is not None:
            flags |= 0x80
            body.append(write_text(self.username))
        if self.password is not None:
            if self.username is None and level != V5:
                raise ValueError("a password without a user name needs MQTT 5")
            flags |= 0x40
            body.append(write_binary(self.password))
        return write_frame(0x10, b"".join((_PROTOCOL[level], bytes((flags,)), *body)))


@dataclass(slots=True)
class Connack:
    """``reason`` is the return code below level 5, written as given."""

    session_present: bool = False
    reason: int = 0
    properties: Properties = field(default_factory=dict, repr=False)

    def encode(self, level: int) -> bytes:
        if not (self.session_present or self.reason or self.properties):
            return _CONNACK_ACCEPTED_V5 if level == V5 else _CONNACK_ACCEPTED_V3
        body = bytes((self.session_present, self.reason))
        return write_frame(0x20, body + write_properties(self.properties) if level == V5 else body)


@dataclass(slots=True)
class Publish:
    """``packet_id`` is None exactly at QoS 0. ``topic`` may be empty in MQTT 5 beside a topic alias."""

    topic: str
    payload: bytes = field(repr=False)
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int | None = None
    properties: Properties = field(default_factory=dict, repr=False)

    def encode(self, level: int) -> bytes:
        """Raises: `ValueError` if the packet identifier does not fit the QoS (MQTT-2.2.1-2, MQTT-2.2.1-4)."""
        topic = self.topic.encode()
        packet_id = b""
        if self.packet_id:
            packet_id = self.packet_id.to_bytes(2, "big")
        if bool(self.qos) is not bool(packet_id):
            raise ValueError("a packet identifier goes with QoS 1 and 2, and only with them")
        properties = b"" if level != V5 else write_properties(self.properties)
        size = 2 + len(topic) + len(packet_id) + len(properties) + len(self.payload)
        first = 0x30 | self.dup << 3 | self.qos << 1 | self.retain
        return b"".join(
            (
                bytes((first, size)) if size < 0x80 else bytes((first,)) + write_varint(size),
                len(topic).to_bytes(2, "big"),
                topic,
                packet_id,
                properties,
                self.payload,
            )
        )


@dataclass(slots=True)
class _Acknowledgement:
    """The common form of the four answers to PUBLISH."""

    packet_id: int
    reason: int = 0
    properties: Properties = field(default_factory=dict, repr=False)

    first: ClassVar[int]

    def encode(self, level: int) -> bytes:
        body = self.packet_id.to_bytes(2, "big")
        if level == V5:
            if self.properties:
                body += bytes((self.reason,)) + write_properties(self.properties)
            elif self.reason:
                body += bytes((self.reason,))
        return bytes((self.first, len(body))) + body if len(body) < 0x80 else write_frame(self.first, body)


@dataclass(slots=True)
class Puback(_Acknowledgement):
    first = 0x40


@dataclass(slots=True)
class Pubrec(_Acknowledgement):
    first = 0x50


@dataclass(slots=True)
class Pubrel(_Acknowledgement):
    first = 0x62


@dataclass(slots=True)
class Pubcomp(_Acknowledgement):
    first = 0x70


@dataclass(slots=True)
class Subscribe:
    """``filters``: pairs of a filter and its options byte, whose two low bits are the QoS asked for."""

    packet_id: int
    filters: list[tuple[str, int]]
    properties: Properties = field(default_factory=dict, repr=False)

    def encode(self, level: int) -> bytes:
        parts = [write_u16(self.packet_id)]
        if level == V5:
            parts.append(write_properties(self.properties))
        mask = 0x3F if level == V5 else 0x03
        for topic_filter, options in self.filters:
            parts += write_text(topic_filter), bytes((options & mask,))
        return write_frame(0x82, b"".join(parts))


@dataclass(slots=True)
class Suback:
    """``reasons``: one per filter of the SUBSCRIBE, in its order, written as given."""

    packet_id: int
    reasons: list[int]
    properties: Properties = field(default_factory=dict, repr=False)

    def encode(self, level: int) -> bytes:
        body = self.packet_id.to_bytes(2, "big")
        if level == V5:
            body += write_properties(self.properties)
        return write_frame(0x90, body + bytes(self.reasons))


@dataclass(slots=True)
class Unsubscribe:
    packet_id: int
    filters: list[str]
    properties: Properties = field(default_factory=dict, repr=False)

    def encode(self, level: int) -> bytes:
        parts = [write_u16(self.packet_id)]
        if level == V5:
            parts.append(write_properties(self.properties))
        parts += map(write_text, self.filters)
        return write_frame(0xA2, b"".join(parts))


@dataclass(slots=True)
class Unsuback:
    """``reasons``: one per filter of the UNSUBSCRIBE; below level 5 they are not written."""

    packet_id: int
    reasons: list[int] = field(default_factory=list)
    properties: Properties = field(default_factory=dict, repr=False)

    def encode(self, level: int) -> bytes:
        body = self.packet_id.to_bytes(2, "big")
        if level == V5:
            body += write_properties(self.properties) + bytes(self.reasons)
        return write_frame(0xB0, body)


@dataclass(slots=True)
class Pingreq:
    def encode(self, level: int) -> bytes:
        return _PINGREQ


@dataclass(slots=True)
class Pingresp:
    def encode(self, level: int) -> bytes:
        return _PINGRESP


@dataclass(slots=True)
class Disconnect:
    reason: int = 0
    properties: Properties = field(default_factory=dict, repr=False)

    def encode(self, level: int) -> bytes:
        if level != V5 or not (self.reason or self.properties):
            return _DISCONNECT
        body = bytes((self.reason,))
        return write_frame(0xE0, body + write_properties(self.properties) if self.properties else body)


@dataclass(slots=True)
class Auth:
    """Only in MQTT 5."""

    reason: int = 0
    properties: Properties = field(default_factory=dict, repr=False)

    def encode(self, level: int) -> bytes:
        """Raises: `ValueError` below level 5."""
        if level != V5:
            raise ValueError("AUTH needs MQTT 5")
        if not (self.reason or self.properties):
            return _AUTH
        return write_frame(0xF0, bytes((self.reason,)) + write_properties(self.properties))


Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
    | Auth
)
