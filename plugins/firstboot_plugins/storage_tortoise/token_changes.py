"""API tokens are made, changed and revoked."""

from __future__ import annotations

from firstboot.storage import (
    TOKEN_CREATED,
    ChangeKind,
    CreateApiToken,
    DeleteApiToken,
    Outcome,
    UpdateApiToken,
    WriteResult,
)
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.encoding import to_json
from firstboot_plugins.storage_tortoise.people_columns import TOKEN_COLUMNS
from firstboot_plugins.storage_tortoise.statements import Algorithm, Run, inserting

_INSERT = inserting("api_token", TOKEN_COLUMNS[1:])
_UPDATE = (
    "UPDATE api_token SET scopes = ?, digest = ?, enabled = ?, expires_at_ms = ?, details = ?"
    " WHERE id = ? AND tenant_id = ? RETURNING id"
)


def create_token(write: CreateApiToken, changes: Changes) -> Algorithm[WriteResult]:
    """Make a token of a tenant."""
    token = write.token
    rows = yield Run("SELECT id FROM tenant WHERE id = ?", (token.tenant_id,))
    if not rows:
        return WriteResult(Outcome.GONE)
    rows = yield Run("SELECT id FROM api_token WHERE tenant_id = ? AND name = ?", (token.tenant_id, token.name))
    if rows:
        return WriteResult(Outcome.NAME_TAKEN)
    rows = yield Run(
        _INSERT,
        (
            token.public_id.bytes, token.tenant_id, token.name, to_json(list(token.scopes)), token.digest,
            token.created_by, token.created_at_ms, token.expires_at_ms, token.last_used_at_ms, int(token.enabled),
            to_json(dict(token.details)),
        ),
    )  # fmt: skip
    changes.tell(ChangeKind.API_TOKEN, rows[0][0], write.audit.at_ms, TOKEN_CREATED)
    return WriteResult(Outcome.DONE, rows[0][0])


def update_token(write: UpdateApiToken, changes: Changes) -> Algorithm[WriteResult]:
    """Replace what may change of a token."""
    token = write.token
    rows = yield Run(
        _UPDATE,
        (
            to_json(list(token.scopes)), token.digest, int(token.enabled), token.expires_at_ms,
            to_json(dict(token.details)), token.id, token.tenant_id,
        ),
    )  # fmt: skip
    if not rows:
        return WriteResult(Outcome.GONE)
    changes.tell(ChangeKind.API_TOKEN, token.id, write.audit.at_ms)
    return WriteResult(Outcome.DONE)


def delete_token(write: DeleteApiToken, changes: Changes) -> Algorithm[WriteResult]:
    """Revoke a token."""
    rows = yield Run("DELETE FROM api_token WHERE id = ? RETURNING id", (write.token_id,))
    if not rows:
        return WriteResult(Outcome.GONE)
    changes.tell(ChangeKind.API_TOKEN, write.token_id, write.audit.at_ms)
    return WriteResult(Outcome.DONE)
