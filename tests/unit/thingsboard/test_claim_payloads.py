"""Contract 4.2: the device profile decides whether a claim message is JSON or protobuf."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from firstboot.json_profile import MalformedJson
from firstboot.model import DeviceProfile
from firstboot_plugins.dialects.thingsboard.claim_json import BadClaim
from firstboot_plugins.dialects.thingsboard.claim_payloads import (
    decode_claim,
    decode_gateway_claim,
    speaks_protobuf,
)
from firstboot_plugins.dialects.thingsboard.device_json import BadPayload

IN_JSON = b'{"secretKey":"value","durationMs":60000}'
IN_PROTOBUF = bytes.fromhex("0a0576616c756510e0d403")


def profile(**details: Any) -> DeviceProfile:
    return DeviceProfile(
        id=1, public_id=UUID(int=1), tenant_id=1, name="p", strategy="disabled", provision_key=None,
        secret_digest=None, secret_sealed=None, details=details,
    )  # fmt: skip


def mqtt(payload_type: str = "PROTOBUF", **more: Any) -> DeviceProfile:
    return profile(
        transportType="MQTT",
        transportConfiguration={
            "type": "MQTT",
            "transportPayloadTypeConfiguration": {"transportPayloadType": payload_type, **more},
        },
    )


COAP = profile(
    transportType="COAP",
    transportConfiguration={
        "type": "COAP",
        "coapDeviceTypeConfiguration": {
            "coapDeviceType": "DEFAULT",
            "transportPayloadTypeConfiguration": {"transportPayloadType": "PROTOBUF"},
        },
    },
)
JSON_PROFILES = [
    None,
    profile(),
    mqtt("JSON"),
    profile(transportType="MQTT", transportConfiguration={"type": "MQTT"}),
    profile(transportType="MQTT", transportConfiguration="PROTOBUF"),
    profile(transportType="MQTT", transportConfiguration={"transportPayloadTypeConfiguration": ["PROTOBUF"]}),
    profile(
        transportType="COAP",
        transportConfiguration={"transportPayloadTypeConfiguration": {"transportPayloadType": "PROTOBUF"}},
    ),
]


@pytest.mark.parametrize("spoken", JSON_PROFILES)
def test_4_2_devices_speak_json_unless_their_profile_says_otherwise(spoken: DeviceProfile | None) -> None:
    claim = decode_claim(IN_JSON, spoken)

    assert not speaks_protobuf(spoken)
    assert (claim.secret.reveal(), claim.duration_ms) == ("value", 60_000)


def test_4_2_protobuf_is_not_guessed_from_the_payload() -> None:
    with pytest.raises(MalformedJson):
        decode_claim(IN_PROTOBUF, mqtt("JSON"))


@pytest.mark.parametrize("spoken", [mqtt(), COAP], ids=["mqtt", "coap"])
def test_4_2_devices_of_a_protobuf_profile_speak_protobuf(spoken: DeviceProfile) -> None:
    claim = decode_claim(IN_PROTOBUF, spoken)

    assert speaks_protobuf(spoken)
    assert (claim.secret.reveal(), claim.duration_ms) == ("value", 60_000)


@pytest.mark.parametrize("more", [{}, {"enableCompatibilityWithJsonPayloadFormat": False}], ids=str)
def test_4_2_devices_of_a_protobuf_profile_do_not_speak_json(more: dict[str, Any]) -> None:
    with pytest.raises(BadPayload):
        decode_claim(IN_JSON, mqtt(**more))


def test_4_2_a_gateway_speaks_the_form_of_its_profile_and_no_other() -> None:
    in_json, in_protobuf = b'{"A":{"secretKey":"value"}}', bytes.fromhex("0a100a0141120b0a0576616c756510e0d403")
    compatible = mqtt(enableCompatibilityWithJsonPayloadFormat=True)

    assert decode_gateway_claim(in_json, mqtt("JSON")).keys() == {"A"}
    assert decode_gateway_claim(in_protobuf, compatible).keys() == {"A"}
    with pytest.raises(BadPayload):
        decode_gateway_claim(in_protobuf, mqtt("JSON"))
    with pytest.raises(BadPayload):
        decode_gateway_claim(in_json, compatible)


class TestCompatibility:
    COMPATIBLE = mqtt(enableCompatibilityWithJsonPayloadFormat=True)

    @pytest.mark.parametrize("payload", [IN_JSON, IN_PROTOBUF])
    def test_4_2_devices_of_a_compatible_profile_speak_either(self, payload: bytes) -> None:
        claim = decode_claim(payload, self.COMPATIBLE)

        assert (claim.secret.reveal(), claim.duration_ms) == ("value", 60_000)

    def test_4_2_a_bad_field_in_json_is_refused_as_such(self) -> None:
        with pytest.raises(BadClaim):
            decode_claim(b'{"durationMs":"soon"}', self.COMPATIBLE)
