"""Payloads over CoAP: JSON, or CBOR with the same keys, in one datagram (contract 12.3)."""

from __future__ import annotations

import io
import json
from typing import Any

from firstboot import json_profile
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.transports.coap.resources import CBOR, JSON, TEXT

MAX_PAYLOAD = 1024
"""Bytes: more does not fit into one datagram everywhere."""

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def decode(payload: bytes, content_format: int | None) -> Any:
    """Return what a payload says; None when it is empty. What says nothing of its format is JSON.

    Raises: `ThingerError` (400, 413, 415).
    """
    if len(payload) > MAX_PAYLOAD:
        raise ThingerError(413, f"the payload has more than {MAX_PAYLOAD} bytes")
    if content_format not in (None, TEXT, JSON, CBOR):
        raise ThingerError(415, "send JSON or CBOR")
    if not payload:
        return None
    try:
        return json_profile.decode(_as_json(payload) if content_format == CBOR else payload)
    except json_profile.MalformedJson as error:
        raise ThingerError(400, "invalid CBOR" if content_format == CBOR else "invalid JSON") from error


def encode(value: Any, content_format: int) -> bytes:
    """Return the payload that says a value."""
    if content_format == CBOR:
        import cbor2

        return cbor2.dumps(value)
    return _encode(value).encode()


class _NoTags(dict[int, Any]):
    """Refuses every tag. Some refer to what was said before: with them few bytes say gigabytes."""

    def __missing__(self, tag: int) -> Any:
        raise ValueError(f"tag {tag} says what JSON has no form of")


def _as_json(payload: bytes) -> bytes:
    """Return what a payload in CBOR says, as JSON: so that the same bounds hold for both.

    Raises: `ThingerError` (400), also for what JSON has no form of.
    """
    import cbor2  # not before somebody speaks it

    try:
        decoder = cbor2.CBORDecoder(io.BytesIO(payload), semantic_decoders=_NoTags())
        return json.dumps(decoder.decode(), allow_nan=False).encode()
    except Exception as error:  # whatever a library makes of bytes that anybody may send
        raise ThingerError(400, "invalid CBOR") from error
