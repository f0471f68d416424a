"""Reading the JSON body of a call within its bounds (threats HT-2, HT-3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request

from firstboot import json_profile
from firstboot_plugins.admin.failures import Failure, Fault
from firstboot_plugins.admin.validation import checked_body
from firstboot_plugins.transports.http.bodies import BodyEncoded, BodyTooLarge, read_body

if TYPE_CHECKING:
    from firstboot_plugins.admin.operation import Operation
    from firstboot_plugins.transports.http.config import HttpConfig

_NOT_READABLE = "The request body cannot be read"


async def read_json(operation: Operation, request: Request, config: HttpConfig) -> Any:
    """Return the body as the operation's type; None when it may be left out and was.

    Raises: `Failure`.
    """
    if operation.body is None:
        return None
    try:
        return await _read(operation, request, config)
    except Failure as failure:
        if operation.unreadable is None or failure.status != 400:
            raise
    raise operation.unreadable()


async def _read(operation: Operation, request: Request, config: HttpConfig) -> Any:
    most = config.max_import_body if operation.is_import else config.max_admin_body
    try:
        payload = await read_body(request, most)
    except BodyTooLarge:
        raise Failure(413, f"The request body has more than {most} bytes!") from None
    except BodyEncoded:
        raise Failure(415, "Compressed request bodies are not supported!") from None
    except ClientDisconnect:
        raise Failure(400, "The request body is not complete!") from None
    if payload:
        _check_content_type(operation, request)
    value = _decoded(payload, most if operation.is_import else json_profile.MAX_STRING_BYTES)
    if value is None and not operation.body_required:
        return None
    if value is None:
        raise Failure(400, "Required request body is missing!", code="invalid-value")
    return checked_body(operation.body, value)


def _check_content_type(operation: Operation, request: Request) -> None:
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not operation.dialect.any_content_type:
        raise Failure(415, "Send the body with Content-Type: application/json.")


def _decoded(payload: bytes, max_string_bytes: int) -> Any:
    if not payload.strip():
        return None
    try:
        return json_profile.decode(payload, max_bytes=len(payload), max_string_bytes=max_string_bytes)
    except json_profile.MalformedJson as error:
        reason = str(error)
    raise Failure(400, f"{_NOT_READABLE}: {reason}", code="malformed-json", faults=[Fault("$", reason)])
