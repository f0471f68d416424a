"""Claim messages of devices and gateways in ThingsBoard's JSON (contract 4.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firstboot.json_profile import MAX_INTEGER, MAX_NUMBER_LENGTH, MalformedJson, decode, decode_object
from firstboot.names import MAX_NAME_LENGTH
from firstboot.secret import Secret
from firstboot_plugins.dialects.thingsboard.device_json import BadPayload

_number = re.compile(r"-?[0-9]+(?:\.[0-9]+)?").fullmatch


@dataclass(frozen=True, slots=True)
class ClaimMessage:
    """What a device asks for so that it can be claimed."""

    secret: Secret
    """Empty: its name is to be enough."""
    duration_ms: int | None
    """None: as long as the server does by default."""


class BadClaim(BadPayload):
    """A claim message has a field that cannot be read. The message quotes no value."""


class BadGatewayClaim(BadClaim):
    """The claim message of one device, or of several, cannot be read; those of the others can."""

    def __init__(self, message: str, readable: Mapping[str, ClaimMessage]) -> None:
        super().__init__(message)
        self.readable = readable
        """The messages of the others: one bad device harms nobody but itself."""


class NoClaims(BadPayload):
    """A gateway's message holds no claim message of any device."""

    def __init__(self) -> None:
        super().__init__("A gateway's claim is an object with an object for each device.")


def decode_claim(payload: bytes | None) -> ClaimMessage:
    """Read a device's claim message. No payload at all is like an empty object.

    Raises: `firstboot.json_profile.MalformedJson` for anything but a JSON object; `BadClaim`.
    """
    return _claim(decode_object(payload, lenient=True) if payload else {})


def decode_gateway_claim(payload: bytes) -> Mapping[str, ClaimMessage]:
    """Read a gateway's claim message: those of its devices by their names, as they are written.

    What is no object in place of a device's message is skipped (contract CL-5).

    Raises: `NoClaims`; `BadGatewayClaim`.
    """
    try:
        devices = decode(payload, lenient=True, max_key_length=MAX_NAME_LENGTH)
    except MalformedJson:
        raise NoClaims from None
    if not isinstance(devices, dict) or not any(isinstance(fields, dict) for fields in devices.values()):
        raise NoClaims
    claims: dict[str, ClaimMessage] = {}
    fault: BadClaim | None = None
    for name, fields in devices.items():
        if isinstance(fields, dict):
            try:
                claims[name] = _claim(fields)
            except BadClaim as error:
                fault = error
    if fault is not None:
        raise BadGatewayClaim(str(fault), claims)
    return claims


def check_release(payload: bytes) -> None:
    """Refuse what a device sends with its release: there is nothing to say, but in an empty object.

    Raises: `InvalidValue`.
    """
    if payload and decode_object(payload, lenient=True):
        raise BadPayload("A release has no fields.")


def _claim(fields: Mapping[str, Any]) -> ClaimMessage:
    return ClaimMessage(_secret(fields.get("secretKey")), _duration_ms(fields.get("durationMs")))


def _secret(value: Any) -> Secret:
    # Null is absent: ThingsBoard's closing of the connection helps nobody (contract, section 7).
    if value is None:
        return Secret("")
    if isinstance(value, dict | list):
        raise BadClaim("The secretKey of a claim is a text.")
    return Secret(value if isinstance(value, str) else json.dumps(value))


def _duration_ms(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= MAX_NUMBER_LENGTH and _number(value):
        value = int(value.partition(".")[0])
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadClaim("The durationMs of a claim is a number of milliseconds.")
    return duration_or_default(int(value))


def duration_or_default(duration_ms: int) -> int | None:
    """Return for how long a window is wanted; None for what means the server's default."""
    return min(duration_ms, MAX_INTEGER) if duration_ms > 0 else None
