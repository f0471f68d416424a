"""Activation links: how somebody who was made a user chooses a first password (contract 5.4)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import timedelta

from firstboot.clock import milliseconds
from firstboot.errors import InvalidValue
from firstboot.keyring import Keyring
from firstboot.model import User
from firstboot.randomness import random_bytes
from firstboot.secret import Secret

LIFE = timedelta(hours=24)
_TOKEN_SIZE_BYTES = 30
"""40 characters of base64url."""
_MAX_SHOWN = 64


def with_new_activation(keyring: Keyring, user: User, now_ms: int) -> User:
    """Return the user with a token that nobody has used; any former one opens nothing."""
    text = urlsafe_b64encode(random_bytes(_TOKEN_SIZE_BYTES)).decode("ascii")
    return replace(
        user,
        activation_digest=activation_digest(keyring, Secret(text)),
        activation_sealed=keyring.seal(text, _place(user)),
        activation_until_ms=now_ms + milliseconds(LIFE),
    )


def without_activation(user: User) -> User:
    """Return the user with a token that is used up: its digest stays, so that a second use can be told why."""
    return replace(user, activation_sealed=None, activation_until_ms=None)


def read_activation(keyring: Keyring, user: User, now_ms: int) -> Secret | None:
    """Return the token, which the contract lets administrators read back; None when it has expired.

    Raises: `InvalidValue` when the user has a password already.
    """
    if user.password_hash is not None:
        raise InvalidValue("User is already activated!")
    if user.activation_sealed is None or now_ms >= (user.activation_until_ms or 0):
        return None
    return Secret(keyring.unseal(user.activation_sealed, _place(user)))


def check_activation(user: User | None, token: Secret, now_ms: int) -> User:
    """Return the user whom the token may activate now.

    Raises: `InvalidValue`, with ThingsBoard's texts.
    """
    if user is None:
        # The contract repeats the text. It opens nothing, so it is no secret.
        shown = token.reveal()[:_MAX_SHOWN]
        raise InvalidValue(f"Unable to find user credentials by activateToken [{shown}]")
    if user.password_hash is not None:
        raise InvalidValue("User credentials already activated")
    if user.activation_sealed is None or now_ms >= (user.activation_until_ms or 0):
        raise InvalidValue("Activation token expired")
    return user


def activation_digest(keyring: Keyring, token: Secret) -> bytes:
    """Return the digest by which a token is looked up."""
    return keyring.digest("activation-token", token.reveal())


def _place(user: User) -> bytes:
    return b"app_user.activation_sealed " + user.public_id.bytes
