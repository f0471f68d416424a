"""MQTT 3.1.1 packets of clients, as bytes."""

from __future__ import annotations

CONNACK = b"\x20\x02\x00\x00"
SUBACK = b"\x90\x03\x00\x01\x00"
PUBACK = b"\x40\x02\x00\x01"
DISCONNECT = b"\xe0\x00"


def frame(first: int, body: bytes) -> bytes:
    """Return a packet of up to 16,383 bytes."""
    size = len(body)
    return bytes((first, size) if size < 0x80 else (first, size & 0x7F | 0x80, size >> 7)) + body


def is_whole(data: bytes) -> bool:
    """Say whether data that begins with a packet has all of it."""
    if len(data) < 2:
        return False
    if data[1] < 0x80:
        return len(data) >= 2 + data[1]
    return len(data) >= 3 + (data[1] & 0x7F | data[2] << 7) if len(data) > 2 else False


def connect(client_id: bytes, username: bytes = b"", password: bytes = b"") -> bytes:
    """Return a CONNECT with clean session and a keep-alive of 600 s."""
    flags = 0x02 | (0x80 if username else 0) | (0x40 if password else 0)
    body = b"\0\4MQTT\4" + bytes((flags,)) + b"\x02\x58"
    return frame(0x10, body + _text(client_id) + b"".join(_text(each) for each in (username, password) if each))


def subscribe(topic_filter: bytes) -> bytes:
    """Return a SUBSCRIBE with QoS 0, which `SUBACK` grants."""
    return frame(0x82, b"\0\1" + _text(topic_filter) + b"\0")


def publish(topic: bytes, payload: bytes) -> bytes:
    """Return a PUBLISH with QoS 0."""
    return frame(0x30, _text(topic) + payload)


def publish_numbered(topic: bytes, payload: bytes) -> bytes:
    """Return a PUBLISH with QoS 1, which `PUBACK` acknowledges."""
    return frame(0x32, _text(topic) + b"\0\1" + payload)


def token(index: int) -> str:
    """Return the access token of a device that was made for a measurement."""
    return f"token-{index:014d}"


def log_in(index: int) -> bytes:
    """Return the CONNECT of such a device."""
    return connect(b"client-%08d" % index, token(index).encode())


def _text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value
