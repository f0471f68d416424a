"""The server attribute ``claimingData``, with which ThingsBoard's administrators open devices (contract 4.3).

What it says becomes a claim window; what stays as the attribute shows no secret. What cannot be read opens a
window that no secret fits, and the attribute says what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from firstboot import json_profile
from firstboot.claim_secrets import MAX_LENGTH, claim_digest, is_weak
from firstboot.clock import milliseconds
from firstboot.config import ClaimingConfig
from firstboot.errors import InvalidValue
from firstboot.keyring import Keyring
from firstboot.model import CLAIMING_DATA, Attribute, Scope
from firstboot.secret import MASK, Secret
from firstboot.storage import NewClaimWindow

_SECRET = "secretKey"
_EXPIRATION = "expirationTime"
_MAX_MS = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Sealed:
    """What an administrator has written, in the two parts in which it is kept."""

    attribute: Any
    window: NewClaimWindow = field(repr=False)


class ClaimingData:
    """Turns values of the attribute into claim windows."""

    def __init__(self, keyring: Keyring, config: ClaimingConfig) -> None:
        self._keyring = keyring
        self._config = config

    def seal(self, device_public_id: UUID, value: Any, at_ms: int) -> Sealed:
        """Return a value of the attribute without its secret, and the window that it opens."""
        try:
            secret, until_ms = _read(value)
        except InvalidValue as error:
            return Sealed({"invalid": str(error)}, NewClaimWindow(secret_digest=None, expires_at_ms=0))
        shown = {_SECRET: MASK if secret is None or secret else "", _EXPIRATION: until_ms}
        if secret is None:  # written back as it was shown: whoever did that did not know the secret
            return Sealed(shown, NewClaimWindow(secret_digest=None, expires_at_ms=until_ms))
        if not secret:
            if not self._config.allow_empty_secret:
                return Sealed(
                    {"invalid": "A secret is needed."}, NewClaimWindow(secret_digest=None, expires_at_ms=0)
                )
            until_ms = min(until_ms, at_ms + milliseconds(self._config.empty_secret_duration))
        digest = claim_digest(self._keyring, device_public_id, secret)
        return Sealed(shown, NewClaimWindow(secret_digest=digest, expires_at_ms=until_ms, weak=is_weak(secret)))

    def seal_values(
        self, device_public_id: UUID, values: Mapping[str, Any], at_ms: int
    ) -> tuple[Mapping[str, Any], NewClaimWindow | None]:
        """Return server attributes as they are kept, and the window that one of them opens, if any does."""
        if CLAIMING_DATA not in values:
            return values, None
        sealed = self.seal(device_public_id, values[CLAIMING_DATA], at_ms)
        return {**values, CLAIMING_DATA: sealed.attribute}, sealed.window

    def seal_attributes(
        self, device_public_id: UUID, attributes: Iterable[Attribute], at_ms: int
    ) -> tuple[Sequence[Attribute], NewClaimWindow | None]:
        """Do the same for attributes of all scopes."""
        kept: list[Attribute] = []
        window = None
        for each in attributes:
            if (each.scope, each.key) == (Scope.SERVER, CLAIMING_DATA):
                sealed = self.seal(device_public_id, each.value, at_ms)
                window = sealed.window
                each = Attribute(each.scope, each.key, sealed.attribute)
            kept.append(each)
        return kept, window


def opening(secret: Secret, until_ms: int) -> Mapping[str, Any]:
    """Return the value with which an administrator opens a device, before it is sealed."""
    return {_SECRET: secret.reveal(), _EXPIRATION: until_ms}


def _read(value: Any) -> tuple[Secret | None, int]:
    """Return secret (None: the one that was set before) and last moment.

    Raises: `InvalidValue`, which quotes nothing of the value (contract, section 7).
    """
    if isinstance(value, str):
        value = json_profile.decode(value.encode("utf-8", "surrogatepass"))
    if not isinstance(value, Mapping):
        raise InvalidValue(f"It is no JSON object with {_SECRET} and {_EXPIRATION}.")
    if not value.keys() <= {_SECRET, _EXPIRATION}:
        raise InvalidValue(f"It may have {_SECRET} and {_EXPIRATION}, and nothing else.")
    secret = value.get(_SECRET)
    if secret is None:
        secret = ""
    if isinstance(secret, bool | int | float):
        secret = json.dumps(secret)
    if not isinstance(secret, str) or len(secret) > MAX_LENGTH:
        raise InvalidValue(f"{_SECRET} is a text of at most {MAX_LENGTH} characters.")
    until_ms = value.get(_EXPIRATION)
    try:
        until_ms = int(until_ms) if until_ms is not None and not isinstance(until_ms, bool | list | dict) else 0
    except (ValueError, OverflowError):
        raise InvalidValue(f"{_EXPIRATION} is a moment in milliseconds since 1970.") from None
    return (None if secret == MASK else Secret(secret)), max(0, min(until_ms, _MAX_MS))
