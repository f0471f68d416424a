"""Error answers of the transport itself: one JSON shape, with nothing of the request in it (threat HT-11)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response

SAFE_HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""What keeps a browser from framing, guessing, keeping or leaking an answer (threat CN-3)."""
UNCACHED: Mapping[str, str] = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
"""For what is told to one device: no cache keeps it, and nobody guesses its type."""
_HEADERS = {"content-type": "application/json", "x-content-type-options": "nosniff"}


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """Says how errors of the transport look below a path; a plugin offers it beside its routes."""

    prefix: str
    """Such as ``/api``: this path, and everything below it for which there is no longer prefix."""
    render: Callable[[int, Mapping[str, str]], Response]
    """Makes the answer from a status and headers that it must have."""

    def covers(self, path: str) -> bool:
        return path == self.prefix or path.startswith(f"{self.prefix}/")


class UncachedJson(Response):
    """An answer with the headers `UNCACHED`, whose body is JSON already."""

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """See `starlette.responses.Response`, which makes them anew from texts each time."""
        self.raw_headers = [*_UNCACHED_JSON, (b"content-length", b"%d" % len(self.body))]


_UNCACHED_JSON = [
    (name.encode(), value.encode()) for name, value in {**UNCACHED, "content-type": "application/json"}.items()
]


def error_response(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer for the application to send."""
    return Response(_body(status), status, headers={**_HEADERS, **(headers or {})})


def closing_answer(status: int) -> bytes:
    """Return the bytes of an answer after which the connection ends."""
    body = _body(status)
    headers = {**_HEADERS, "connection": "close", "content-length": str(len(body))}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _body(status: int) -> bytes:
    shape = {"status": status, "message": HTTPStatus(status).phrase}
    return json.dumps(shape, separators=(",", ":")).encode()
