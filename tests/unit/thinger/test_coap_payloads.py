"""Payloads over CoAP: whatever comes is read or refused, and CBOR says no more than JSON (contract 12.3)."""

from __future__ import annotations

import json

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot_plugins.dialects.thinger.coap_payloads import decode, encode
from firstboot_plugins.dialects.thinger.errors import ThingerError

JSON, CBOR = 50, 60
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


@given(value=VALUES, content_format=st.sampled_from([JSON, CBOR]))
def test_what_is_said_is_read_in_either_format(value: object, content_format: int) -> None:
    payload = encode(value, content_format)
    if len(payload) <= 1024:
        assert decode(payload, content_format) == value


@given(payload=st.binary(min_size=1, max_size=1100), content_format=st.sampled_from([None, 0, JSON, CBOR]))
def test_any_bytes_are_read_or_refused(payload: bytes, content_format: int | None) -> None:
    try:
        status, value = 200, decode(payload, content_format)
    except ThingerError as error:
        status, value = error.status, None
    assert status in (200, 400, 413)
    json.dumps(value, allow_nan=False)


@pytest.mark.parametrize("content_format", [40, 42, 11542])
def test_other_formats_are_refused(content_format: int) -> None:
    with pytest.raises(ThingerError) as caught:
        decode(b"{}", content_format)
    assert caught.value.status == 415


@pytest.mark.parametrize(
    "value", [b"bytes", 2**64, cbor2.CBORTag(1000, 1), cbor2.undefined, float("inf")], ids=repr
)
def test_what_json_has_no_form_of_is_refused(value: object) -> None:
    with pytest.raises(ThingerError, match="CBOR"):
        decode(cbor2.dumps({"x": value}), CBOR)
