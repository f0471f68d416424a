"""From the body of one frame to a packet, with every rule that can be checked on the packet alone.

A decoder gets the body as a value of its own, so it cannot read beyond the frame, and refuses bytes that
are left over: two parsers must never disagree about where a packet ends. Which first bytes are possible at all
(type, flags, direction) is a table per level and direction; what is not in it has no decoder.
"""

from collections.abc import Callable
from functools import partial

from . import properties as props
from . import reasons
from .packet_types import (
    V5,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from .properties import Properties, Property, read_properties
from .reasons import Reason
from .topic_syntax import check_topic_filter, check_topic_name
from .wire import (
    Limits,
    MalformedPacket,
    UnsupportedProtocol,
    protocol_error,
    read_binary,
    read_packet_id,
    read_text,
)

Decoder = Callable[[int, bytes, int, Limits], Packet]
"""Takes first byte, body, level and limits."""
Table = list[Decoder | None]
"""A decoder for each first byte that is allowed, else None."""


def decode_body(decode: Decoder, first: int, body: bytes, level: int, limits: Limits) -> Packet:
    """Run a decoder. Raises: `MalformedPacket` and nothing else, whatever the bytes."""
    try:
        return decode(first, body, level, limits)
    except IndexError:
        raise MalformedPacket("packet ends within a field") from None


def read_protocol(body: bytes) -> tuple[int, int]:
    """Return the level that the body of a CONNECT names, and the position after it.

    Raises: `UnsupportedProtocol` unless name and level belong together.
    """
    if body.startswith(b"\0\4MQTT") and body[6] in (4, 5):
        return body[6], 7
    if body.startswith(b"\0\6MQIsdp\3"):
        return 3, 9
    _, pos = read_binary(body, 0)
    raise UnsupportedProtocol(body[pos])


def _no_more(body: bytes, pos: int) -> None:
    if pos != len(body):
        raise MalformedPacket("bytes left over after the last field")


def _check_reason(reason: int, allowed: frozenset[int]) -> None:
    if reason not in allowed:
        raise protocol_error(f"reason code {reason:#04x} does not belong in this packet")


def _check_response_topic(properties: Properties, limits: Limits) -> None:
    topic = properties.get(Property.RESPONSE_TOPIC)
    if topic is not None:
        check_topic_name(topic, len(topic.encode()), limits)


def _connect(first: int, body: bytes, level: int, limits: Limits) -> Connect:
    level, pos = read_protocol(body)
    flags = body[pos]
    keep_alive = body[pos + 1] << 8 | body[pos + 2]
    pos += 3
    if flags & 0x01:
        raise MalformedPacket("reserved CONNECT flag is set")
    if flags & 0x40 and not flags & 0x80 and level != V5:
        raise MalformedPacket("password without a user name")
    properties: Properties = {}
    if level == V5:
        properties, pos = read_properties(body, pos, props.IN_CONNECT)
    start = pos
    client_id, pos = read_text(body, pos)
    if pos - start - 2 > limits.client_id_bytes:
        raise MalformedPacket("client id is too long", Reason.CLIENT_ID_NOT_VALID)
    will = None
    if flags & 0x3C:
        will, pos = _will(flags, body, pos, level, limits)
    if level == 3:
        # 3.1 lets the length of the packet win over these two flags: the fields may be missing.
        flags &= 0x3F if pos == len(body) else 0xFF
    username = password = None
    if flags & 0x80:
        start = pos
        username, pos = read_text(body, pos)
        if pos - start - 2 > limits.user_name_bytes:
            raise MalformedPacket("user name is too long", Reason.BAD_USER_NAME_OR_PASSWORD)
        if level == 3 and pos == len(body):
            flags &= 0xBF
    if flags & 0x40:
        password, pos = read_binary(body, pos)
        if len(password) > limits.password_bytes:
            raise MalformedPacket("password is too long", Reason.BAD_USER_NAME_OR_PASSWORD)
    _no_more(body, pos)
    return Connect(level, client_id, flags & 0x02 != 0, keep_alive, username, password, will, properties)


def _will(flags: int, body: bytes, pos: int, level: int, limits: Limits) -> tuple[Will, int]:
    if not flags & 0x04:
        raise MalformedPacket("will QoS or will retain without a will")
    qos = flags >> 3 & 3
    if qos == 3:
        raise MalformedPacket("will QoS is 3")
    properties: Properties = {}
    if level == V5:
        properties, pos = read_properties(body, pos, props.IN_WILL)
        _check_response_topic(properties, limits)
    start = pos
    topic, pos = read_text(body, pos)
    check_topic_name(topic, pos - start - 2, limits)
    payload, pos = read_binary(body, pos)
    return Will(topic, payload, qos, flags & 0x20 != 0, properties), pos


def _connack(first: int, body: bytes, level: int, limits: Limits) -> Connack:
    present, reason = body[0], body[1]
    if present > 1:
        raise MalformedPacket("reserved CONNACK flag is set")
    _check_reason(reason, reasons.IN_CONNACK if level == V5 else reasons.IN_CONNACK_V3)
    if present and reason:
        raise protocol_error("a refusal says that a session is present")
    properties: Properties = {}
    pos = 2
    if level == V5:
        properties, pos = read_properties(body, pos, props.IN_CONNACK)
    _no_more(body, pos)
    return Connack(present == 1, reason, properties)


def _publish(
    first: int,
    body: bytes,
    level: int,
    limits: Limits,
    allowed: frozenset[Property] = props.IN_CLIENT_PUBLISH,
) -> Publish:
    topic, pos = read_text(body, 0)
    size = pos - 2
    qos = first >> 1 & 3
    packet_id = None
    if qos:
        packet_id, pos = read_packet_id(body, pos)
    properties: Properties = {}
    if level == V5:
        properties, pos = read_properties(body, pos, allowed)
        if properties:
            _check_response_topic(properties, limits)
        if not topic and Property.TOPIC_ALIAS not in properties:
            raise protocol_error("neither a topic name nor a topic alias")
    if topic or level != V5:
        check_topic_name(topic, size, limits)
    return Publish(topic, body[pos:], qos, first & 1 == 1, first & 8 == 8, packet_id, properties)


def _publish_from_server(first: int, body: bytes, level: int, limits: Limits) -> Publish:
    return _publish(first, body, level, limits, props.IN_SERVER_PUBLISH)


def _acknowledgement(
    make: Callable[[int, int, Properties], Packet],
    allowed: frozenset[int],
    first: int,
    body: bytes,
    level: int,
    limits: Limits,
) -> Packet:
    packet_id, pos = read_packet_id(body, 0)
    reason = 0
    properties: Properties = {}
    if level == V5 and pos < len(body):
        reason, pos = body[2], 3
        _check_reason(reason, allowed)
        if pos < len(body):
            properties, pos = read_properties(body, pos, props.IN_PUBACK)
    _no_more(body, pos)
    return make(packet_id, reason, properties)


def _check_options(options: int, topic_filter: str, level: int) -> None:
    if options & (0xC0 if level == V5 else 0xFC):
        raise MalformedPacket("reserved bits of the subscription options are set")
    if options & 0x03 == 3:
        raise MalformedPacket("QoS 3 is asked for", Reason.PROTOCOL_ERROR)
    if options & 0x30 == 0x30:
        raise protocol_error("retain handling is 3")
    if options & 0x04 and topic_filter.startswith("$share/"):
        raise protocol_error("no-local on a shared subscription")


def _subscribe(first: int, body: bytes, level: int, limits: Limits) -> Subscribe:
    packet_id, pos = read_packet_id(body, 0)
    properties: Properties = {}
    if level == V5:
        properties, pos = read_properties(body, pos, props.IN_SUBSCRIBE)
    filters: list[tuple[str, int]] = []
    while pos < len(body):
        start = pos
        topic_filter, pos = read_text(body, pos)
        check_topic_filter(topic_filter, pos - start - 2, level, limits)
        options = body[pos]
        pos += 1
        if options > 2:
            _check_options(options, topic_filter, level)
        if len(filters) == limits.subscribe_filters:
            raise MalformedPacket("too many filters in one packet", Reason.QUOTA_EXCEEDED)
        filters.append((topic_filter, options))
    if not filters:
        raise protocol_error("no filter to subscribe to")
    return Subscribe(packet_id, filters, properties)


def _suback(first: int, body: bytes, level: int, limits: Limits) -> Suback:
    packet_id, pos = read_packet_id(body, 0)
    properties: Properties = {}
    if level == V5:
        properties, pos = read_properties(body, pos, props.IN_SUBACK)
    codes = list(body[pos:])
    if not codes:
        raise protocol_error("no reason code")
    for code in codes:
        _check_reason(code, reasons.IN_SUBACK if level == V5 else reasons.IN_SUBACK_V3)
    return Suback(packet_id, codes, properties)


def _unsubscribe(first: int, body: bytes, level: int, limits: Limits) -> Unsubscribe:
    packet_id, pos = read_packet_id(body, 0)
    properties: Properties = {}
    if level == V5:
        properties, pos = read_properties(body, pos, props.IN_UNSUBSCRIBE)
    filters: list[str] = []
    while pos < len(body):
        start = pos
        topic_filter, pos = read_text(body, pos)
        check_topic_filter(topic_filter, pos - start - 2, level, limits)
        if len(filters) == limits.unsubscribe_filters:
            raise MalformedPacket("too many filters in one packet", Reason.QUOTA_EXCEEDED)
        filters.append(topic_filter)
    if not filters:
        raise protocol_error("no filter to unsubscribe from")
    return Unsubscribe(packet_id, filters, properties)


def _unsuback(first: int, body: bytes, level: int, limits: Limits) -> Unsuback:
    packet_id, pos = read_packet_id(body, 0)
    if level != V5:
        _no_more(body, pos)
        return Unsuback(packet_id)
    properties, pos = read_properties(body, pos, props.IN_SUBACK)
    codes = list(body[pos:])
    if not codes:
        raise protocol_error("no reason code")
    for code in codes:
        _check_reason(code, reasons.IN_UNSUBACK)
    return Unsuback(packet_id, codes, properties)


def _pingreq(first: int, body: bytes, level: int, limits: Limits) -> Pingreq:
    _no_more(body, 0)
    return Pingreq()


def _pingresp(first: int, body: bytes, level: int, limits: Limits) -> Pingresp:
    _no_more(body, 0)
    return Pingresp()


def _disconnect(
    codes: frozenset[int],
    allowed: frozenset[Property],
    first: int,
    body: bytes,
    level: int,
    limits: Limits,
) -> Disconnect:
    if not body:
        return Disconnect()
    if level != V5:
        raise MalformedPacket("bytes left over after the last field")
    _check_reason(body[0], codes)
    properties: Properties = {}
    pos = 1
    if pos < len(body):
        properties, pos = read_properties(body, pos, allowed)
    _no_more(body, pos)
    return Disconnect(body[0], properties)


def _auth(codes: frozenset[int], first: int, body: bytes, level: int, limits: Limits) -> Auth:
    reason = body[0] if body else 0
    _check_reason(reason, codes)
    if not body:
        return Auth()
    properties, pos = read_properties(body, 1, props.IN_AUTH)
    _no_more(body, pos)
    if Property.AUTHENTICATION_METHOD not in properties:
        raise protocol_error("AUTH without an authentication method")
    return Auth(reason, properties)


def _table(decoders: dict[int, Decoder]) -> Table:
    return [decoders.get(first) for first in range(256)]


# QoS 3 is missing, and DUP at QoS 0 (MQTT-3.3.1-2).
_PUBLISH_BYTES = (0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x3A, 0x3B, 0x3C, 0x3D)
_ACKNOWLEDGEMENTS: dict[int, Decoder] = {
    0x40: partial(_acknowledgement, Puback, reasons.IN_PUBACK),
    0x50: partial(_acknowledgement, Pubrec, reasons.IN_PUBACK),
    0x62: partial(_acknowledgement, Pubrel, reasons.IN_PUBREL),
    0x70: partial(_acknowledgement, Pubcomp, reasons.IN_PUBREL),
}
_CLIENT_V4: dict[int, Decoder] = {
    **dict.fromkeys(_PUBLISH_BYTES, _publish),
    **_ACKNOWLEDGEMENTS,
    0x82: _subscribe,
    0xA2: _unsubscribe,
    0xC0: _pingreq,
    0xE0: partial(_disconnect, reasons.IN_CLIENT_DISCONNECT, props.IN_CLIENT_DISCONNECT),
}
_CLIENT_V3: dict[int, Decoder] = {
    **_CLIENT_V4,
    # Only 3.1 sets DUP on these three when it sends them again.
    0x6A: _ACKNOWLEDGEMENTS[0x62],
    0x8A: _subscribe,
    0xAA: _unsubscribe,
}
_CLIENT_V5: dict[int, Decoder] = {**_CLIENT_V4, 0xF0: partial(_auth, reasons.IN_CLIENT_AUTH)}
_SERVER_V4: dict[int, Decoder] = {
    0x20: _connack,
    **dict.fromkeys(_PUBLISH_BYTES, _publish_from_server),
    **_ACKNOWLEDGEMENTS,
    0x90: _suback,
    0xB0: _unsuback,
    0xD0: _pingresp,
}
_SERVER_V3: dict[int, Decoder] = {**_SERVER_V4, 0x6A: _ACKNOWLEDGEMENTS[0x62]}
_SERVER_V5: dict[int, Decoder] = {
    **_SERVER_V4,
    0xE0: partial(_disconnect, reasons.IN_SERVER_DISCONNECT, props.IN_SERVER_DISCONNECT),
    0xF0: partial(_auth, reasons.IN_SERVER_AUTH),
}

BEFORE_CONNECT: Table = _table({0x10: _connect})
FROM_CLIENT: dict[int, Table] = {3: _table(_CLIENT_V3), 4: _table(_CLIENT_V4), 5: _table(_CLIENT_V5)}
FROM_SERVER: dict[int, Table] = {3: _table(_SERVER_V3), 4: _table(_SERVER_V4), 5: _table(_SERVER_V5)}


def refusal(first: int, table: Table) -> MalformedPacket:
    """Explain why ``table`` has no decoder for ``first``."""
    kind = first >> 4
    if kind == 0:
        return MalformedPacket("packet type 0")
    if any(table[kind << 4 : (kind + 1) << 4]):
        return MalformedPacket(f"forbidden flags {first & 15:#06b} on packet type {kind}")
    if table is BEFORE_CONNECT:
        return protocol_error(f"packet type {kind} before CONNECT")
    return protocol_error(f"packet type {kind} is not expected from this side")
