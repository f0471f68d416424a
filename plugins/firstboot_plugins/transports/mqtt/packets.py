"""The MQTT wire codec: bytes to packets and back, without input or output of its own.

Speaks MQTT 3.1 (level 3), 3.1.1 (level 4) and 5 (level 5). `PacketReader` is the server's end of one
connection; `decode_frame` reads a single frame of either side. Writing is each packet's ``encode``.
"""

from collections.abc import Iterator

from .decoding import BEFORE_CONNECT, FROM_CLIENT, FROM_SERVER, decode_body, read_protocol, refusal
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
from .properties import Properties, Property
from .reasons import Reason
from .wire import DEFAULT_LIMITS, Limits, MalformedPacket, UnsupportedProtocol, read_varint

__all__ = [
    "V5",
    "Auth",
    "Connack",
    "Connect",
    "Disconnect",
    "Limits",
    "MalformedPacket",
    "Packet",
    "PacketReader",
    "Pingreq",
    "Pingresp",
    "Properties",
    "Property",
    "Puback",
    "Pubcomp",
    "Publish",
    "Pubrec",
    "Pubrel",
    "Reason",
    "Suback",
    "Subscribe",
    "Unsuback",
    "Unsubscribe",
    "UnsupportedProtocol",
    "Will",
    "decode_frame",
]


class PacketReader:
    """Reads what one client sends.

    ``feed`` takes bytes as they come and returns the reader itself, an iterator over the packets that
    are complete by now. It decodes one packet per step, so the good packets before a bad one are delivered
    first, and a caller that stops (after a refused CONNECT, or to wait) has nothing decoded behind its back;
    it may go on later, with or without more bytes. At the bad packet the iterator raises `MalformedPacket`,
    once. After that, and after a DISCONNECT (nothing may follow it: MQTT-3.14.4-1), all further bytes are dropped.

    Both sizes are of the whole packet with its fixed header. A drained reader holds less than one packet
    of the size allowed; while packets wait to be taken, it holds what was fed.
    """

    __slots__ = (
        "_closed",
        "_data",
        "_limits",
        "_max_packet_size",
        "_max_size",
        "_need",
        "_pos",
        "_table",
        "level",
    )

    def __init__(self, max_packet_size: int, max_connect_size: int, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.level = 0
        """3, 4 or 5 as soon as a CONNECT named it, also one that was refused for other reasons; else 0."""
        self._max_packet_size = max_packet_size
        self._max_size = max_connect_size
        self._limits = limits
        self._table = BEFORE_CONNECT
        # A chunk being read is bytes; an incomplete frame that grows is a bytearray (linear, not quadratic).
        self._data: bytes | bytearray = b""
        self._pos = 0
        self._need = 0  # size at which an incomplete frame is worth another look
        self._closed = False

    def feed(self, data: bytes) -> Iterator[Packet]:
        held = self._data
        if self._closed:
            pass
        elif not held:
            self._data = bytes(data)
        elif isinstance(held, bytearray):
            held += data
            if len(held) >= self._need:
                self._data = bytes(held)
        else:
            self._data = held[self._pos :] + data
            self._pos = 0
        return self

    def __iter__(self) -> Iterator[Packet]:
        return self

    def __next__(self) -> Packet:
        data = self._data
        if not isinstance(data, bytes) or not data:
            raise StopIteration
        try:
            return self._next(data, self._pos)
        except MalformedPacket:
            self._close()
            raise

    def _next(self, data: bytes, start: int) -> Packet:
        first = data[start]
        decode = self._table[first]
        if decode is None:
            raise refusal(first, self._table)
        try:
            length, body_start = read_varint(data, start + 1)
        except IndexError:
            length, body_start = 0, len(data) + 1  # wait for one more byte of the header
        end = body_start + length
        if end - start > self._max_size:
            raise MalformedPacket("packet is larger than allowed", Reason.PACKET_TOO_LARGE)
        if end > len(data):
            self._data = bytearray(data[start:])
            self._pos = 0
            self._need = end - start
            raise StopIteration
        if end == len(data):
            self._data = b""
            self._pos = 0
        else:
            self._pos = end
        body = data[body_start:end]
        try:
            packet = decode_body(decode, first, body, self.level, self._limits)
        except MalformedPacket:
            if first == 0x10:
                self.level = _named_level(body)
            raise
        if isinstance(packet, Connect):
            self.level = packet.level
            self._table = FROM_CLIENT[packet.level]
            self._max_size = self._max_packet_size
        elif first == 0xE0:
            self._close()
        return packet

    def _close(self) -> None:
        self._closed = True
        self._data = b""
        self._pos = 0


def _named_level(body: bytes) -> int:
    try:
        return read_protocol(body)[0]
    except (MalformedPacket, IndexError):
        return 0


def decode_frame(frame: bytes, level: int, *, from_server: bool, limits: Limits = DEFAULT_LIMITS) -> Packet:
    """Read exactly one frame, sent by the server or by the client.

    ``level`` is the connection's; a CONNECT names its own. Raises: `MalformedPacket`, also for a frame that is
    incomplete or followed by more bytes.
    """
    if len(frame) < 2:
        raise MalformedPacket("frame is incomplete")
    first = frame[0]
    table = FROM_SERVER[level] if from_server else BEFORE_CONNECT if first == 0x10 else FROM_CLIENT[level]
    decode = table[first]
    if decode is None:
        raise refusal(first, table)
    try:
        length, start = read_varint(frame, 1)
    except IndexError:
        raise MalformedPacket("frame is incomplete") from None
    if len(frame) != start + length:
        raise MalformedPacket("frame is incomplete or followed by more bytes")
    return decode_body(decode, first, frame[start:], level, limits)
