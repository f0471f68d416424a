"""The attribute ``claimingData``: read as the contract says (4.3), kept without its secret."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.claim_secrets import claim_digest
from firstboot.claiming_data import ClaimingData, Sealed
from firstboot.config import ClaimingConfig
from firstboot.keyring import Keyring
from firstboot.model import CLAIMING_DATA, Attribute, Scope
from firstboot.secret import Secret
from firstboot.testing import NOW_MS

KEYRING = Keyring.generate()
DEVICE = UUID(int=7)
LATER = NOW_MS + 60_000
SECRET = "correct horse battery staple"


def seal(value: Any, **settings: Any) -> Sealed:
    return ClaimingData(KEYRING, ClaimingConfig(**settings)).seal(DEVICE, value, NOW_MS)


def digest(secret: str) -> bytes:
    return claim_digest(KEYRING, DEVICE, Secret(secret))


@pytest.mark.parametrize("as_text", [False, True], ids=["object", "text"])
def test_a_secret_is_kept_as_its_digest_and_shown_as_stars(as_text: bool) -> None:
    value = {"secretKey": SECRET, "expirationTime": LATER}

    sealed = seal(json.dumps(value) if as_text else value)

    assert sealed.attribute == {"secretKey": "***", "expirationTime": LATER}
    assert (sealed.window.secret_digest, sealed.window.expires_at_ms, sealed.window.weak) == (
        digest(SECRET),
        LATER,
        False,
    )


@pytest.mark.parametrize("value", [{}, {"secretKey": None}, {"secretKey": ""}, "{}"])
def test_cl_6_a_missing_secret_is_an_empty_one_and_a_missing_end_is_over(value: Any) -> None:
    sealed = seal(value)

    assert sealed.attribute == {"secretKey": "", "expirationTime": 0}
    assert (sealed.window.secret_digest, sealed.window.expires_at_ms, sealed.window.weak) == (digest(""), 0, True)


@pytest.mark.parametrize(
    ("given_ms", "read_ms"),
    [
        (LATER, LATER), (str(LATER), LATER), (LATER + 0.9, LATER), (-1, 0), (None, 0), (True, 0), ([1], 0),
        (2**99, 2**53 - 1),
    ],
)  # fmt: skip
def test_the_end_is_read_generously(given_ms: Any, read_ms: int) -> None:
    assert seal({"secretKey": SECRET, "expirationTime": given_ms}).window.expires_at_ms == read_ms


@pytest.mark.parametrize(("secret", "text"), [(123456, "123456"), (True, "true"), (1.5, "1.5")])
def test_a_secret_that_is_no_text_becomes_one(secret: Any, text: str) -> None:
    assert seal({"secretKey": secret, "expirationTime": LATER}).window.secret_digest == digest(text)


def test_stars_that_are_written_back_keep_the_secret() -> None:
    sealed = seal({"secretKey": "***", "expirationTime": LATER})

    assert sealed.attribute == {"secretKey": "***", "expirationTime": LATER}
    assert (sealed.window.secret_digest, sealed.window.expires_at_ms) == (None, LATER)


def test_cm_4_without_a_secret_it_is_open_for_minutes_at_most() -> None:
    long, short = seal({"expirationTime": LATER + 10**9}), seal({"expirationTime": LATER})

    assert long.window.expires_at_ms == NOW_MS + 300_000
    assert short.window.expires_at_ms == LATER
    other = seal({"expirationTime": LATER}, empty_secret_duration=timedelta(seconds=1))
    assert other.window.expires_at_ms == NOW_MS + 1000


def test_cm_4_where_a_secret_is_needed_none_opens_nothing() -> None:
    sealed = seal({"expirationTime": LATER}, allow_empty_secret=False)

    assert sealed.attribute == {"invalid": "A secret is needed."}
    assert (sealed.window.secret_digest, sealed.window.expires_at_ms) == (None, 0)


@pytest.mark.parametrize(
    "value",
    [
        {"secretKey": SECRET, "expirationTime": LATER, "note": "x"},
        {"SecretKey": SECRET},
        {"secretKey": [SECRET]},
        {"secretKey": {"a": SECRET}},
        {"secretKey": SECRET * 10},
        {"secretKey": SECRET, "expirationTime": f"{SECRET} o'clock"},
        {"secretKey": SECRET, "expirationTime": float("inf")},
        {"secretKey": SECRET, "expirationTime": float("nan")},
        [SECRET],
        f'{{"secretKey":"{SECRET}"',
        SECRET,
        "",
        None,
        17,
    ],
)
def test_cl_7_what_cannot_be_read_opens_nothing_and_is_not_repeated(value: Any) -> None:
    sealed = seal(value)

    assert list(sealed.attribute) == ["invalid"]
    assert SECRET not in json.dumps(sealed.attribute)
    assert (sealed.window.secret_digest, sealed.window.expires_at_ms) == (None, 0)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["secretKey", "expirationTime", "x"]), inner, max_size=3)
        ),
        max_leaves=6,
    )
)
def test_anything_can_be_written_and_is_kept_as_json(value: Any) -> None:
    sealed = seal(value)

    json.dumps(sealed.attribute, allow_nan=False)
    assert 0 <= sealed.window.expires_at_ms < 2**53


def test_no_repr_shows_the_digest() -> None:
    sealed = seal({"secretKey": SECRET})

    assert repr(digest(SECRET)) not in repr(sealed)
    assert repr(digest(SECRET)) not in repr(sealed.window)


def test_only_the_server_attribute_of_this_name_is_sealed() -> None:
    data = ClaimingData(KEYRING, ClaimingConfig())
    value = {"secretKey": SECRET, "expirationTime": LATER}
    given_ = [Attribute(scope, CLAIMING_DATA, value) for scope in Scope] + [Attribute(Scope.SERVER, "a", value)]

    kept, window = data.seal_attributes(DEVICE, given_, NOW_MS)

    assert [each.value for each in kept if each.value != value] == [{"secretKey": "***", "expirationTime": LATER}]
    assert window is not None
    assert data.seal_values(DEVICE, {"a": value}, NOW_MS) == ({"a": value}, None)
    values, window = data.seal_values(DEVICE, {"a": 1, CLAIMING_DATA: value}, NOW_MS)
    assert values == {"a": 1, CLAIMING_DATA: {"secretKey": "***", "expirationTime": LATER}}
    assert window is not None
    assert window.secret_digest == digest(SECRET)
