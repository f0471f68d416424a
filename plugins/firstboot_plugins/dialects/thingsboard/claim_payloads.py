"""Which form a device's claim message has: its profile says, the payload does not (contract 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firstboot.model import DeviceProfile
from firstboot_plugins.dialects.thingsboard import claim_json
from firstboot_plugins.dialects.thingsboard.claim_json import ClaimMessage
from firstboot_plugins.dialects.thingsboard.device_json import BadPayload


def speaks_protobuf(profile: DeviceProfile | None) -> bool:
    """Say whether the devices of a profile speak protobuf."""
    return _payloads(profile).get("transportPayloadType") == "PROTOBUF"


def decode_claim(payload: bytes, profile: DeviceProfile | None) -> ClaimMessage:
    """Read a device's claim message in the form of its profile.

    Raises: what `claim_json.decode_claim` raises; `BadPayload` for protobuf that cannot be read.
    """
    if not speaks_protobuf(profile):
        return claim_json.decode_claim(payload)
    # Protobuf takes three megabytes, which a server needs whose devices speak it.
    from firstboot_plugins.dialects.thingsboard import claim_protobuf

    try:
        return claim_protobuf.decode_claim(payload)
    except BadPayload:
        if _payloads(profile).get("enableCompatibilityWithJsonPayloadFormat") is not True:
            raise
    return claim_json.decode_claim(payload)


def decode_gateway_claim(payload: bytes, profile: DeviceProfile | None) -> Mapping[str, ClaimMessage]:
    """Read a gateway's claim message in the form of the gateway's profile, and in no other.

    Raises: `claim_json.NoClaims`; `claim_json.BadGatewayClaim`; `BadPayload` for protobuf that cannot be read.
    """
    if not speaks_protobuf(profile):
        return claim_json.decode_gateway_claim(payload)
    from firstboot_plugins.dialects.thingsboard import claim_protobuf

    return claim_protobuf.decode_gateway_claim(payload)


def _payloads(profile: DeviceProfile | None) -> Mapping[str, Any]:
    """Return what a profile for MQTT or for CoAP says of payloads; it comes from outside as it is."""
    details = {} if profile is None else profile.details
    transport = details.get("transportConfiguration")
    if not isinstance(transport, Mapping) or details.get("transportType") not in ("MQTT", "COAP"):
        return {}
    if details["transportType"] == "COAP":
        of_type = transport.get("coapDeviceTypeConfiguration")
        transport = of_type if isinstance(of_type, Mapping) else {}
    payloads = transport.get("transportPayloadTypeConfiguration")
    return payloads if isinstance(payloads, Mapping) else {}
