"""Tokens: each shared by a group of devices, good for nothing but getting credentials (contract section 4)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

from firstboot.clock import Clock
from firstboot.errors import InvalidValue, NotFound, ProfileNotProven
from firstboot.keyring import Keyring
from firstboot.model import DeviceProfile
from firstboot.profile_directory import ProfileDirectory
from firstboot.randomness import random_bytes
from firstboot.secret import LOWER_ALPHANUMERIC, Secret, random_text
from firstboot_plugins.dialects.thingstream.settings import (
    DeviceType,
    Settings,
    Token,
    TokenState,
    settings_of,
)

MAX_TOKENS = 20
"""Of a profile, those that are over included; the oldest of these go first."""
_ID_LENGTH = 8


def token_digest(keyring: Keyring, token: Secret) -> str:
    """Return under what a token is stored and found; whether it is written in capitals does not matter."""
    return keyring.digest("thingstream-token", token.reveal().lower()).hex()


def new_token(keyring: Keyring, now_ms: int, *, expires_ms: int | None = None) -> tuple[Token, Secret]:
    """Draw a token; its text is told once."""
    text = Secret(str(uuid.UUID(bytes=random_bytes(16), version=4)))
    token = Token(
        id=random_text(_ID_LENGTH, LOWER_ALPHANUMERIC),
        digest=token_digest(keyring, text),
        last4=text.reveal()[-4:],
        created_ms=now_ms,
        expires_ms=expires_ms,
    )
    return token, text


def rotated(settings: Settings, token: Token, now_ms: int, grace_s: int) -> Settings:
    """Return settings with another token; those that were active retire."""
    until_ms = now_ms + 1000 * grace_s
    kept = []
    for each in settings.tokens:
        if each.state is TokenState.ACTIVE:
            each = replace(
                each,
                state=TokenState.RETIRING if grace_s else TokenState.REVOKED,
                expires_ms=min(until_ms, each.expires_ms or until_ms),
            )
        elif each.state is TokenState.RETIRING and not grace_s:
            each = replace(each, state=TokenState.REVOKED)
        kept.append(each)
    while len(kept) >= MAX_TOKENS:
        over = [each for each in kept if each.state_at(now_ms) is TokenState.REVOKED]
        if not over:
            raise InvalidValue(f"A profile has at most {MAX_TOKENS} tokens. Delete one.")
        kept.remove(over[0])
    return replace(settings, tokens=(*kept, token))


def with_token(settings: Settings, token: Token, changed: Token | None) -> Settings:
    """Return settings with another token in the place of one; None: without it."""
    tokens = (changed if each.id == token.id else each for each in settings.tokens)
    return replace(settings, tokens=tuple(each for each in tokens if each is not None))


def found(settings: Settings, keyring: Keyring, named: str) -> Token:
    """Return the token of this id, or of this text.

    Raises: `NotFound`.
    """
    digest = token_digest(keyring, Secret(named))
    for token in settings.tokens:
        if named == token.id or digest == token.digest:
            return token
    raise NotFound("The profile has no such token.")


@dataclass(frozen=True, slots=True)
class Proven:
    """A profile whose token a device has shown."""

    profile: DeviceProfile
    settings: Settings
    token: Token


class TokenIndex:
    """All tokens in memory. Only digests that need the server's key are compared, so that time tells nothing."""

    def __init__(self, directory: ProfileDirectory, keyring: Keyring, clock: Clock) -> None:
        self._directory = directory
        self._keyring = keyring
        self._clock = clock
        self._generation = -1
        self._by_digest: Mapping[str, Proven] = {}

    def prove(self, token: Secret, device_type: DeviceType) -> Proven:
        """Return the profile that a token proves.

        Raises: `ProfileNotProven`; its code and text are for operators, devices are told one thing for all.
        """
        if self._generation != self._directory.generation:
            self._generation = self._directory.generation
            self._by_digest = self._read()
        proven = self._by_digest.get(token_digest(self._keyring, token))
        if proven is None:
            raise ProfileNotProven("No profile has this token.", code="unknown-key")
        if not proven.token.is_good(self._clock.now_ms()):
            raise ProfileNotProven(
                f"The token that ends with {proven.token.last4} of profile {proven.profile.name!r} is over."
            )
        if proven.settings.device_type is not device_type:
            raise ProfileNotProven(
                f"Profile {proven.profile.name!r} is for {proven.settings.device_type}, and not for {device_type}."
            )
        return proven

    def _read(self) -> dict[str, Proven]:
        index = {}
        for profile in self._directory.all():
            settings = settings_of(profile)
            if settings is not None:
                index.update({token.digest: Proven(profile, settings, token) for token in settings.tokens})
        return index
