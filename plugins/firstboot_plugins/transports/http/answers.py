"""Error answers of the transport itself: one JSON shape, with nothing of the request in it (threat HT-11)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

_HEADERS = {"content-type": "application/json", "x-content-type-options": "nosniff"}


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
