"""Claim messages of devices and gateways in ThingsBoard's protobuf (contract 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError

from firstboot.secret import Secret
from firstboot_plugins.dialects.thingsboard.claim_json import ClaimMessage, NoClaims, duration_or_default
from firstboot_plugins.dialects.thingsboard.device_json import BadPayload
from firstboot_plugins.dialects.thingsboard.protobuf_messages import MAX_BYTES, message_classes

MAX_DEVICES = 10_000
"""In one message of a gateway: as many as values in JSON."""

_MESSAGES = {
    "ClaimDevice": (("secretKey", "string"), ("durationMs", "int64")),
    "ClaimDeviceMsg": (("deviceName", "string"), ("claimRequest", "ClaimDevice")),
    "GatewayClaimMsg": (("msg", "repeated ClaimDeviceMsg"),),
}
_CLASSES = message_classes(_MESSAGES, enums={})


def decode_claim(payload: bytes) -> ClaimMessage:
    """Read a device's claim message. What is missing is empty, in an empty payload both fields are.

    Raises: `BadPayload`.
    """
    return _claim(_read("ClaimDevice", payload))


def decode_gateway_claim(payload: bytes) -> Mapping[str, ClaimMessage]:
    """Read a gateway's claim message: those of its devices by their names, the last of each.

    Raises: `NoClaims`; `BadPayload`.
    """
    devices = _read("GatewayClaimMsg", payload).msg
    if not devices:
        raise NoClaims
    if len(devices) > MAX_DEVICES:
        raise BadPayload(f"A gateway's claim has more than {MAX_DEVICES} devices.")
    return {_text(each.deviceName): _claim(each.claimRequest) for each in devices}


def _read(message: str, payload: bytes) -> Any:
    if len(payload) > MAX_BYTES:
        raise BadPayload(f"The claim has {len(payload)} bytes; {MAX_BYTES} are allowed.")
    try:
        return _CLASSES[message].FromString(payload)
    except DecodeError:
        raise BadPayload("The claim is no protobuf message.") from None


def _claim(message: Any) -> ClaimMessage:
    return ClaimMessage(Secret(_text(message.secretKey)), duration_or_default(message.durationMs))


def _text(text: str) -> str:
    # As in JSON from outside: databases and C libraries cut or refuse it.
    if "\0" in text:
        raise BadPayload("A text of the claim has U+0000 in it.")
    return text
