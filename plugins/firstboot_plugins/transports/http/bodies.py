"""Reading request bodies within bounds."""

from __future__ import annotations

from starlette.requests import Request


class BodyTooLarge(Exception):
    """The body is larger than the route allows."""


class BodyEncoded(Exception):
    """The body is compressed, which no route takes: a small one could unpack to a huge one."""


async def read_body(request: Request, most: int) -> bytes:
    """Return the body.

    Raises: `BodyTooLarge` as soon as it is known to be, `BodyEncoded`.
    """
    headers = request.headers
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise BodyEncoded
    if headers.get("transfer-encoding", "chunked").lower() != "chunked":
        raise BodyEncoded
    length = headers.get("content-length")
    if length is not None and int(length) > most:
        raise BodyTooLarge
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise BodyTooLarge
        parts.append(part)
    return b"".join(parts)
