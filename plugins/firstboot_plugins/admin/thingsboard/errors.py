"""ThingsBoard's two forms of error answers (contract 5.2, 5.6)."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from firstboot_plugins.admin.failures import Dialect, ErrorForm, Failure

NAME = "thingsboard"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["status", "message", "errorCode", "timestamp"],
    "properties": {
        "status": {"type": "integer"},
        "message": {"type": "string"},
        "errorCode": {"type": "integer"},
        "timestamp": {"type": "integer", "description": "Milliseconds since 1970."},
    },
}


def _json(failure: Failure, now_ms: int) -> Response:
    body = {
        "status": failure.status,
        "message": str(failure),
        "errorCode": failure.error_code,
        "timestamp": now_ms,
    }
    return JSONResponse(body, failure.status)


def _text(failure: Failure, now_ms: int) -> Response:
    if failure.status in (401, 503):  # of the frame around the call, which has one form everywhere
        return _json(failure, now_ms)
    text = "Invalid JSON" if failure.code == "malformed-json" else str(failure)
    return Response(text, failure.status, media_type="text/plain")


_FORM = ErrorForm("ThingsBoardError", _SCHEMA)

THINGSBOARD = Dialect(NAME, _json, {"application/json": _FORM}, any_content_type=True, conflict_status=400)
"""For all calls but those about attributes."""

THINGSBOARD_TEXT = Dialect(
    NAME,
    _text,
    {"text/plain": ErrorForm("PlainError", {"type": "string"}), "application/json": _FORM},
    any_content_type=True,
    conflict_status=400,
)
"""For the calls about attributes, whose errors are plain text."""
