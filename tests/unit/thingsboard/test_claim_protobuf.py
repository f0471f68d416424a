"""Contract 4.2: claim messages in protobuf, of a device and of a gateway."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.thingsboard.test_provisioning_protobuf import block, varint

from firstboot.json_profile import MAX_INTEGER
from firstboot_plugins.dialects.thingsboard.claim_json import ClaimMessage, NoClaims
from firstboot_plugins.dialects.thingsboard.claim_protobuf import decode_claim, decode_gateway_claim
from firstboot_plugins.dialects.thingsboard.device_json import BadPayload


def shown(claim: ClaimMessage) -> tuple[str, int | None]:
    return claim.secret.reveal(), claim.duration_ms


def of_gateway(claims: Mapping[str, ClaimMessage]) -> dict[str, tuple[str, int | None]]:
    return {name: shown(claim) for name, claim in claims.items()}


def device(name: bytes, secret: bytes = b"s") -> bytes:
    return block(1, block(1, name) + block(2, block(1, secret)))


# -- the contract's examples -----------------------------------------------------------------------


def test_the_contracts_message_of_a_device() -> None:
    assert shown(decode_claim(bytes.fromhex("0a0576616c756510e0d403"))) == ("value", 60_000)


def test_the_contracts_message_of_a_gateway() -> None:
    claims = decode_gateway_claim(bytes.fromhex("0a100a0141120b0a0576616c756510e0d403"))

    assert of_gateway(claims) == {"A": ("value", 60_000)}


# -- a device --------------------------------------------------------------------------------------


def test_4_2_an_empty_payload_is_an_empty_secret_for_the_default_time() -> None:
    assert shown(decode_claim(b"")) == ("", None)


@pytest.mark.parametrize(
    ("number", "duration_ms"), [(1, 1), (0, None), (-1, None), (2**63 - 1, MAX_INTEGER), (-(2**63), None)]
)
def test_4_2_a_duration_that_is_not_positive_means_the_default(number: int, duration_ms: int | None) -> None:
    assert shown(decode_claim(b"\x10" + varint(number))) == ("", duration_ms)


def test_unknown_fields_are_ignored() -> None:
    assert shown(decode_claim(block(1, b"s") + block(15, b"anything"))) == ("s", None)


@pytest.mark.parametrize(
    "payload",
    [
        b"\x0a\x09PRIVATE", b"{}", b'{"secretKey":"PRIVATE","durationMs":60000}', block(1, b"PRIVATE\xff"),
        block(1, b"PRIVATE\0"), block(1, b"\xed\xa0\x80"), b"\xff" * 20, block(1, b"P" * 65_536), b"\x23" * 60_000,
    ],
    ids=lambda payload: repr(payload[:20]),
)  # fmt: skip
def test_what_cannot_be_read_is_refused_without_being_quoted(payload: bytes) -> None:
    for decode in (decode_claim, decode_gateway_claim):
        with pytest.raises(BadPayload) as refused:
            decode(payload)

        assert "PRIVATE" not in str(refused.value)


nearly = st.lists(
    st.builds(block, st.integers(1, 3), st.binary(max_size=20) | st.just(device(b"A")))
    | st.builds(lambda key, value: bytes([key]) + varint(value), st.integers(0, 127), st.integers(-9, 9))
).map(b"".join)


@given(st.binary(max_size=100) | nearly | nearly.map(lambda inner: block(1, inner)))
@example(device(b"A\0"))
def test_any_payload_is_read_or_refused(payload: bytes) -> None:
    for decode in (decode_claim, decode_gateway_claim):
        try:
            found = decode(payload)
        except BadPayload:
            continue
        for name, claim in {"": found}.items() if isinstance(found, ClaimMessage) else found.items():
            assert "\0" not in name + claim.secret.reveal()
            assert claim.duration_ms is None or 0 < claim.duration_ms <= MAX_INTEGER


# -- a gateway -------------------------------------------------------------------------------------


def test_4_2_a_gateway_speaks_for_several_devices_and_the_last_word_on_each_counts() -> None:
    payload = device(b"A", b"a") + device(b"B", b"b") + device(b"A", b"a2")

    assert of_gateway(decode_gateway_claim(payload)) == {"A": ("a2", None), "B": ("b", None)}


def test_a_device_of_a_gateway_without_a_message_of_its_own_has_an_empty_one() -> None:
    assert of_gateway(decode_gateway_claim(block(1, block(1, b"A")))) == {"A": ("", None)}


def test_4_2_a_gateways_message_without_any_devices_is_none() -> None:
    with pytest.raises(NoClaims):
        decode_gateway_claim(b"")


@pytest.mark.parametrize("devices", [10_000, 10_001])
def test_a_gateways_message_has_as_many_devices_as_there_may_be_values_in_json(devices: int) -> None:
    payload = block(1, b"") * devices

    if devices > 10_000:
        with pytest.raises(BadPayload, match="10000"):
            decode_gateway_claim(payload)
    else:
        assert of_gateway(decode_gateway_claim(payload)) == {"": ("", None)}
