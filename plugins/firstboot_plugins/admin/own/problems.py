"""Errors of Firstboot's own calls: problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response

from firstboot_plugins.admin.failures import Dialect, ErrorForm, Failure

MEDIA_TYPE = "application/problem+json"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "A word for programs, which stays the same."},
        "retryAfterS": {"type": "integer", "description": "Seconds to wait, as in Retry-After."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {
                    "path": {"type": "string", "description": "JSON path, or the name of a parameter."},
                    "message": {"type": "string"},
                },
            },
        },
    },
}


def _problem(failure: Failure, now_ms: int) -> Response:
    body: dict[str, Any] = {
        "type": f"urn:firstboot:error:{failure.code}",
        "title": HTTPStatus(failure.status).phrase,
        "status": failure.status,
        "detail": str(failure),
        "code": failure.code,
    }
    if "retry-after" in failure.headers:
        body["retryAfterS"] = int(failure.headers["retry-after"])
    if failure.faults:
        body["errors"] = [{"path": fault.path, "message": fault.message} for fault in failure.faults]
    return JSONResponse(body, failure.status, media_type=MEDIA_TYPE)


FIRSTBOOT = Dialect("firstboot", _problem, {MEDIA_TYPE: ErrorForm("Problem", _SCHEMA)})
"""For everything below ``/api/firstboot`` and ``/health``."""
