"""Who the asker is, and his password."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from firstboot.secret import Secret
from firstboot_plugins.admin.operation import ANY_SCOPE, Call, everybody, operation
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Sent, Told

TAG = "Me"
_MAX_SECRET = 1024


class Me(Told):
    """A person or a program, as the server knows it."""

    kind: Literal["user", "api-token"]
    name: str
    """Such as `user:admin@example.com`; under it the audit log has what the asker does."""
    authority: Literal["SYS_ADMIN", "TENANT_ADMIN", "CUSTOMER_USER"]
    tenant_id: UUID | None
    user_id: UUID | None
    email: str | None
    must_change: bool
    """Whether the password is a first one that has to be changed."""
    scopes: Sequence[str] | None
    """Of an API token; null: no scopes bound what the asker may do."""


class PasswordChange(Sent):
    """The password that is, and the one that shall be."""

    current_password: Annotated[str, Field(min_length=1, max_length=_MAX_SECRET)]
    new_password: Annotated[str, Field(min_length=6, max_length=72)]


class Tokens(Told):
    """A new session in place of all that there were."""

    token: str
    refresh_token: str


@operation("GET", "/api/firstboot/me", dialect=FIRSTBOOT, tag=TAG, access=everybody(ANY_SCOPE), answers=Me)
async def me(call: Call) -> Me:
    """Show who asks, and what he may do."""
    identity = call.identity
    user = identity.user
    tenant = None
    if identity.tenant_id is not None:
        tenant = await call.services.tenants.get(identity.tenant_id)
    return Me(
        kind=identity.kind,
        name=identity.actor,
        authority=identity.authority.value,
        tenant_id=tenant.public_id if tenant else None,
        user_id=user.public_id if user else None,
        email=user.email if user else None,
        must_change=user.must_change if user else False,
        scopes=sorted(identity.scopes) if identity.scopes is not None else None,
    )


@operation(
    "POST",
    "/api/firstboot/me/password",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=everybody(None),
    body=PasswordChange,
    answers=Tokens,
)
async def change_password(call: Call) -> Tokens:
    """Change the asker's password: all of his sessions end, and a new one begins."""
    sent: PasswordChange = call.body
    tokens = await call.services.authentication.change_password(
        call.identity, Secret(sent.current_password), Secret(sent.new_password), call.origin.address
    )
    return Tokens(token=tokens.token.reveal(), refresh_token=tokens.refresh_token.reveal())


OPERATIONS = (me, change_password)
