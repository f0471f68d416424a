"""Refusals in the words that devices know (contract section 10)."""

from __future__ import annotations

from collections.abc import Mapping

from firstboot.errors import (
    ProfileNotProven,
    ProvisioningRefused,
    Refused,
    TooManyRequests,
    Unavailable,
)

INVALID_REQUEST = "Invalid request"
NO_TOKEN = "Token is mandatory"
INVALID_TOKEN = "Invalid token"
NO_HARDWARE_CODE = "Hardware code is mandatory"
NOT_WHITELISTED = "Device hardware code not whitelisted"
ALREADY_REGISTERED = "Device already registered"
NO_PLAN = "No plan for device"
LIMIT_REACHED = "Device limit reached"
TOO_MANY = "Too many requests"
NOT_ALLOWED = "Not allowed"
INTERNAL = "Internal error"
UNAVAILABLE = "Service unavailable"


class Deactivated(ProvisioningRefused):
    """The hardware's Thing may not log in; ``thing`` is its id."""

    def __init__(self, thing: str) -> None:
        super().__init__(f"{thing} is not active.", code="device-disabled")
        self.thing = thing


class ZtpError(Exception):
    """A request for credentials that is answered with this status and text."""

    def __init__(self, status: int, text: str, *, retry_after_s: int = 0) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.retry_after_s = retry_after_s


_REFUSALS: Mapping[str, tuple[int, str]] = {
    "profile-disabled": (403, INVALID_TOKEN),
    "profile-expired": (403, INVALID_TOKEN),
    "profile-gone": (403, INVALID_TOKEN),
    "network-not-allowed": (403, INVALID_TOKEN),
    "no-hardware-id": (400, NO_HARDWARE_CODE),
    "hardware-not-allowed": (403, NOT_WHITELISTED),
    "already-provisioned": (403, ALREADY_REGISTERED),
    "device-disabled": (403, NO_PLAN),
    "device-limit": (403, LIMIT_REACHED),
    "pool-empty": (403, LIMIT_REACHED),
    "rate-limit": (429, TOO_MANY),
    "plugin-error": (500, INTERNAL),
    "unavailable": (503, UNAVAILABLE),
    "try-again": (503, UNAVAILABLE),
}
"""Status and text of what the services refuse, by code. Whatever else it is, is not the device's business."""
_WAIT_S = 2


def error_of(error: Refused | Unavailable | TooManyRequests) -> ZtpError:
    """Return what a refusal of the services is to a device."""
    if isinstance(error, TooManyRequests):
        return ZtpError(429, TOO_MANY, retry_after_s=error.retry_after_s)
    if isinstance(error, Unavailable):
        return ZtpError(503, UNAVAILABLE, retry_after_s=error.retry_after_s)
    if isinstance(error, ProfileNotProven):
        return ZtpError(403, INVALID_TOKEN)
    if isinstance(error, Deactivated):
        return ZtpError(403, f"{NO_PLAN} {error.thing}")
    status, text = _REFUSALS.get(error.code, (403, NOT_ALLOWED))
    return ZtpError(status, text, retry_after_s=_WAIT_S if status in (429, 503) else 0)
