"""Writes of tenants, customers, users with their logins, and API tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from firstboot.model import ApiToken, Customer, Tenant, User, UserSession
from firstboot.storage.audit import AuditEntry

MAX_USER_SESSIONS = 100
"""Logins of one user at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTenant:
    """Make a tenant; the ``id`` in it is ignored. Outcomes: DONE with its id, NAME_TAKEN."""

    tenant: Tenant
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateCustomer:
    """Make a customer; ``id`` and ``version`` in it are ignored.

    Outcomes: DONE with its id, NAME_TAKEN (within the tenant), GONE (the tenant).
    """

    customer: Customer
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCustomer:
    """Replace title and details; the ``version`` is counted up.

    Outcomes: DONE with the new version, GONE (also of another tenant), NAME_TAKEN, STALE.
    """

    customer: Customer
    expected_version: int | None = None
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCustomer:
    """Delete a customer and its users; its devices belong to no customer then.

    Other processes are told of each user. Outcomes: DONE, GONE.
    """

    customer_id: int
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUser:
    """Make a user; ``id`` and ``version`` in it are ignored.

    Outcomes: DONE with the id, NAME_TAKEN (whichever tenant has the address), CUSTOMER_GONE, GONE (the tenant).
    """

    user: User
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateUser:
    """Replace a user, but for tenant, public id and moment of making; the ``version`` is counted up.

    Other processes are told, because sessions may have to end.
    ``end_sessions``: all logins of the user end in the same transaction.
    Outcomes: DONE with the new version, GONE (also of another tenant), NAME_TAKEN, CUSTOMER_GONE, STALE.
    """

    user: User
    expected_version: int | None = None
    end_sessions: bool = False
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUser:
    """Delete a user with all logins. Other processes are told. Outcomes: DONE, GONE."""

    user_id: int
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUserSession:
    """Record a login of a user; everybody's sessions that expired before it are removed.

    So are the user's oldest beyond `MAX_USER_SESSIONS`: who logs in and never out fills no database.

    Outcomes: DONE, GONE (the user).
    """

    session: UserSession
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewUserSession:
    """Exchange a session's refresh token for another.

    Outcomes: DONE; STALE when ``replaces`` is not the good one any more: somebody has used it before, and the
    session is ended with that, and other processes are told of its user; GONE.
    """

    session_id: UUID
    replaces: bytes = field(repr=False)
    refresh_digest: bytes = field(repr=False)
    at_ms: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndUserSession:
    """End one login. Other processes are told of its user. Outcomes: DONE, GONE."""

    session_id: UUID
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateApiToken:
    """Make a token; the ``id`` in it is ignored.

    Other processes are told. Outcomes: DONE with its id, NAME_TAKEN (within the tenant), GONE (the tenant).
    """

    token: ApiToken
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateApiToken:
    """Replace what may change of a token: scopes, digest, enabled, expires_at_ms, details.

    Other processes are told, and its sessions end. Outcomes: DONE, GONE.
    """

    token: ApiToken
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteApiToken:
    """Revoke a token. Other processes are told, and its sessions end. Outcomes: DONE, GONE."""

    token_id: int
    audit: AuditEntry


@dataclass(frozen=True, slots=True)
class RecordTokenUse:
    """Record when a token was last used; an earlier moment than the recorded one changes nothing.

    Outcomes: DONE, GONE.
    """

    token_id: int
    at_ms: int
