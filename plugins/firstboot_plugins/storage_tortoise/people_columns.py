"""How customers, users with their logins, and API tokens stand in columns."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from firstboot.model import ApiToken, Authority, Customer, Tenant, User, UserSession
from firstboot_plugins.storage_tortoise.encoding import to_json
from firstboot_plugins.storage_tortoise.statements import Row

TENANT_COLUMNS = ("id", "name", "public_id", "created_at_ms")
CUSTOMER_COLUMNS = ("id", "public_id", "tenant_id", "title", "details", "version", "created_at_ms")
USER_CHANGEABLE = (
    "customer_id", "email", "authority", "first_name", "last_name", "details", "enabled", "password_hash",
    "must_change", "activation_digest", "activation_sealed", "activation_until_ms",
)  # fmt: skip
"""What an update of a user replaces."""
USER_COLUMNS = ("id", "public_id", "tenant_id", *USER_CHANGEABLE, "version", "created_at_ms")
SESSION_COLUMNS = ("public_id", "user_id", "refresh_digest", "created_at_ms", "expires_at_ms")
TOKEN_COLUMNS = (
    "id", "public_id", "tenant_id", "name", "scopes", "digest", "created_by", "created_at_ms", "expires_at_ms",
    "last_used_at_ms", "enabled", "details",
)  # fmt: skip


def user_values(user: User) -> tuple[Any, ...]:
    """Return the values of `USER_CHANGEABLE`."""
    return (
        user.customer_id, user.email, user.authority.value, user.first_name, user.last_name,
        to_json(dict(user.details)), int(user.enabled), user.password_hash, int(user.must_change),
        user.activation_digest, user.activation_sealed, user.activation_until_ms,
    )  # fmt: skip


def read_tenant(row: Row) -> Tenant:
    """Make one of a row of `TENANT_COLUMNS`."""
    id_, name, public_id, created_at_ms = row
    return Tenant(id_, name, UUID(bytes=public_id), created_at_ms)


def read_customer(row: Row) -> Customer:
    """Make one of a row of `CUSTOMER_COLUMNS`."""
    fields = dict(zip(CUSTOMER_COLUMNS, row, strict=True))
    return Customer(**fields | {"public_id": UUID(bytes=fields["public_id"]), "details": _details(fields)})


def read_user(row: Row) -> User:
    """Make one of a row of `USER_COLUMNS`."""
    fields = dict(zip(USER_COLUMNS, row, strict=True))
    decoded = {
        "public_id": UUID(bytes=fields["public_id"]),
        "authority": Authority(fields["authority"]),
        "details": _details(fields),
        "enabled": bool(fields["enabled"]),
        "must_change": bool(fields["must_change"]),
    }
    return User(**fields | decoded)


def read_session(row: Row) -> UserSession:
    """Make one of a row of `SESSION_COLUMNS`."""
    fields = dict(zip(SESSION_COLUMNS, row, strict=True))
    return UserSession(**fields | {"public_id": UUID(bytes=fields["public_id"])})


def read_token(row: Row) -> ApiToken:
    """Make one of a row of `TOKEN_COLUMNS`."""
    fields = dict(zip(TOKEN_COLUMNS, row, strict=True))
    decoded = {
        "public_id": UUID(bytes=fields["public_id"]),
        "scopes": tuple(json.loads(fields["scopes"])),
        "enabled": bool(fields["enabled"]),
        "details": _details(fields),
    }
    return ApiToken(**fields | decoded)


def _details(fields: dict[str, Any]) -> Any:
    return json.loads(fields["details"])
