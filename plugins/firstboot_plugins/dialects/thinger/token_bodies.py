"""Bodies that make and change access tokens, checked; and what is told of one (contract 2.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from firstboot.errors import InvalidValue
from firstboot.json_profile import MAX_INTEGER
from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.known_token import KnownToken
from firstboot_plugins.dialects.thinger.permissions import read_permissions

_ID = re.compile(r"[a-zA-Z0-9_]{1,50}")
_KEPT = ("name", "description", "allow", "deny", "short")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChange:
    """What a body says of a token. Of one that exists, what is not said stays."""

    kept: Mapping[str, Any] = field(default_factory=dict)
    """Name, description, allow, deny and short, those that were said."""
    enabled: bool | None = None
    sets_expiry: bool = False
    expires_at_ms: int | None = None


def read_new_token(body: object, account: str) -> tuple[str, TokenChange]:
    """Read the id and what else is said of a token that is to be made.

    Raises: `ThingerError`.
    """
    fields = BodyFields(body)
    for name in ("token", "name", "enabled"):
        if not fields.has(name):
            raise ThingerError(400, f"missing field: {name}")
    token = checked_token_id(fields.take("token"))
    return token, _read(fields, account)


def read_token_change(body: object, token: str, account: str) -> TokenChange:
    """Read what is to be changed of the token with this id, which the body may repeat.

    Raises: `ThingerError`.
    """
    fields = BodyFields(body)
    if fields.take("token", token) != token:
        raise ThingerError(400, "a token keeps its id")
    return _read(fields, account)


def checked_token_id(value: object) -> str:
    """Return the id of a token.

    Raises: `ThingerError`.
    """
    if not isinstance(value, str) or _ID.fullmatch(value) is None:
        raise ThingerError(400, "invalid token id")
    return value


def token_told(known: KnownToken, *, with_rights: bool = True) -> dict[str, Any]:
    """Return a token as lists and answers show it, without what opens the account."""
    token, kept = known.token, known.details
    told = {
        "token": token.name,
        "name": kept.get("name", token.name),
        "description": kept.get("description", ""),
        "enabled": token.enabled,
        "created": token.created_at_ms,
        "modified": kept.get("modified", token.created_at_ms),
    }
    if token.expires_at_ms is not None:
        told["expire"] = token.expires_at_ms
    if with_rights:
        told |= {"allow": kept.get("allow") or {}, "deny": kept.get("deny") or {}}
    return told


def _read(fields: BodyFields, account: str) -> TokenChange:
    said: dict[str, Any] = {
        "name": fields.text("name"),
        "description": fields.text("description"),
        "allow": fields.take("allow"),
        "deny": fields.take("deny"),
        "short": fields.flag("short"),
    }
    enabled = fields.flag("enabled")
    sets_expiry = fields.has("expire")
    expires_at_ms = _moment(fields.take("expire"))
    fields.end()
    try:
        read_permissions(said["allow"], said["deny"], account)
    except InvalidValue as error:
        raise ThingerError(400, str(error)) from None
    return TokenChange(
        kept={name: said[name] for name in _KEPT if said[name] is not None},
        enabled=enabled,
        sets_expiry=sets_expiry,
        expires_at_ms=expires_at_ms,
    )


def _moment(value: object) -> int | None:
    """Read milliseconds since 1970, which JSON may write as a double."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 < value <= MAX_INTEGER:
        raise ThingerError(400, "invalid field: expire")
    return value
