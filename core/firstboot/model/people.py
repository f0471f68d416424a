"""Tenants, their customers, and the people and programs that may log in."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

DEFAULT_TENANT = "default"


class Authority(enum.StrEnum):
    """What a person may do at all."""

    SYS_ADMIN = "SYS_ADMIN"
    """Makes tenants and their administrators; sees no devices."""
    TENANT_ADMIN = "TENANT_ADMIN"
    """Does everything within one tenant."""
    CUSTOMER_USER = "CUSTOMER_USER"
    """Sees and uses the devices of one customer."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """The owner of profiles, customers and devices."""

    id: int
    name: str
    public_id: UUID
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Whoever bought devices of a tenant."""

    id: int
    public_id: UUID
    tenant_id: int
    title: str
    details: Mapping[str, Any] = field(default_factory=dict)
    """Address and whatever else a dialect keeps with a customer, by the dialect's field names."""
    version: int = 1
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who may log in. Without a password hash the account was not activated yet."""

    id: int
    public_id: UUID
    tenant_id: int | None
    """None: a `Authority.SYS_ADMIN`."""
    customer_id: int | None
    email: str
    """Unique in the installation, in lower case."""
    authority: Authority
    first_name: str | None = None
    last_name: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    """Phone and whatever else a dialect keeps with a user."""
    enabled: bool = True
    password_hash: str | None = field(default=None, repr=False)
    """Argon2id, in its standard text form."""
    must_change: bool = False
    """Whether the password is a first one that has to be changed."""
    activation_digest: bytes | None = field(default=None, repr=False)
    activation_sealed: bytes | None = field(default=None, repr=False)
    activation_until_ms: int | None = None
    version: int = 1
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSession:
    """One login of a person, as long as it is renewed. Access ends with it, whatever a token says."""

    public_id: UUID
    user_id: int
    refresh_digest: bytes = field(repr=False)
    """Digest of the only refresh token that is still good."""
    created_at_ms: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A named secret for programs, with scopes (`firstboot.scopes`)."""

    id: int
    public_id: UUID
    tenant_id: int
    name: str
    """Unique in the tenant."""
    scopes: tuple[str, ...]
    digest: bytes = field(repr=False)
    created_by: str
    created_at_ms: int
    expires_at_ms: int | None = None
    last_used_at_ms: int | None = None
    enabled: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)
    """What a dialect keeps with a token and the services do not look at."""
