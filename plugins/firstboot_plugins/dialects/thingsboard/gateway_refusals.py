"""How a gateway is told that something of one of its devices was refused (contract 4.6, GW-5)."""

from __future__ import annotations

from dataclasses import dataclass

from firstboot.errors import FirstbootError, InvalidValue, LimitReached, NotAllowed, NotFound, ProvisioningRefused
from firstboot_plugins.dialects.thingsboard.gateway_json import EmptyName
from firstboot_plugins.transports.mqtt.packets import Reason

UNSPECIFIED = 128
"""Reasons of notices, as those of ThingsBoard."""
MALFORMED = 129
TOO_FAST = 150

REFUSALS = (InvalidValue, NotAllowed, NotFound, ProvisioningRefused)
"""What is refused for one device, and harms no other."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What became of one device's part of a message."""

    reason: Reason
    """Of the acknowledgement of the whole message."""
    notice: int
    """Reason in the notice about the device."""
    close: bool = False
    """Whether the gateway's session ends."""


def refusal_of(error: FirstbootError) -> Refusal:
    """Return how an error is told, one of `REFUSALS`."""
    match error:
        case EmptyName():
            return Refusal(Reason.IMPLEMENTATION_SPECIFIC_ERROR, MALFORMED, close=True)
        case LimitReached():
            return Refusal(Reason.QUOTA_EXCEEDED, UNSPECIFIED)
        case InvalidValue():
            return Refusal(Reason.PAYLOAD_FORMAT_INVALID, MALFORMED)
        case ProvisioningRefused(code="rate-limit"):
            return Refusal(Reason.QUOTA_EXCEEDED, TOO_FAST)
        case ProvisioningRefused() | NotAllowed():
            return Refusal(Reason.NOT_AUTHORIZED, UNSPECIFIED)
    return Refusal(Reason.IMPLEMENTATION_SPECIFIC_ERROR, UNSPECIFIED)
