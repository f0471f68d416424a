"""Reading request bodies within bounds."""

from __future__ import annotations

from starlette.requests import Request

_PLAIN = {b"content-encoding": b"identity", b"transfer-encoding": b"chunked"}
"""What these headers say of a body that is as it was written."""


class BodyTooLarge(Exception):
    """The body is larger than the route allows."""


class BodyEncoded(Exception):
    """The body is compressed, which no route takes: a small one could unpack to a huge one."""


async def read_body(request: Request, most: int) -> bytes:
    """Return the body.

    Raises: `BodyTooLarge` as soon as it is known to be, `BodyEncoded`.
    """
    for name, value in request.scope["headers"]:  # one look at each: every request of a device comes this way
        if name in _PLAIN and value.lower() != _PLAIN[name]:
            raise BodyEncoded
        if name == b"content-length" and int(value) > most:
            raise BodyTooLarge
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise BodyTooLarge
        parts.append(part)
    return b"".join(parts)
