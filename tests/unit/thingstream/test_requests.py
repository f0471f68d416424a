"""Reading what devices ask: the bytes of real clients, and anything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot_plugins.dialects.thingstream.errors import ZtpError
from firstboot_plugins.dialects.thingstream.requests import (
    MAX_TAGS,
    Wish,
    read_object,
    read_token,
    read_wish,
)

TOKEN = "aabbccdd-0011-2233-0a0b-0c0d00010203"
# The three shapes that contract section 2 has from real clients, byte for byte.
OBSERVED = [
    (
        b'{"token":"aabbccdd-0011-2233-0a0b-0c0d00010203","givenName":"Torch 1.1 - 64B7088E45A002",'
        b'"hardwareId":"64B7088E45A002"}',
        Wish(given_name="Torch 1.1 - 64B7088E45A002", hardware_id="64B7088E45A002"),
    ),
    (
        b'{"tags":["ztp"],"token":"aabbccdd-0011-2233-0a0b-0c0d00010203","hardwareId":"f412fa001122",'
        b'"givenName":"xplr-hpg"}',
        Wish(given_name="xplr-hpg", hardware_id="f412fa001122", tags=("ztp",)),
    ),
    (
        b'{"token":"aabbccdd-0011-2233-0a0b-0c0d00010203","givenName":"device-name",'
        b'"hardwareId":"f412fa001122","tags":[]}',
        Wish(given_name="device-name", hardware_id="f412fa001122"),
    ),
]


@pytest.mark.parametrize(("payload", "wish"), OBSERVED)
def test_what_real_clients_send_is_read(payload: bytes, wish: Wish) -> None:
    body = read_object(payload, 16_384)

    assert (read_token(body).reveal(), read_wish(body)) == (TOKEN, wish)


def test_what_is_empty_or_null_or_unknown_says_nothing() -> None:
    body = {"givenName": "", "hardwareId": "", "tags": None, "unknown": {"x": [1]}}

    assert read_wish(body) == Wish()
    assert read_wish({"givenName": None, "hardwareId": None, "tags": ["", " "]}) == Wish()


def test_the_longest_name_and_the_most_tags_are_taken() -> None:
    body = {"givenName": "n" * 50, "hardwareId": "4" * 64, "tags": [f"t{number}" for number in range(MAX_TAGS)]}

    wish = read_wish(body)

    assert (len(wish.given_name or ""), len(wish.hardware_id or ""), len(wish.tags)) == (50, 64, MAX_TAGS)


def test_a_tag_counts_once() -> None:
    assert read_wish({"tags": ["eu", " eu ", "EU"]}).tags == ("eu", "EU")


REFUSALS = {(400, "Invalid request"), (400, "Token is mandatory")}


def _outcome(body: bytes) -> Wish | tuple[int, str]:
    """Read a whole body; return what it says, or how it is refused."""
    try:
        read = read_object(body, 16_384)
        wish = read_wish(read)
        read_token(read)
    except ZtpError as error:
        return error.status, error.text
    return wish


@given(st.binary(max_size=256))
@example(b"[" * 256)
@example(b'{"token":"\\ud800"}')
@example(b'{"token":"t","givenName":"<script>"}')
def test_any_body_is_read_or_refused_in_the_dialect_s_words(payload: bytes) -> None:
    outcome = _outcome(payload)

    assert isinstance(outcome, Wish) or outcome in REFUSALS


_SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=60)
_VALUES = _SCALARS | st.lists(st.text(max_size=5), max_size=3)


@given(st.dictionaries(st.sampled_from(["token", "givenName", "hardwareId", "tags"]), _VALUES))
def test_any_values_are_read_or_refused(body: dict[str, object]) -> None:
    outcome = _outcome(json.dumps(body).encode())

    if not isinstance(outcome, Wish):
        assert outcome in REFUSALS
        return
    assert outcome.given_name is None or 1 <= len(outcome.given_name) <= 50
    assert outcome.hardware_id is None or 1 <= len(outcome.hardware_id) <= 64
