"""Errors below ``/api`` that no call has made: unknown paths, other methods, too much to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response

from firstboot_plugins.admin.answering import error_answer
from firstboot_plugins.admin.failures import Dialect, Failure
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.dialects.thingsboard.error_codes import BAD_ARGUMENTS
from firstboot_plugins.transports.http.answers import ErrorShape, error_response

if TYPE_CHECKING:
    from firstboot.app import Services

_MESSAGES = {404: "There is nothing at this path.", 405: "The path does not take this method."}


def shape(services: Services, prefix: str, dialect: Dialect) -> ErrorShape:
    """Return the form of errors below a path: that of a family of calls."""

    def render(status: int, headers: Mapping[str, str]) -> Response:
        message = _MESSAGES.get(status, HTTPStatus(status).phrase)
        error_code = BAD_ARGUMENTS if status == 405 else None
        failure = Failure(status, message, error_code=error_code, headers=headers)
        return error_answer(dialect, failure, services.clock.now_ms())

    return ErrorShape(prefix, render)


def error_shapes(services: Services) -> list[ErrorShape]:
    """Return the form of errors for each family of calls; the device's own side keeps the transport's."""
    return [
        shape(services, "/api", THINGSBOARD),
        shape(services, "/api/firstboot", FIRSTBOOT),
        shape(services, "/health", FIRSTBOOT),
        ErrorShape("/api/v1", error_response),
    ]
