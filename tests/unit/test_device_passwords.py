"""Of a device's password a digest is kept from which nobody gets it back (contract 6.2)."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.device_passwords import digest_of, is_password_of

PASSWORD = "a good secret"


@given(st.text(), st.text())
def test_a_digest_is_that_of_its_password_alone(password: str, other: str) -> None:
    digest = digest_of(password)

    assert is_password_of(digest, password)
    assert is_password_of(digest, other) == (other == password)


@given(st.text())
def test_tg_6_2_it_is_pbkdf2_with_sha_256_and_a_salt_of_32_bytes(password: str) -> None:
    kind, passes, salt, digest = digest_of(password).split("$")

    assert kind == "pbkdf2-sha256"
    assert len(base64.b64decode(salt)) == 32
    expected = hashlib.pbkdf2_hmac("sha256", password.encode() + b"\x01", base64.b64decode(salt), int(passes))
    assert base64.b64decode(digest) == expected


def test_a_password_with_nul_behind_it_is_another() -> None:
    assert not is_password_of(digest_of(PASSWORD), f"{PASSWORD}\0")


def test_two_digests_of_one_password_have_nothing_in_common() -> None:
    one, other = (digest_of(PASSWORD).split("$") for _ in range(2))

    assert one[2] != other[2]
    assert one[3] != other[3]


def test_a_password_that_is_not_text_is_compared_byte_by_byte() -> None:
    """A CONNACK must not be got by bytes that decode to the same replacement."""
    presented = b"\xff\xfe".decode("utf-8", "surrogateescape")

    assert is_password_of(digest_of(presented), presented)
    assert not is_password_of(digest_of(presented), b"\xff\xfd".decode("utf-8", "surrogateescape"))


def test_a_digest_of_another_kind_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="argon2id"):
        is_password_of("argon2id$1$AAAA$AAAA", PASSWORD)
