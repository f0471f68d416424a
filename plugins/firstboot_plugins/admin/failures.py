"""What can go wrong with a call, before a dialect puts it into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from firstboot.errors import (
    CLAIM_REFUSAL_CODES,
    AlreadyExists,
    ClaimRefused,
    DeviceOffline,
    FirstbootError,
    LimitReached,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RpcTimedOut,
    TooManyRequests,
    Unavailable,
    VersionConflict,
)
from firstboot_plugins.dialects.thingsboard.error_codes import (
    AUTHENTICATION,
    BAD_ARGUMENTS,
    ENTITY_LIMIT,
    GENERAL,
    ITEM_NOT_FOUND,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    TOO_MANY_REQUESTS,
    TRY_LATER,
    VERSION_CONFLICT,
)

_ERROR_CODES = {
    401: AUTHENTICATION,
    403: PERMISSION_DENIED,
    404: ITEM_NOT_FOUND,
    409: VERSION_CONFLICT,
    429: TOO_MANY_REQUESTS,
    503: TOO_MANY_REQUESTS,
}
_CLAIM_STATUSES = {"unknown-device": 404, "already-claimed": 409, "already-yours": 409, "locked": 429}
"""Of refused claims; of all others it is 403."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong place in a request. Never with the value that stood there."""

    path: str
    """JSON path in the body (``$.limits.maxDevices``), or the name of a query or path parameter."""
    message: str


class Failure(FirstbootError):
    """A call that ends with an error answer; calls raise it where no error of the services fits.

    ``error_code`` is ThingsBoard's number (contract 5.2), found from the status when it is not given.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        error_code: int | None = None,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or HTTPStatus(status).phrase.lower().replace(" ", "-")
        self.error_code = error_code or _ERROR_CODES.get(status, GENERAL if status >= 500 else BAD_ARGUMENTS)
        self.faults = tuple(faults)
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """The form of an error's body."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How answers to a family of calls look."""

    name: str
    render: Callable[[Failure, int], Response]
    """Makes the error answer; the number is the present moment in ms."""
    errors: Mapping[str, ErrorForm]
    """What errors look like by media type, for the OpenAPI document."""
    any_content_type: bool = False
    """Whether JSON is taken under whatever name the client gives it."""
    conflict_status: int = 409
    """Status of a name that is taken."""


def forbidden() -> Failure:
    """Return the failure of somebody who is known and may not do this."""
    return Failure(403, "You don't have permission to perform this operation!", code="not-allowed")


def failure_of(error: FirstbootError, dialect: Dialect) -> Failure:
    """Return what an error of the services means to whoever called."""
    message = str(error)
    retry_after_s = getattr(error, "retry_after_s", None)
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    match error:
        case Failure():
            return error
        case NotAuthenticated(expired=True):
            return Failure(401, message, code="token-expired", error_code=TOKEN_EXPIRED)
        case NotAuthenticated():  # its own code tells operators more than the asker may know (threat LG-3)
            return Failure(401, message, code=NotAuthenticated.code, headers=headers)
        case ClaimRefused():  # its own words may be a plugin's, for operators
            told = f"{CLAIM_REFUSAL_CODES.get(error.code, CLAIM_REFUSAL_CODES['vetoed']).capitalize()}."
            return Failure(_CLAIM_STATUSES.get(error.code, 403), told, code=error.code, headers=headers)
        case NotAllowed():
            return Failure(403, message, code=error.code)
        case NotFound():
            return Failure(404, message, code=error.code)
        case VersionConflict():
            return Failure(409, message, code=error.code)
        case AlreadyExists():
            return Failure(dialect.conflict_status, message, code=error.code, error_code=BAD_ARGUMENTS)
        case DeviceOffline():
            return Failure(409, message, code=error.code, error_code=GENERAL)
        case RpcTimedOut():
            return Failure(504, message, code=error.code)
        case TooManyRequests():
            return Failure(429, message, code=error.code, headers=headers)
        case Unavailable():  # the reason is about the database, or the load: nothing for whoever asks
            return Failure(503, TRY_LATER, code=error.code, headers=headers)
        case LimitReached():
            return Failure(403, message, code=error.code, error_code=ENTITY_LIMIT)
        case _:  # `InvalidValue` above all
            return Failure(400, message, code=error.code)
