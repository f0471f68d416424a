"""Refusals in thinger.io's form, whatever the transport (contract section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firstboot.errors import (
    AlreadyExists,
    FirstbootError,
    InvalidValue,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    ProvisioningRefused,
    TooManyRequests,
    Unavailable,
    VersionConflict,
)

UNAUTHORIZED = "unauthorized"
NOT_FOUND = "not found"
TOO_MANY = "too many requests"
TRY_AGAIN = "try again later"

_PROVISIONING: Mapping[str, tuple[int, str]] = {
    "name-taken": (400, "device already exists"),
    "already-provisioned": (400, "device already exists"),
    "device-limit": (400, "device limit reached"),
    "invalid-name": (400, "invalid device id"),
    "name-not-allowed": (400, "invalid device id"),
    "bad-credentials-request": (400, "invalid credentials"),
    "token-in-use": (400, "credentials are in use"),
    "no-hardware-id": (400, "missing field: hardware_id"),
    "pool-empty": (404, "pool empty"),
    "rate-limit": (429, TOO_MANY),
    "try-again": (503, TRY_AGAIN),
}
"""Answers to refusals of the services, by their code; all others are 403."""


class ThingerError(FirstbootError):
    """A request that ends with an error answer. The message may be told to whoever asks, and quotes no secret."""

    code = "thinger-error"

    def __init__(
        self, status: int, message: str, *, result: str | None = None, retry_after_s: int | None = None
    ) -> None:
        """``result``: what our extensions say beside the message, such as ``conflict``."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.result = result
        self.retry_after_s = retry_after_s

    def to_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        result = {} if self.result is None else {"result": self.result}
        return {**result, "error": {"message": self.message}}


def unauthorized() -> ThingerError:
    """Return the answer to whoever has no token that opens anything; it never says why."""
    return ThingerError(401, UNAUTHORIZED)


def not_found() -> ThingerError:
    return ThingerError(404, NOT_FOUND)


def too_many(retry_after_s: int = 1) -> ThingerError:
    return ThingerError(429, TOO_MANY, retry_after_s=retry_after_s)


def as_thinger_error(error: FirstbootError) -> ThingerError:
    """Return the answer to what the services refuse."""
    match error:
        case ThingerError():
            return error
        case ProvisioningRefused():
            status, message = _PROVISIONING.get(error.code, (403, f"refused: {error.code}"))
            return ThingerError(status, message, retry_after_s=1 if status in (429, 503) else None)
        case NotFound():
            return not_found()
        case AlreadyExists():
            return ThingerError(400, "already exists")
        case InvalidValue():
            return ThingerError(400, str(error))
        case NotAllowed():
            return ThingerError(403, "forbidden")
        case NotAuthenticated():
            return unauthorized()
        case TooManyRequests():
            return too_many(error.retry_after_s)
        case Unavailable():
            return ThingerError(503, TRY_AGAIN, retry_after_s=error.retry_after_s)
        case VersionConflict():  # somebody else was faster; the same request once more will do
            return ThingerError(503, TRY_AGAIN, retry_after_s=1)
    return ThingerError(500, "internal error")
