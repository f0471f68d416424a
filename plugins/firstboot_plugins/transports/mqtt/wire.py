"""Errors, limits and primitive fields of the MQTT wire format (MQTT 5, section 1.5).

The readers take a whole body and a position and return the value with the position after it. They
raise `IndexError` where a fixed-size field runs past the body's end: `decoding.decode_body` turns that into
`MalformedPacket` once, so that the readers need no check per byte.
"""

from dataclasses import dataclass

from .reasons import Reason

MAX_REMAINING_LENGTH = 268_435_455


class MalformedPacket(Exception):
    """The peer sent bytes that are no valid packet here; the connection must be closed.

    ``reason`` is the MQTT 5 reason code for CONNACK or DISCONNECT. The message never contains
    bytes of the packet: it is fit for a log line.
    """

    def __init__(self, message: str, reason: int = Reason.MALFORMED_PACKET) -> None:
        super().__init__(message)
        self.reason = reason


class UnsupportedProtocol(MalformedPacket):
    """A CONNECT for a protocol name or level that we do not speak. ``level`` is the byte it named."""

    def __init__(self, level: int) -> None:
        super().__init__(f"unknown protocol name or level {level}", Reason.UNSUPPORTED_PROTOCOL_VERSION)
        self.level = level


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one packet may contain. One object serves all connections of a listener."""

    client_id_bytes: int = 256
    user_name_bytes: int = 512
    password_bytes: int = 4096
    topic_bytes: int = 512
    topic_levels: int = 16
    subscribe_filters: int = 32
    unsubscribe_filters: int = 64
    """Above ``subscribe_filters``: a client may drop in one packet all that it took in several."""


DEFAULT_LIMITS = Limits()


def protocol_error(message: str) -> MalformedPacket:
    """Build the error for a well-formed field whose value is forbidden here (reason 0x82)."""
    return MalformedPacket(message, Reason.PROTOCOL_ERROR)


def read_u16(body: bytes, pos: int) -> tuple[int, int]:
    return body[pos] << 8 | body[pos + 1], pos + 2


def read_u32(body: bytes, pos: int) -> tuple[int, int]:
    return body[pos] << 24 | body[pos + 1] << 16 | body[pos + 2] << 8 | body[pos + 3], pos + 4


def read_varint(body: bytes, pos: int) -> tuple[int, int]:
    """Read a variable byte integer; only its shortest form is accepted (MQTT-1.5.5-1)."""
    byte = body[pos]
    if byte < 0x80:
        return byte, pos + 1
    value = byte & 0x7F
    for shift in (7, 14, 21):
        pos += 1
        byte = body[pos]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if not byte:
                raise MalformedPacket("variable byte integer is not in its shortest form")
            return value, pos + 1
    raise MalformedPacket("variable byte integer is longer than four bytes")


def read_binary(body: bytes, pos: int) -> tuple[bytes, int]:
    end = pos + 2 + (body[pos] << 8 | body[pos + 1])
    if end > len(body):
        raise MalformedPacket("field runs past the end of its packet")
    return body[pos + 2 : end], end


def read_text(body: bytes, pos: int) -> tuple[str, int]:
    end = pos + 2 + (body[pos] << 8 | body[pos + 1])
    if end > len(body):
        raise MalformedPacket("field runs past the end of its packet")
    try:
        text = body[pos + 2 : end].decode()
    except UnicodeDecodeError:
        text = "\0"  # raised below, outside the handler: the codec's error holds the bytes
    if "\0" in text:
        raise MalformedPacket("text is not UTF-8 or contains U+0000")
    return text, end


def read_packet_id(body: bytes, pos: int) -> tuple[int, int]:
    packet_id = body[pos] << 8 | body[pos + 1]
    if not packet_id:
        raise protocol_error("packet identifier is 0")
    return packet_id, pos + 2


def write_u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def write_u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def write_varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    if value > MAX_REMAINING_LENGTH:
        raise ValueError(f"{value} does not fit a variable byte integer")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def write_binary(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def write_text(value: str) -> bytes:
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def write_frame(first: int, body: bytes) -> bytes:
    """Put the fixed header before a body. ``first``: packet type and flags."""
    length = len(body)
    if length < 0x80:
        return bytes((first, length)) + body
    return bytes((first,)) + write_varint(length) + body
