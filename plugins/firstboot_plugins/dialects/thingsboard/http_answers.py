"""HTTP answers in ThingsBoard's forms (contract 5.2, 2.8)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from firstboot.clock import Clock
from firstboot.model import Origin
from firstboot.tls_settings import PEER_CERTIFICATE
from firstboot_plugins.dialects.thingsboard.error_codes import TOO_MANY_REQUESTS, TRY_LATER
from firstboot_plugins.transports.http.answers import UNCACHED, UncachedJson
from firstboot_plugins.transports.http.peer import peer_address


def error_answer(clock: Clock, status: int, code: int, message: str, *, retry_after_s: int = 0) -> Response:
    """Return ThingsBoard's error body (contract 5.2). The message may not repeat the request."""
    body = {"status": status, "message": message, "errorCode": code, "timestamp": clock.now_ms()}
    answer = JSONResponse(body, status, headers=UNCACHED)
    if retry_after_s:
        answer.headers["retry-after"] = str(retry_after_s)
    return answer


def busy_answer(clock: Clock, retry_after_s: int) -> Response:
    """Return the answer to what cannot be decided now."""
    return error_answer(clock, 503, TOO_MANY_REQUESTS, TRY_LATER, retry_after_s=retry_after_s)


def json_answer(text: bytes) -> Response:
    """Return a body that is JSON already."""
    # ThingsBoard says text/plain here; every known client parses JSON whatever the type (contract, section 7).
    return UncachedJson(text)


def empty_answer(status: int = 200) -> Response:
    return Response(status_code=status, headers=UNCACHED)


def origin_of(request: Request) -> Origin:
    return Origin(
        transport="http",
        dialect="thingsboard",
        address=peer_address(request),
        certificate=request.scope.get(PEER_CERTIFICATE),
    )
