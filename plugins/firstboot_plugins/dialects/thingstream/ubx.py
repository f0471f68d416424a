"""Frames of u-blox receivers, as AssistNow's requests carry them in hex (contract section 7)."""

from __future__ import annotations

import re
from typing import Any

from firstboot_plugins.dialects.thingstream.errors import INVALID_REQUEST, ZtpError

UNIQUE_ID = (0x27, 0x03)
"""Class and id of UBX-SEC-UNIQID."""
VERSION = (0x0A, 0x04)
"""Class and id of UBX-MON-VER."""
MAX_FRAME_LENGTH = 4096
_SYNC = b"\xb5\x62"
_OVERHEAD = 8
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_ID_AT, _MAX_ID = 4, 32


def read_frame(text: Any, kind: tuple[int, int]) -> bytes:
    """Return the payload of a whole frame of this kind.

    Raises: `ZtpError` for any other text.
    """
    if not isinstance(text, str) or len(text) > 2 * MAX_FRAME_LENGTH or not _HEX.fullmatch(text):
        raise _invalid()
    frame = bytes.fromhex(text)
    if len(frame) < _OVERHEAD or frame[:4] != _SYNC + bytes(kind):
        raise _invalid()
    if int.from_bytes(frame[4:6], "little") != len(frame) - _OVERHEAD or checksum(frame[2:-2]) != frame[-2:]:
        raise _invalid()
    return frame[6:-2]


def chip_id(unique_id: bytes) -> str:
    """Return the identity of a receiver from the payload of UBX-SEC-UNIQID: in hex, capitals.

    Raises: `ZtpError` when there is none in it.
    """
    id_ = unique_id[_ID_AT:]
    if not 0 < len(id_) <= _MAX_ID:
        raise _invalid()
    return id_.hex().upper()


def checksum(data: bytes) -> bytes:
    """Return the two bytes at the end of a frame: the 8-bit Fletcher sum over all from the class on."""
    first = second = 0
    for byte in data:
        first = (first + byte) & 0xFF
        second = (second + first) & 0xFF
    return bytes((first, second))


def _invalid() -> ZtpError:
    return ZtpError(400, INVALID_REQUEST)
