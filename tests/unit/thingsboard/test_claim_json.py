"""Contract 4.2: claim messages in JSON, of a device and of a gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot.errors import InvalidValue
from firstboot.json_profile import MAX_INTEGER, MalformedJson
from firstboot_plugins.dialects.thingsboard.claim_json import (
    BadClaim,
    BadGatewayClaim,
    ClaimMessage,
    NoClaims,
    check_release,
    decode_claim,
    decode_gateway_claim,
)
from firstboot_plugins.dialects.thingsboard.device_json import BadPayload


def read(payload: bytes | None) -> tuple[str, int | None]:
    """Return secret and duration of a device's message."""
    claim = decode_claim(payload)
    return claim.secret.reveal(), claim.duration_ms


def read_gateway(payload: bytes) -> dict[str, tuple[str, int | None]]:
    return shown(decode_gateway_claim(payload))


def shown(claims: Any) -> dict[str, tuple[str, int | None]]:
    return {name: (claim.secret.reveal(), claim.duration_ms) for name, claim in claims.items()}


# -- a device --------------------------------------------------------------------------------------


def test_4_2_secret_and_duration_are_read() -> None:
    assert read(b'{"secretKey":"value","durationMs":60000}') == ("value", 60_000)


@pytest.mark.parametrize("payload", [None, b"", b"{}", b'{"secretKey":null,"durationMs":null}', b'{"other":1}'])
def test_4_2_what_is_missing_or_null_is_an_empty_secret_for_the_default_time(payload: bytes | None) -> None:
    assert read(payload) == ("", None)


@pytest.mark.parametrize(
    ("sent", "secret"),
    [
        ('"s"', "s"),
        ('""', ""),
        ('" s "', " s "),
        ("12345", "12345"),
        ("-7", "-7"),
        ("1.5", "1.5"),
        ("true", "true"),
        ("'single'", "single"),
        ("bare", "bare"),
        ('"\\u00e9"', "é"),
    ],
)
def test_4_2_a_secret_that_is_no_text_becomes_one(sent: str, secret: str) -> None:
    assert read(f'{{"secretKey":{sent}}}'.encode()) == (secret, None)


@pytest.mark.parametrize(
    ("sent", "duration_ms"),
    [
        ("60000", 60_000),
        ('"60000"', 60_000),
        ("60000.9", 60_000),
        ('"60000.9"', 60_000),
        ("6e4", 60_000),
        ("1", 1),
        ("0", None),
        ("-1", None),
        ('"-1"', None),
        ("0.9", None),
        ('"0"', None),
        ("1e300", MAX_INTEGER),
        (f'"{"9" * 32}"', MAX_INTEGER),
    ],
)
def test_4_2_a_duration_is_cut_to_milliseconds_and_none_means_the_default(
    sent: str, duration_ms: int | None
) -> None:
    assert read(f'{{"secretKey":"s","durationMs":{sent}}}'.encode()) == ("s", duration_ms)


@pytest.mark.parametrize(
    "fields",
    [
        {"secretKey": {}},
        {"secretKey": ["PRIVATE"]},
        {"durationMs": "soon"},
        {"durationMs": ""},
        {"durationMs": " 5 "},
        {"durationMs": "5e3"},
        {"durationMs": "٥"},
        {"durationMs": "9" * 33},
        {"durationMs": True},
        {"durationMs": {}},
        {"durationMs": [5]},
    ],
    ids=str,
)
def test_4_2_a_field_that_cannot_be_read_is_refused_without_being_quoted(fields: dict[str, Any]) -> None:
    with pytest.raises(BadClaim) as refused:
        decode_claim(json.dumps({"secretKey": "PRIVATE", **fields}).encode())

    assert "PRIVATE" not in str(refused.value)
    assert all(str(value) not in str(refused.value) for value in fields.values() if value)


@pytest.mark.parametrize(
    "payload",
    [
        b"null", b"[]", b'"PRIVATE"', b"5", b" ", b"{", b"PRIVATE", b'{"secretKey":"PRIVATE"',
        b'{"secretKey":"PRIVATE"} x', b'{"secretKey":"PRIVATE","secretKey":"PRIVATE"}',
        b'{"secretKey":"PRIVATE\\u0000"}', b'{"secretKey":"PRIVATE\\ud800"}', b'{"durationMs":NaN}',
        b'{"durationMs":9007199254740993}', b'{"secretKey":"PRIVATE\xff"}', b'\xef\xbb\xbf{"secretKey":"PRIVATE"}',
        b"[" * 60_000, b'{"secretKey":' + b"[" * 60_000, b'{"secretKey":"' + b"P" * 65_536 + b'"}',
    ],
    ids=lambda payload: repr(payload[:30]),
)  # fmt: skip
def test_ht_2_what_is_no_json_object_within_the_bounds_is_refused_without_being_quoted(payload: bytes) -> None:
    with pytest.raises(MalformedJson) as refused:
        decode_claim(payload)

    assert "PRIVATE" not in str(refused.value)


def test_se_5_a_message_does_not_show_its_secret() -> None:
    assert "PRIVATE" not in repr(decode_claim(b'{"secretKey":"PRIVATE"}'))


@given(
    st.binary(max_size=100)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["secretKey", "durationMs", "A"]), inner),
    ).map(lambda value: json.dumps(value).encode())
)
@example(b'{"A":{"secretKey":[]},"B":{}}')
def test_any_payload_is_read_or_refused(payload: bytes) -> None:
    for decode in (decode_claim, decode_gateway_claim):
        try:
            found: Any = decode(payload)
        except InvalidValue:
            continue
        for claim in [found] if isinstance(found, ClaimMessage) else found.values():
            assert "\0" not in claim.secret.reveal()
            assert claim.duration_ms is None or 0 < claim.duration_ms <= MAX_INTEGER


# -- a gateway -------------------------------------------------------------------------------------


def test_4_2_a_gateway_speaks_for_several_devices() -> None:
    payload = b'{"Device A":{"secretKey":"value_A","durationMs":60000},"Device B":{}}'

    assert read_gateway(payload) == {"Device A": ("value_A", 60_000), "Device B": ("", None)}


def test_cl_5_what_is_no_object_in_place_of_a_devices_message_is_skipped() -> None:
    payload = b'{"A":{"secretKey":5},"B":null,"C":[],"D":"x","E":7}'

    assert read_gateway(payload) == {"A": ("5", None)}


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b"null", b"5", b"{", b'{"A":null,"B":5}', b"PRIVATE"])
def test_4_2_a_gateways_message_without_any_devices_is_none(payload: bytes) -> None:
    with pytest.raises(NoClaims) as refused:
        decode_gateway_claim(payload)

    assert "PRIVATE" not in str(refused.value)


def test_one_bad_device_leaves_the_others_readable() -> None:
    payload = b'{"A":{"secretKey":"a"},"B":{"secretKey":{}},"C":{"durationMs":"x"},"D":{"durationMs":5}}'

    with pytest.raises(BadGatewayClaim) as refused:
        decode_gateway_claim(payload)

    assert shown(refused.value.readable) == {"A": ("a", None), "D": ("", 5)}


# -- a release -------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"{}", b" { } "])
def test_a_release_says_nothing(payload: bytes) -> None:
    check_release(payload)


@pytest.mark.parametrize("payload", [b'{"secretKey":"s"}', b"[]", b"null", b"x", b"{"])
def test_a_release_that_says_something_is_refused(payload: bytes) -> None:
    with pytest.raises((BadPayload, MalformedJson)):
        check_release(payload)
