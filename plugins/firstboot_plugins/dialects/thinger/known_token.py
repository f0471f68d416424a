"""A token of an account, as requests need it: what it may do, and the texts that it is presented with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from firstboot.errors import InvalidValue
from firstboot.keyring import Keyring
from firstboot.model import ApiToken, Tenant
from firstboot.secret import Secret
from firstboot.sessions import Owner
from firstboot_plugins.dialects.thinger.permissions import Permissions, read_permissions
from firstboot_plugins.dialects.thinger.token_secrets import short_key, signed

DETAILS = "thinger"
"""Key in an `ApiToken`'s details: there for tokens of this dialect."""
DEVICE = "device"
"""Key in those: the name of the only device, there for device tokens (contract 2.8)."""
DEVICE_ID = "device_id"
"""Key in those beside `DEVICE`: an id that no later device with the same name has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownToken:
    """A token with what was read from its details."""

    token: ApiToken
    account: Tenant
    rights: Permissions
    secret: Secret = field(repr=False)
    short: Secret | None = field(repr=False)
    """The provisioning key, for those that have one."""
    key: str
    actor: str
    owner: Owner
    """See `firstboot_plugins.dialects.thinger.askers.Asker`, as for all three."""

    @property
    def details(self) -> Mapping[str, Any]:
        """What the dialect keeps with it."""
        kept: Mapping[str, Any] = self.token.details[DETAILS]
        return kept

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every text that it may be presented with."""
        return (self.secret,) if self.short is None else (self.secret, self.short)

    def is_good_at(self, now_ms: int) -> bool:
        until_ms = self.token.expires_at_ms
        return self.token.enabled and (until_ms is None or now_ms < until_ms)


def known_token(keyring: Keyring, token: ApiToken, account: Tenant) -> KnownToken | None:
    """Read a token; None: it is not one of this dialect."""
    kept = token.details.get(DETAILS)
    if kept is None:
        return None
    try:
        rights = read_permissions(kept.get("allow"), kept.get("deny"), account.name)
    except InvalidValue:  # written by something else than this version: better nothing than too much
        rights = Permissions()
    short = short_key(keyring, kept["nonce"]) if kept.get("short") else None
    return KnownToken(
        token=token,
        account=account,
        rights=rights,
        secret=jwt_of(keyring, token.name, account.name, kept),
        short=short,
        key=f"token {token.id}",
        actor=f"api-token:{token.name}",
        owner=Owner("api-token", token.id),
    )


def jwt_of(keyring: Keyring, name: str, account: str, kept: Mapping[str, Any]) -> Secret:
    """Return the JWT of a token with these details (contract 2.3)."""
    if DEVICE in kept:
        claims = {
            "dev": kept[DEVICE],
            "iat": kept["iat"],
            "jti": name,
            "usr": account,
            "exp": kept.get("exp"),
            "res": kept.get("resources"),
        }
    else:
        claims = {"jti": name, "usr": account, "exp": kept.get("exp"), "svr": kept.get("svr")}
    return signed(keyring, kept["nonce"], claims)
