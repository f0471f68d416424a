"""Properties of MQTT 5 packets (section 2.2.2).

In memory they are a dict keyed by `Property`. The two that may occur more than once are always lists:
``USER_PROPERTY`` a list of (name, value), ``SUBSCRIPTION_IDENTIFIER`` a list of numbers (with one
entry in SUBSCRIBE). Flags are 0 or 1. Written in the order of their identifiers, so that equal properties
give equal bytes.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

from .reasons import Reason
from .wire import (
    MalformedPacket,
    protocol_error,
    read_binary,
    read_text,
    read_u16,
    read_u32,
    read_varint,
    write_binary,
    write_text,
    write_u16,
    write_u32,
    write_varint,
)


class Property(IntEnum):
    """A property identifier (table 2-4)."""

    PAYLOAD_FORMAT_INDICATOR = 0x01
    MESSAGE_EXPIRY_INTERVAL = 0x02
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION_DATA = 0x09
    SUBSCRIPTION_IDENTIFIER = 0x0B
    SESSION_EXPIRY_INTERVAL = 0x11
    ASSIGNED_CLIENT_IDENTIFIER = 0x12
    SERVER_KEEP_ALIVE = 0x13
    AUTHENTICATION_METHOD = 0x15
    AUTHENTICATION_DATA = 0x16
    REQUEST_PROBLEM_INFORMATION = 0x17
    WILL_DELAY_INTERVAL = 0x18
    REQUEST_RESPONSE_INFORMATION = 0x19
    RESPONSE_INFORMATION = 0x1A
    SERVER_REFERENCE = 0x1C
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    MAXIMUM_QOS = 0x24
    RETAIN_AVAILABLE = 0x25
    USER_PROPERTY = 0x26
    MAXIMUM_PACKET_SIZE = 0x27
    WILDCARD_SUBSCRIPTION_AVAILABLE = 0x28
    SUBSCRIPTION_IDENTIFIER_AVAILABLE = 0x29
    SHARED_SUBSCRIPTION_AVAILABLE = 0x2A


Properties = Mapping[Property, Any]

MOST_USER_PROPERTIES = 64
"""In one packet. Small ones take thirty times their size in memory, and time for every subscriber (MQ-17)."""

_P = Property
_ACKNOWLEDGEMENT = frozenset({_P.REASON_STRING, _P.USER_PROPERTY})
_MESSAGE = frozenset(
    {
        _P.PAYLOAD_FORMAT_INDICATOR,
        _P.MESSAGE_EXPIRY_INTERVAL,
        _P.CONTENT_TYPE,
        _P.RESPONSE_TOPIC,
        _P.CORRELATION_DATA,
        _P.USER_PROPERTY,
    }
)

IN_CONNECT = frozenset(
    {
        _P.SESSION_EXPIRY_INTERVAL,
        _P.AUTHENTICATION_METHOD,
        _P.AUTHENTICATION_DATA,
        _P.REQUEST_PROBLEM_INFORMATION,
        _P.REQUEST_RESPONSE_INFORMATION,
        _P.RECEIVE_MAXIMUM,
        _P.TOPIC_ALIAS_MAXIMUM,
        _P.USER_PROPERTY,
        _P.MAXIMUM_PACKET_SIZE,
    }
)
IN_WILL = _MESSAGE | {_P.WILL_DELAY_INTERVAL}
IN_CONNACK = frozenset(
    {
        _P.SESSION_EXPIRY_INTERVAL,
        _P.ASSIGNED_CLIENT_IDENTIFIER,
        _P.SERVER_KEEP_ALIVE,
        _P.AUTHENTICATION_METHOD,
        _P.AUTHENTICATION_DATA,
        _P.RESPONSE_INFORMATION,
        _P.SERVER_REFERENCE,
        _P.REASON_STRING,
        _P.RECEIVE_MAXIMUM,
        _P.TOPIC_ALIAS_MAXIMUM,
        _P.MAXIMUM_QOS,
        _P.RETAIN_AVAILABLE,
        _P.USER_PROPERTY,
        _P.MAXIMUM_PACKET_SIZE,
        _P.WILDCARD_SUBSCRIPTION_AVAILABLE,
        _P.SUBSCRIPTION_IDENTIFIER_AVAILABLE,
        _P.SHARED_SUBSCRIPTION_AVAILABLE,
    }
)
# A client must not send subscription identifiers with a message (MQTT-3.3.4-6).
IN_CLIENT_PUBLISH = _MESSAGE | {_P.TOPIC_ALIAS}
IN_SERVER_PUBLISH = IN_CLIENT_PUBLISH | {_P.SUBSCRIPTION_IDENTIFIER}
IN_PUBACK = _ACKNOWLEDGEMENT
IN_SUBSCRIBE = frozenset({_P.SUBSCRIPTION_IDENTIFIER, _P.USER_PROPERTY})
IN_SUBACK = _ACKNOWLEDGEMENT
IN_UNSUBSCRIBE = frozenset({_P.USER_PROPERTY})
IN_CLIENT_DISCONNECT = _ACKNOWLEDGEMENT | {_P.SESSION_EXPIRY_INTERVAL}
IN_SERVER_DISCONNECT = _ACKNOWLEDGEMENT | {_P.SERVER_REFERENCE}
IN_AUTH = _ACKNOWLEDGEMENT | {_P.AUTHENTICATION_METHOD, _P.AUTHENTICATION_DATA}


def _read_flag(section: bytes, pos: int) -> tuple[int, int]:
    if section[pos] > 1:
        raise protocol_error("property flag is neither 0 nor 1")
    return section[pos], pos + 1


def _read_pair(section: bytes, pos: int) -> tuple[tuple[str, str], int]:
    name, pos = read_text(section, pos)
    value, pos = read_text(section, pos)
    return (name, value), pos


def _write_byte(value: int) -> bytes:
    return bytes((value,))


def _write_pair(pair: tuple[str, str]) -> bytes:
    return write_text(pair[0]) + write_text(pair[1])


_Read = Callable[[bytes, int], tuple[Any, int]]
_Write = Callable[[Any], bytes]
_FLAG: tuple[_Read, _Write] = (_read_flag, _write_byte)
_U16: tuple[_Read, _Write] = (read_u16, write_u16)
_U32: tuple[_Read, _Write] = (read_u32, write_u32)
_TEXT: tuple[_Read, _Write] = (read_text, write_text)
_BINARY: tuple[_Read, _Write] = (read_binary, write_binary)

_FORMS: dict[Property, tuple[_Read, _Write]] = {
    _P.PAYLOAD_FORMAT_INDICATOR: _FLAG,
    _P.MESSAGE_EXPIRY_INTERVAL: _U32,
    _P.CONTENT_TYPE: _TEXT,
    _P.RESPONSE_TOPIC: _TEXT,
    _P.CORRELATION_DATA: _BINARY,
    _P.SUBSCRIPTION_IDENTIFIER: (read_varint, write_varint),
    _P.SESSION_EXPIRY_INTERVAL: _U32,
    _P.ASSIGNED_CLIENT_IDENTIFIER: _TEXT,
    _P.SERVER_KEEP_ALIVE: _U16,
    _P.AUTHENTICATION_METHOD: _TEXT,
    _P.AUTHENTICATION_DATA: _BINARY,
    _P.REQUEST_PROBLEM_INFORMATION: _FLAG,
    _P.WILL_DELAY_INTERVAL: _U32,
    _P.REQUEST_RESPONSE_INFORMATION: _FLAG,
    _P.RESPONSE_INFORMATION: _TEXT,
    _P.SERVER_REFERENCE: _TEXT,
    _P.REASON_STRING: _TEXT,
    _P.RECEIVE_MAXIMUM: _U16,
    _P.TOPIC_ALIAS_MAXIMUM: _U16,
    _P.TOPIC_ALIAS: _U16,
    _P.MAXIMUM_QOS: _FLAG,
    _P.RETAIN_AVAILABLE: _FLAG,
    _P.USER_PROPERTY: (_read_pair, _write_pair),
    _P.MAXIMUM_PACKET_SIZE: _U32,
    _P.WILDCARD_SUBSCRIPTION_AVAILABLE: _FLAG,
    _P.SUBSCRIPTION_IDENTIFIER_AVAILABLE: _FLAG,
    _P.SHARED_SUBSCRIPTION_AVAILABLE: _FLAG,
}

# Keyed by the byte on the wire, with the member to use as key: building one per lookup is slow.
_READERS: dict[int, tuple[Property, _Read]] = {int(key): (key, form[0]) for key, form in _FORMS.items()}
_WRITERS: dict[Property, tuple[bytes, _Write]] = {key: (bytes((key,)), form[1]) for key, form in _FORMS.items()}

_NEVER_ZERO: dict[Property, Reason] = {
    _P.SUBSCRIPTION_IDENTIFIER: Reason.PROTOCOL_ERROR,
    _P.RECEIVE_MAXIMUM: Reason.PROTOCOL_ERROR,
    _P.MAXIMUM_PACKET_SIZE: Reason.PROTOCOL_ERROR,
    _P.TOPIC_ALIAS: Reason.TOPIC_ALIAS_INVALID,
}


def read_properties(body: bytes, pos: int, allowed: frozenset[Property]) -> tuple[Properties, int]:
    """Read the property length and the properties behind it.

    Raises: `MalformedPacket`, with 0x81 for an identifier that is unknown or has no place in this packet,
    0x82 for one that is repeated or has a forbidden value, 0x97 for too many.
    """
    if not body[pos]:
        return {}, pos + 1
    size, pos = read_varint(body, pos)
    end = pos + size
    if end > len(body):
        raise MalformedPacket("properties run past the end of their packet")
    # A slice of its own: no field in it can reach into what follows.
    return _read_section(body[pos:end], allowed), end


def _read_section(section: bytes, allowed: frozenset[Property]) -> Properties:
    found: dict[Property, Any] = {}
    pos = 0
    while pos < len(section):
        known = _READERS.get(section[pos])
        if known is None:
            raise MalformedPacket("unknown property")
        key, read = known
        if key not in allowed:
            raise MalformedPacket(f"property {key.name} does not belong in this packet")
        value, pos = read(section, pos + 1)
        if key in _NEVER_ZERO and not value:
            raise MalformedPacket(f"property {key.name} is 0", _NEVER_ZERO[key])
        if key is _P.USER_PROPERTY or (key is _P.SUBSCRIPTION_IDENTIFIER and allowed is IN_SERVER_PUBLISH):
            values = found.setdefault(key, [])
            values.append(value)
            if len(values) > MOST_USER_PROPERTIES:
                raise MalformedPacket("too many user properties", Reason.QUOTA_EXCEEDED)
        elif key in found:
            raise protocol_error(f"property {key.name} occurs twice")
        else:
            found[key] = [value] if key is _P.SUBSCRIPTION_IDENTIFIER else value
    if _P.AUTHENTICATION_DATA in found and _P.AUTHENTICATION_METHOD not in found:
        raise protocol_error("authentication data without a method")
    return found


def property_bytes(properties: Properties) -> int:
    """Return how many bytes properties take, without their length."""
    return len(write_properties(properties)) - 1 if properties else 0


def write_properties(properties: Properties) -> bytes:
    """Return the property length and the properties."""
    if not properties:
        return b"\0"
    parts: list[bytes] = []
    for key in sorted(properties):
        identifier, write = _WRITERS[key]
        value = properties[key]
        for item in value if isinstance(value, list) else (value,):
            parts += identifier, write(item)
    section = b"".join(parts)
    return write_varint(len(section)) + section
