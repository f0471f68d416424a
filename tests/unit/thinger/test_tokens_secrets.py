"""The texts of a token: the same every time, and nobody else's (contract 2.3, 12.2)."""

from __future__ import annotations

import re

import jwt
import pytest

from firstboot.keyring import Keyring
from firstboot_plugins.dialects.thinger.known_token import jwt_of
from firstboot_plugins.dialects.thinger.token_secrets import new_nonce, short_key, signed

KEYRING = Keyring(b"k" * 32)
KEPT = {"nonce": "n1", "svr": "iot.example.com"}


def test_tg_2_3_a_token_s_jwt_is_the_same_every_time() -> None:
    assert jwt_of(KEYRING, "factory", "alice", KEPT) == jwt_of(KEYRING, "factory", "alice", dict(KEPT))


@pytest.mark.parametrize(
    ("name", "account", "kept"),
    [
        ("factory", "bob", KEPT),
        ("other", "alice", KEPT),
        ("factory", "alice", {**KEPT, "nonce": "n2"}),
        ("factory", "alice", {**KEPT, "exp": 1}),
    ],
)
def test_tg_2_3_another_token_has_another_jwt(name: str, account: str, kept: dict[str, object]) -> None:
    assert jwt_of(KEYRING, name, account, kept) != jwt_of(KEYRING, "factory", "alice", KEPT)


def test_tg_2_3_another_installation_signs_differently() -> None:
    assert jwt_of(Keyring(b"x" * 32), "factory", "alice", KEPT) != jwt_of(KEYRING, "factory", "alice", KEPT)


def test_tg_2_3_claims_that_are_not_known_are_left_out() -> None:
    text = jwt_of(KEYRING, "factory", "alice", {"nonce": "n1", "svr": None, "exp": None}).reveal()

    assert jwt.decode(text, options={"verify_signature": False}) == {"jti": "factory", "usr": "alice"}


def test_tg_12_2_a_provisioning_key_fits_into_small_buffers_and_says_nothing_of_the_jwt() -> None:
    key = short_key(KEYRING, "n1").reveal()

    assert re.fullmatch(r"pk_[A-Za-z0-9]{24}", key)
    assert key == short_key(KEYRING, "n1").reveal()
    assert key != short_key(KEYRING, "n2").reveal()
    assert key not in signed(KEYRING, "n1", {"jti": "factory"}).reveal()


def test_tg_2_3_no_two_tokens_have_one_nonce() -> None:
    assert len({new_nonce() for _ in range(1000)}) == 1000


def test_se_5_a_secret_is_not_shown_where_a_token_is() -> None:
    assert "eyJ" not in repr(jwt_of(KEYRING, "factory", "alice", KEPT))
