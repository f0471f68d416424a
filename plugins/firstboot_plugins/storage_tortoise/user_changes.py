"""Users are made, replaced and deleted, and log in and out."""

from __future__ import annotations

from firstboot.model import User
from firstboot.storage import (
    MAX_USER_SESSIONS,
    ChangeKind,
    CreateUser,
    DeleteUser,
    EndUserSession,
    OpenUserSession,
    Outcome,
    RenewUserSession,
    UpdateUser,
    WriteResult,
)
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.people_columns import USER_CHANGEABLE, USER_COLUMNS, user_values
from firstboot_plugins.storage_tortoise.statements import Algorithm, Run, inserting, updating

_INSERT = inserting("app_user", USER_COLUMNS[1:])
_UPDATE = updating("app_user", USER_CHANGEABLE)
_END_OLDEST = (
    "DELETE FROM user_session WHERE public_id IN (SELECT public_id FROM user_session WHERE user_id = ?"
    " ORDER BY created_at_ms DESC, public_id LIMIT 1000 OFFSET ?)"
)
_END_SESSION = "DELETE FROM user_session WHERE public_id = ? RETURNING user_id"

_DONE = WriteResult(Outcome.DONE)
_GONE = WriteResult(Outcome.GONE)


def create_user(write: CreateUser, changes: Changes) -> Algorithm[WriteResult]:
    """Make a user."""
    user = write.user
    if user.tenant_id is not None:
        rows = yield Run("SELECT id FROM tenant WHERE id = ?", (user.tenant_id,))
        if not rows:
            return _GONE
    obstacle = yield from _obstacle(user, own_id=0)
    if obstacle:
        return WriteResult(obstacle)
    rows = yield Run(_INSERT, (user.public_id.bytes, user.tenant_id, *user_values(user), 1, user.created_at_ms))
    return WriteResult(Outcome.DONE, rows[0][0])


def update_user(write: UpdateUser, changes: Changes) -> Algorithm[WriteResult]:
    """Replace a user."""
    user = write.user
    rows = yield Run("SELECT tenant_id, version FROM app_user WHERE id = ?", (user.id,))
    if not rows or rows[0][0] != user.tenant_id:
        return _GONE
    if write.expected_version not in (None, rows[0][1]):
        return WriteResult(Outcome.STALE)
    obstacle = yield from _obstacle(user, own_id=user.id)
    if obstacle:
        return WriteResult(obstacle)
    rows = yield Run(_UPDATE, (*user_values(user), user.id))
    if write.end_sessions:
        yield Run("DELETE FROM user_session WHERE user_id = ?", (user.id,))
    changes.tell(ChangeKind.USER, user.id, write.audit.at_ms)
    return WriteResult(Outcome.DONE, version=rows[0][0])


def _obstacle(user: User, own_id: int) -> Algorithm[Outcome | None]:
    rows = yield Run("SELECT id FROM app_user WHERE email = ? AND id <> ?", (user.email, own_id))
    if rows:
        return Outcome.NAME_TAKEN
    if user.customer_id is None:
        return None
    rows = yield Run("SELECT tenant_id FROM customer WHERE id = ?", (user.customer_id,))
    return None if rows and rows[0][0] == user.tenant_id else Outcome.CUSTOMER_GONE


def delete_user(write: DeleteUser, changes: Changes) -> Algorithm[WriteResult]:
    """Delete a user; all logins go by their foreign key."""
    rows = yield Run("DELETE FROM app_user WHERE id = ? RETURNING id", (write.user_id,))
    if not rows:
        return _GONE
    changes.tell(ChangeKind.USER, write.user_id, write.audit.at_ms)
    return _DONE


def open_session(write: OpenUserSession, changes: Changes) -> Algorithm[WriteResult]:
    """Record a login."""
    session = write.session
    rows = yield Run("SELECT id FROM app_user WHERE id = ?", (session.user_id,))
    if not rows:
        return _GONE
    yield Run("DELETE FROM user_session WHERE expires_at_ms <= ?", (session.created_at_ms,))
    yield Run(_END_OLDEST, (session.user_id, MAX_USER_SESSIONS - 1))
    yield Run(
        "INSERT INTO user_session (public_id, user_id, refresh_digest, created_at_ms, expires_at_ms)"
        " VALUES (?, ?, ?, ?, ?)",
        (
            session.public_id.bytes, session.user_id, session.refresh_digest, session.created_at_ms,
            session.expires_at_ms,
        ),
    )  # fmt: skip
    return _DONE


def renew_session(write: RenewUserSession, changes: Changes) -> Algorithm[WriteResult]:
    """Exchange a refresh token for another; one that was used before ends the session."""
    session_id = write.session_id.bytes
    rows = yield Run("SELECT refresh_digest FROM user_session WHERE public_id = ?", (session_id,))
    if not rows:
        return _GONE
    if bytes(rows[0][0]) != write.replaces:
        yield from _end_session(session_id, write.at_ms, changes)
        return WriteResult(Outcome.STALE)
    yield Run(
        "UPDATE user_session SET refresh_digest = ?, expires_at_ms = ? WHERE public_id = ?",
        (write.refresh_digest, write.expires_at_ms, session_id),
    )
    return _DONE


def end_session(write: EndUserSession, changes: Changes) -> Algorithm[WriteResult]:
    """End one login."""
    ended = yield from _end_session(write.session_id.bytes, write.audit.at_ms, changes)
    return _DONE if ended else _GONE


def _end_session(session_id: bytes, at_ms: int, changes: Changes) -> Algorithm[bool]:
    rows = yield Run(_END_SESSION, (session_id,))
    for (user_id,) in rows:
        changes.tell(ChangeKind.USER, user_id, at_ms)
    return bool(rows)
