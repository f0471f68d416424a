"""API tokens of the asker's tenant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from firstboot.errors import NotAllowed
from firstboot.model import ApiToken
from firstboot.scopes import check_within
from firstboot_plugins.admin.operation import Call, operation, tenant_admins
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import WHOLE, Sent, Told

TAG = "API tokens"
_PATH = "/api/firstboot/tokens"
_MAX_MOMENT_MS = 253_402_300_799_999  # the year 9999
_MAX_SCOPE_LENGTH = 600


class NewToken(Sent):
    """A token to make."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    scopes: Annotated[list[Annotated[str, Field(min_length=1, max_length=_MAX_SCOPE_LENGTH)]], Field(min_length=1)]
    """Such as `devices:read`, or with a topic filter `subscribe:meters/#`."""
    expires_at_ms: Annotated[int, Field(ge=0, le=_MAX_MOMENT_MS), WHOLE] | None = None
    """Null: it does not expire."""


class TokenTold(Told):
    """A token, without its secret."""

    id: UUID
    name: str
    enabled: bool
    """Whether it opens anything."""
    scopes: Sequence[str]
    created_by: str
    created_at_ms: int
    expires_at_ms: int | None
    last_used_at_ms: int | None


class MadeToken(TokenTold):
    """A token with its secret, which is shown this once."""

    token: str


class TokenList(Told):
    """All tokens of a tenant."""

    tokens: Sequence[TokenTold]


@operation("GET", _PATH, dialect=FIRSTBOOT, tag=TAG, access=tenant_admins("tokens:write"), answers=TokenList)
async def list_tokens(call: Call) -> TokenList:
    """List the tenant's API tokens."""
    tokens = await call.services.api_tokens.list(call.tenant_id)
    return TokenList(tokens=[TokenTold(**_fields(token)) for token in tokens])


@operation(
    "POST",
    _PATH,
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("tokens:write"),
    body=NewToken,
    answers=MadeToken,
    status=201,
)
async def create_token(call: Call) -> MadeToken:
    """Make an API token, which is shown this once.

    One that is made with another has no more scopes than it, and does not outlive it.
    """
    sent: NewToken = call.body
    until_ms = call.identity.until_ms
    if until_ms is not None and (sent.expires_at_ms is None or sent.expires_at_ms > until_ms):
        raise NotAllowed(f"A token cannot outlive the one that makes it: expiresAtMs is at most {until_ms}.")
    token, secret = await call.services.api_tokens.create(
        call.tenant_id,
        sent.name,
        sent.scopes,
        sent.expires_at_ms,
        within=call.identity.scopes,
        actor=call.actor,
    )
    return MadeToken(**_fields(token), token=secret.reveal())


@operation(
    "DELETE",
    f"{_PATH}/{{tokenId:uuid}}",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("tokens:write"),
    status=204,
)
async def revoke_token(call: Call) -> None:
    """Revoke an API token; whatever was opened with it ends. A token revokes none that may do more than it."""
    tokens = call.services.api_tokens
    token = await tokens.get(call.tenant_id, call.path["tokenId"])
    if call.identity.scopes is not None and not token.scopes:
        raise NotAllowed("Only its dialect knows what this token may do: a person has to revoke it.")
    check_within(token.scopes, call.identity.scopes)
    await tokens.revoke(token, actor=call.actor)


OPERATIONS = (list_tokens, create_token, revoke_token)


def _fields(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.public_id,
        "name": token.name,
        "enabled": token.enabled,
        "scopes": token.scopes,
        "created_by": token.created_by,
        "created_at_ms": token.created_at_ms,
        "expires_at_ms": token.expires_at_ms,
        "last_used_at_ms": token.last_used_at_ms,
    }
