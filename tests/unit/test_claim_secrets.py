"""Claim secrets: strong when made here, read as people type them, kept as digests."""

from __future__ import annotations

import random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.claim_secrets import ALPHABET, LENGTH, claim_digest, is_weak, new_claim_secret, readings
from firstboot.keyring import Keyring
from firstboot.secret import Secret

KEYRING = Keyring.generate()
DEVICE, OTHER = UUID(int=1), UUID(int=2)


def test_cm_1_a_made_secret_has_80_bits_and_letters_that_are_not_mixed_up() -> None:
    made = {new_claim_secret().reveal() for _ in range(200)}

    assert len(made) == 200
    assert {len(secret) for secret in made} == {LENGTH}
    assert set("".join(made)) <= set(ALPHABET)
    assert len(set(ALPHABET)) ** LENGTH == 2**80
    assert not set("ILOU") & set(ALPHABET)
    assert not any(is_weak(Secret(secret)) for secret in made)


@given(st.text(ALPHABET, min_size=LENGTH, max_size=LENGTH), st.randoms(use_true_random=False))
def test_a_made_secret_is_read_however_it_is_typed(plain: str, chance: random.Random) -> None:
    looks_like = {"0": "0oO", "1": "1iIlL"}
    typed = "".join(
        chance.choice(looks_like.get(letter, letter + letter.lower())) + chance.choice(["", "", "-", " "])
        for letter in plain
    )

    assert Secret(plain) in readings(Secret(typed))


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "secret",
        "0123456789abcde",
        "0123456789ABCDEFG",
        "0123456789ABCDEU",
        "0123456789abcde!",
        "ß" * 16,
        " " * 16,
    ],
)
def test_any_other_secret_is_taken_as_it_is(secret: str) -> None:
    assert list(readings(Secret(secret))) == [Secret(secret)]


def test_what_was_typed_exactly_is_read_first() -> None:
    """A secret that a maker chose may look like one of ours in small letters."""
    assert readings(Secret("0123456789abcdef"))[0] == Secret("0123456789abcdef")


def test_a_digest_depends_on_secret_device_and_installation() -> None:
    digests = {
        claim_digest(keyring, device, Secret(secret))
        for keyring in (KEYRING, Keyring.generate())
        for device in (DEVICE, OTHER)
        for secret in ("", "s", "S", "s ", "s\0", "\ud800")
    }

    assert len(digests) == 2 * 2 * 6
    assert claim_digest(KEYRING, DEVICE, Secret("s")) == claim_digest(KEYRING, DEVICE, Secret("s"))


@pytest.mark.parametrize(
    ("secret", "weak"),
    [
        ("", True),
        ("1234", True),
        ("secret", True),
        ("a1B2c3", True),
        ("1" * 12, True),
        ("1" * 13, False),
        ("abcdefgh", True),
        ("abcdefghi", False),
        ("aB3!xY9_", False),
        ("ÄÖÜ", True),
        ("\0" * 12, True),
    ],
)
def test_cm_3_a_secret_of_less_than_40_bits_is_weak(secret: str, weak: bool) -> None:
    assert is_weak(Secret(secret)) is weak
