"""From what a call returns to an HTTP answer; every answer has the headers of threat CN-3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import to_json
from starlette.responses import Response

from firstboot_plugins.transports.http.answers import SAFE_HEADERS

if TYPE_CHECKING:
    from firstboot_plugins.admin.failures import Dialect, Failure
    from firstboot_plugins.admin.operation import Operation


def answer(operation: Operation, returned: object) -> Response:
    """Return the answer of a call that went well."""
    if isinstance(returned, Response):
        return _safe(returned)
    if returned is None:
        return Response(status_code=operation.status, headers=dict(SAFE_HEADERS))
    if operation.media_type == "application/json":
        body = to_json(returned, by_alias=True, inf_nan_mode="null")
    else:
        body = str(returned).encode()
    media_type = operation.media_type
    return Response(body, operation.status, headers=dict(SAFE_HEADERS), media_type=media_type)


def error_answer(dialect: Dialect, failure: Failure, now_ms: int) -> Response:
    """Return the answer of a call that failed."""
    response = dialect.render(failure, now_ms)
    response.headers.update(failure.headers)
    return _safe(response)


def _safe(response: Response) -> Response:
    for name, value in SAFE_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
