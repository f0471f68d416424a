from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot.model import Origin, ProvisioningRequest
from firstboot_plugins.dialects.thingsboard.provisioning_protobuf import (
    FAILURE,
    NOT_FOUND,
    decode_request,
    success,
)
from firstboot_plugins.dialects.thingsboard.provisioning_request import (
    MalformedRequest,
    NotProtobuf,
    UnreadableRequest,
)

ORIGIN = Origin(transport="mqtt", dialect="thingsboard", address="192.0.2.7")


def read(hexadecimal: str) -> ProvisioningRequest:
    return decode_request(bytes.fromhex(hexadecimal), ORIGIN)


def varint(number: int) -> bytes:
    """Encode a number as protobuf does; negative ones take ten bytes."""
    number %= 2**64
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def block(number: int, content: bytes) -> bytes:
    """Encode a text or message field."""
    return bytes([number << 3 | 2]) + varint(len(content)) + content


PROOF = block(3, block(1, b"key1") + block(2, b"sec1"))


# -- the contract's examples -----------------------------------------------------------------------


def test_the_contracts_request_with_name_key_and_secret() -> None:
    request = read("0a056465762d311a0c0a046b657931120473656331")

    assert (request.device_name, request.key, request.secret.reveal()) == ("dev-1", "key1", "sec1")
    assert (request.wanted.type, request.wanted.given) == ("ACCESS_TOKEN", False)
    assert request.gateway is False
    assert request.origin == ORIGIN


def test_the_contracts_request_with_mqtt_basic_and_gateway() -> None:
    request = read("0a056465762d3110021a0c0a046b657931120473656331220e1a0c0a026331120275311a0270312801")

    wanted = request.wanted
    assert (wanted.type, wanted.client_id, wanted.username, wanted.password) == ("MQTT_BASIC", "c1", "u1", "p1")
    assert request.gateway is True


def test_the_contracts_request_with_a_certificate_and_no_name() -> None:
    request = read("10011a0c0a046b657931120473656331220c120a0a087465737448617368")

    assert request.device_name is None
    assert (request.wanted.type, request.wanted.certificate) == ("X509_CERTIFICATE", "testHash")


def test_the_contracts_answers() -> None:
    assert success("ACCESS_TOKEN", "TOKEN123").hex() == "08011a08544f4b454e313233"
    assert NOT_FOUND.hex() == "0802"
    assert FAILURE.hex() == "0803"


# -- requests --------------------------------------------------------------------------------------


def test_pm_14_an_empty_payload_is_a_request_with_an_empty_key() -> None:
    request = read("")

    assert (request.key, request.secret.reveal(), request.device_name) == ("", "", None)


def test_pr_1_a_name_of_spaces_is_left_to_the_service_which_refuses_it() -> None:
    assert decode_request(block(1, b"  ") + PROOF, ORIGIN).device_name == "  "


def test_a_token_is_read() -> None:
    request = decode_request(PROOF + block(4, block(1, block(1, b" tok "))), ORIGIN)

    assert (request.wanted.type, request.wanted.token) == ("ACCESS_TOKEN", " tok ")


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_pr_13_without_credential_fields_a_token_is_wanted_whatever_the_type(number: int) -> None:
    wanted = decode_request(b"\x10" + varint(number) + PROOF, ORIGIN).wanted

    assert (wanted.type, wanted.given) == ("ACCESS_TOKEN", False)


@pytest.mark.parametrize(
    ("number", "type_"),
    [(0, "ACCESS_TOKEN"), (1, "X509_CERTIFICATE"), (2, "MQTT_BASIC"), (3, "LWM2M_CREDENTIALS")],
)
def test_pr_14_with_a_credential_field_the_type_is_as_written(number: int, type_: str) -> None:
    wanted = decode_request(b"\x10" + varint(number) + PROOF + block(4, block(3, block(2, b"u"))), ORIGIN).wanted

    assert (wanted.type, wanted.username) == (type_, "u")


@pytest.mark.parametrize("number", [4, 99, 2**31 - 1, -1, -(2**31)])
def test_an_unknown_type_is_malformed(number: int) -> None:
    with pytest.raises(MalformedRequest, match="credentialsType"):
        decode_request(b"\x10" + varint(number) + PROOF, ORIGIN)


def test_unknown_fields_are_ignored() -> None:
    request = decode_request(PROOF + block(15, b"anything"), ORIGIN)

    assert request.key == "key1"


@pytest.mark.parametrize(
    "payload",
    [
        block(1, b"a\0b") + PROOF,
        block(3, block(1, b"key\0") + block(2, b"sec1")),
        block(3, block(1, b"key1") + block(2, b"\0sec")),
        PROOF + block(4, block(1, block(1, b"\0"))),
        PROOF + block(4, block(2, block(1, b"\0"))),
        PROOF + block(4, block(3, block(1, b"\0"))),
        PROOF + block(4, block(3, block(2, b"\0"))),
        PROOF + block(4, block(3, block(3, b"\0"))),
    ],
)
def test_u_0000_in_a_text_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedRequest, match="U\\+0000"):
        decode_request(payload, ORIGIN)


@pytest.mark.parametrize(
    "payload",
    [
        b"\x0a\x05dev",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        block(1, b"\xff"),
        block(1, b"\xed\xa0\x80"),
        b"\x00\x01",
        b"\xff" * 20,
        b"not a message",
        b"[]",
        b"\x7b" * 20_000,
        block(1, b"x" * 65_536),
    ],
    ids=lambda payload: repr(payload[:20]),
)
def test_what_cannot_be_read_is_no_protobuf(payload: bytes) -> None:
    with pytest.raises(NotProtobuf):
        decode_request(payload, ORIGIN)


nearly = st.lists(
    st.builds(block, st.integers(1, 15), st.binary(max_size=20) | st.just(PROOF[2:]))
    | st.builds(lambda key, value: bytes([key]) + varint(value), st.integers(0, 127), st.integers(-9, 9))
).map(b"".join)


@given(st.binary(max_size=200) | nearly | nearly.map(lambda inner: block(3, inner) + block(4, block(3, inner))))
@example(b"\x23" * 60_000)
@example(b"\x22\x80\x80\x80\x80\x08")
def test_any_payload_is_read_or_refused(payload: bytes) -> None:
    try:
        request = decode_request(payload, ORIGIN)
    except UnreadableRequest:
        return

    for text in (request.key, request.secret.reveal(), request.device_name or ""):
        assert "\0" not in text
        assert text.encode().decode() == text


# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "revealed", "expected"),
    [
        (
            "MQTT_BASIC",
            {"clientId": "c1", "userName": "u1", "password": "p1"},
            b"\x08\x01\x10\x02" + block(3, b'{"clientId":"c1","userName":"u1","password":"p1"}'),
        ),
        ("X509_CERTIFICATE", "MIIB", b"\x08\x01\x10\x01" + block(3, b"MIIB")),
        ("LWM2M_CREDENTIALS", None, b"\x08\x01\x10\x03"),
    ],
)
def test_success_is_told_in_the_contracts_form(type_: str, revealed: Any, expected: bytes) -> None:
    assert success(type_, revealed) == expected


def test_a_type_without_a_number_is_not_told_as_an_access_token() -> None:
    assert success("ACME_KEY", "k") == FAILURE
