"""Tokens and settings of a profile, in memory."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from firstboot.errors import InvalidValue, NotFound
from firstboot.keyring import Keyring
from firstboot.model import DIALECT
from firstboot.profiles import plain_profile
from firstboot_plugins.dialects.thingstream.settings import (
    NAME,
    OldThing,
    Settings,
    Token,
    TokenState,
    settings_of,
)
from firstboot_plugins.dialects.thingstream.tokens import MAX_TOKENS, found, new_token, rotated, with_token

NOW_MS = 1_800_000_000_000
KEYRING = Keyring(bytes(32))


def test_settings_outlive_the_database() -> None:
    token, _ = new_token(KEYRING, NOW_MS, expires_ms=NOW_MS)
    settings = Settings(
        auto_activate=False, tags=("a", "b"), old_thing=OldThing.IMMEDIATE, left_out=("aliases",), tokens=(token,)
    )

    stored = json.loads(json.dumps(settings.to_details()))

    assert settings_of(replace(plain_profile(1, "p"), details=stored)) == settings


def test_a_profile_of_another_dialect_has_no_settings() -> None:
    for details in ({}, {DIALECT: "thinger"}, {DIALECT: NAME}, {NAME: {}}):
        assert settings_of(replace(plain_profile(1, "p"), details=details)) is None


def test_settings_that_a_newer_program_has_added_do_no_harm() -> None:
    details = {DIALECT: NAME, NAME: {"plan": "x", "added": 1}}

    assert settings_of(replace(plain_profile(1, "p"), details=details)) == Settings(plan="x")


def test_no_part_of_a_token_can_be_told_from_what_is_kept_but_its_end() -> None:
    token, text = new_token(KEYRING, NOW_MS)

    kept = json.dumps(Settings(tokens=(token,)).to_details())

    assert text.reveal() not in kept
    assert text.reveal()[:-4] not in kept
    assert token.last4 == text.reveal()[-4:]
    assert token.digest not in repr(token)


@pytest.mark.parametrize(
    ("state", "expires_ms", "is_good", "told"),
    [
        (TokenState.ACTIVE, None, True, TokenState.ACTIVE),
        (TokenState.ACTIVE, NOW_MS, True, TokenState.ACTIVE),
        (TokenState.ACTIVE, NOW_MS - 1, False, TokenState.ACTIVE),
        (TokenState.RETIRING, NOW_MS, True, TokenState.RETIRING),
        (TokenState.RETIRING, NOW_MS - 1, False, TokenState.REVOKED),
        (TokenState.DISABLED, None, False, TokenState.DISABLED),
        (TokenState.REVOKED, None, False, TokenState.REVOKED),
    ],
)
def test_a_token_is_good_in_some_states_until_its_end(
    state: TokenState, expires_ms: int | None, is_good: bool, told: TokenState
) -> None:
    token = Token(id="i", digest="", last4="", state=state, created_ms=0, expires_ms=expires_ms)

    assert (token.is_good(NOW_MS), token.state_at(NOW_MS)) == (is_good, told)


def test_rotating_never_lengthens_the_life_of_a_token() -> None:
    (soon, _), (later, _), (other, _) = (
        new_token(KEYRING, NOW_MS, expires_ms=end) for end in (NOW_MS + 5, None, 1)
    )
    settings = Settings(tokens=(soon, later, replace(other, state=TokenState.DISABLED)))

    after = rotated(settings, new_token(KEYRING, NOW_MS)[0], NOW_MS, 60)
    again = rotated(after, new_token(KEYRING, NOW_MS)[0], NOW_MS + 1000, 60)

    assert [each.expires_ms for each in after.tokens] == [NOW_MS + 5, NOW_MS + 60_000, 1, None]
    assert [each.expires_ms for each in again.tokens[:2]] == [NOW_MS + 5, NOW_MS + 60_000]
    assert again.tokens[2].state is TokenState.DISABLED


def test_tokens_that_count_are_never_dropped_for_a_new_one() -> None:
    settings = Settings(tokens=tuple(new_token(KEYRING, NOW_MS)[0] for _ in range(MAX_TOKENS)))

    with pytest.raises(InvalidValue, match="at most 20 tokens"):
        rotated(settings, new_token(KEYRING, NOW_MS)[0], NOW_MS, 60)


def test_a_token_is_found_by_id_and_by_text_whatever_the_case() -> None:
    token, text = new_token(KEYRING, NOW_MS)
    settings = Settings(tokens=(new_token(KEYRING, NOW_MS)[0], token))

    assert found(settings, KEYRING, token.id) == found(settings, KEYRING, text.reveal().upper()) == token
    assert with_token(settings, token, None).tokens == settings.tokens[:1]
    with pytest.raises(NotFound):
        found(settings, KEYRING, token.digest)
