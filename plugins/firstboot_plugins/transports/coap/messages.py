"""CoAP messages as bytes and as objects (RFC 7252, section 3).

Numbers that a peer makes up stay numbers: nothing is kept of them when the message is done with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

MAX_TOKEN = 8
MAX_OPTIONS = 64
MAX_OPTION_BYTES = 4096
"""Of the options together. A datagram has room for so many that reading them keeps everybody waiting (CO-4)."""
_VERSION = 1
_PAYLOAD_MARKER = 0xFF
_HEADER = 4


class Type(IntEnum):
    """Whether a message is to be acknowledged, or is the acknowledgement."""

    CON = 0
    NON = 1
    ACK = 2
    RST = 3


class Code(IntEnum):
    """Methods and outcomes; 2.05 is ``2 << 5 | 5``."""

    EMPTY = 0
    GET = 1
    POST = 2
    PUT = 3
    DELETE = 4
    CREATED = 2 << 5 | 1
    VALID = 2 << 5 | 3
    CHANGED = 2 << 5 | 4
    CONTENT = 2 << 5 | 5
    CONTINUE = 2 << 5 | 31
    BAD_REQUEST = 4 << 5
    UNAUTHORIZED = 4 << 5 | 1
    BAD_OPTION = 4 << 5 | 2
    FORBIDDEN = 4 << 5 | 3
    NOT_FOUND = 4 << 5 | 4
    METHOD_NOT_ALLOWED = 4 << 5 | 5
    NOT_ACCEPTABLE = 4 << 5 | 6
    REQUEST_ENTITY_INCOMPLETE = 4 << 5 | 8
    CONFLICT = 4 << 5 | 9
    REQUEST_ENTITY_TOO_LARGE = 4 << 5 | 13
    UNSUPPORTED_CONTENT_FORMAT = 4 << 5 | 15
    TOO_MANY_REQUESTS = 4 << 5 | 29
    INTERNAL_SERVER_ERROR = 5 << 5
    SERVICE_UNAVAILABLE = 5 << 5 | 3
    PROXYING_NOT_SUPPORTED = 5 << 5 | 5


def is_request(code: int) -> bool:
    return 0 < code < 1 << 5


class Option(IntEnum):
    """The options that this server knows. An odd number is critical: who does not know it must refuse."""

    URI_HOST = 3
    ETAG = 4
    OBSERVE = 6
    URI_PORT = 7
    URI_PATH = 11
    CONTENT_FORMAT = 12
    MAX_AGE = 14
    URI_QUERY = 15
    ACCEPT = 17
    BLOCK2 = 23
    BLOCK1 = 27
    SIZE2 = 28
    PROXY_URI = 35
    PROXY_SCHEME = 39
    SIZE1 = 60
    ECHO = 252
    NO_RESPONSE = 258
    REQUEST_TAG = 292


Options = tuple[tuple[int, bytes], ...]


class NotCoap(Exception):
    """Bytes that are no message of this protocol, or of another version of it; nobody answers them."""


class MalformedMessage(Exception):
    """A message that breaks the format after its header. A confirmable one is rejected (RFC 7252, 4.2)."""

    def __init__(self, message_id: int, type_: Type) -> None:
        super().__init__("malformed CoAP message")
        self.message_id = message_id
        self.type = type_


@dataclass(frozen=True, slots=True)
class Message:
    """One datagram."""

    type: Type
    code: int
    id: int
    token: bytes = b""
    # Options and payloads hold secrets, such as the token in a path, which no log may show.
    options: Options = field(default=(), repr=False)
    """Numbers and values, in the order of the numbers."""
    payload: bytes = field(default=b"", repr=False)

    def all(self, number: Option) -> list[bytes]:
        """Return the values of an option."""
        return [value for each, value in self.options if each == number]

    def first(self, number: Option) -> bytes | None:
        return next((value for each, value in self.options if each == number), None)

    def encode(self) -> bytes:
        parts = [
            bytes((_VERSION << 6 | self.type << 4 | len(self.token), self.code)),
            self.id.to_bytes(2),
            self.token,
        ]
        former = 0
        for number, value in self.options:
            parts += (_option_header(number - former, len(value)), value)
            former = number
        if self.payload:
            parts += (bytes((_PAYLOAD_MARKER,)), self.payload)
        return b"".join(parts)


def empty(type_: Type, message_id: int) -> bytes:
    """Return an acknowledgement or a rejection without anything else."""
    return Message(type_, Code.EMPTY, message_id).encode()


def decode(data: bytes) -> Message:
    """Read a datagram.

    Raises: `NotCoap`, `MalformedMessage`.
    """
    if len(data) < _HEADER or data[0] >> 6 != _VERSION:
        raise NotCoap
    type_ = Type(data[0] >> 4 & 0b11)
    token_length = data[0] & 0b1111
    code = data[1]
    message_id = int.from_bytes(data[2:4])
    malformed = MalformedMessage(message_id, type_)
    if code == Code.EMPTY and len(data) > _HEADER:
        raise malformed
    start = _HEADER + token_length
    if token_length > MAX_TOKEN or start > len(data):
        raise malformed
    options, payload_at = _options(data, start, malformed)
    return Message(type_, code, message_id, data[_HEADER:start], options, data[payload_at:])


def _options(data: bytes, start: int, malformed: MalformedMessage) -> tuple[Options, int]:
    """Return the options and where the payload begins."""
    at = start
    options: list[tuple[int, bytes]] = []
    number = 0
    try:
        while at < len(data):
            first = data[at]
            at += 1
            if first == _PAYLOAD_MARKER:
                if at == len(data):
                    raise malformed  # a marker before no payload
                break
            delta, at = _extended(first >> 4, data, at)
            length, at = _extended(first & 0b1111, data, at)
            number += delta
            if at + length > len(data) or number > 0xFFFF:
                raise malformed
            if len(options) == MAX_OPTIONS or at + length - start > MAX_OPTION_BYTES:
                raise malformed
            options.append((number, data[at : at + length]))
            at += length
    except (IndexError, ValueError):
        raise malformed from None
    return tuple(options), at


def _extended(nibble: int, data: bytes, at: int) -> tuple[int, int]:
    """Return a delta or length, and where the next part begins (RFC 7252, 3.1)."""
    if nibble < 13:
        return nibble, at
    if nibble == 13:
        return 13 + data[at], at + 1
    if nibble == 14:
        return 269 + (data[at] << 8 | data[at + 1]), at + 2
    raise ValueError("reserved")


def _option_header(delta: int, length: int) -> bytes:
    delta_nibble, delta_more = _nibble(delta)
    length_nibble, length_more = _nibble(length)
    return bytes((delta_nibble << 4 | length_nibble,)) + delta_more + length_more


def _nibble(value: int) -> tuple[int, bytes]:
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes((value - 13,))
    return 14, (value - 269).to_bytes(2)
