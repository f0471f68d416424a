"""Who is asking over REST: a person, or a program with an API token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from firstboot.model import ApiToken, Authority, User, UserSession
from firstboot.sessions import Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody who has proven who he is, with the rights that he has at this moment."""

    kind: Literal["user", "api-token"]
    actor: str
    """For the audit log: ``user:<e-mail>`` or ``api-token:<name>``."""
    owner: Owner
    """On what live sessions of his depend."""
    authority: Authority
    """An API token counts as a tenant administrator whom its scopes limit."""
    tenant_id: int | None
    """None: a `Authority.SYS_ADMIN`."""
    customer_id: int | None
    user: User | None
    session: UserSession | None
    scopes: frozenset[str] | None
    """None: a person, who may do everything that the authority allows."""
    until_ms: int | None = None
    """When the API token expires; None: it does not, or it is a person."""

    def may(self, scope: str) -> bool:
        """Say whether the scopes allow this; what the authority allows is another question."""
        return self.scopes is None or scope in self.scopes


def identity_of_user(user: User, session: UserSession) -> Identity:
    """Return the identity of a person who is logged in."""
    return Identity(
        kind="user",
        actor=f"user:{user.email}",
        owner=Owner("user", user.id),
        authority=user.authority,
        tenant_id=user.tenant_id,
        customer_id=user.customer_id,
        user=user,
        session=session,
        scopes=None,
    )


def identity_of_token(token: ApiToken) -> Identity:
    """Return the identity of a program."""
    return Identity(
        kind="api-token",
        actor=f"api-token:{token.name}",
        owner=Owner("api-token", token.id),
        authority=Authority.TENANT_ADMIN,
        tenant_id=token.tenant_id,
        customer_id=None,
        user=None,
        session=None,
        scopes=frozenset(token.scopes),
        until_ms=token.expires_at_ms,
    )
