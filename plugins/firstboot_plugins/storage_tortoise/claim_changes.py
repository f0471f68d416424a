"""Claim windows are opened and closed, and devices get other owners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from firstboot.model import CLAIMING_ALLOWED, CLAIMING_DATA, ClaimOpener, Scope
from firstboot.storage import (
    AnyOwner,
    AttributeChange,
    ChangeKind,
    ChangeOwner,
    CloseClaimWindows,
    CreateCustomer,
    CreateUser,
    NewClaimWindow,
    OpenClaimWindow,
    Outcome,
    SignUp,
    WriteResult,
)
from firstboot_plugins.storage_tortoise.attribute_rows import delete_attribute, set_attributes
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.customer_changes import create_customer
from firstboot_plugins.storage_tortoise.statements import Algorithm, Many, ManySql, Run
from firstboot_plugins.storage_tortoise.user_changes import create_user

_COLUMNS = (
    ("device_id", "bigint"), ("opened_by", "text"), ("secret_digest", "bytea"), ("expires_at_ms", "bigint"),
    ("opened_at_ms", "bigint"), ("weak", "smallint"),
)  # fmt: skip
_NAMES = ", ".join(name for name, _ in _COLUMNS)
# Without a digest the window keeps that of the one that it replaces, and what is known of its secret.
_OPEN = ManySql(
    f"INSERT INTO claim_window ({_NAMES}) SELECT * FROM v WHERE true"  # noqa: S608
    " ON CONFLICT (device_id, opened_by) DO UPDATE SET"
    " weak = CASE WHEN excluded.secret_digest IS NULL THEN claim_window.weak ELSE excluded.weak END,"
    " secret_digest = coalesce(excluded.secret_digest, claim_window.secret_digest),"
    " expires_at_ms = excluded.expires_at_ms, opened_at_ms = excluded.opened_at_ms",
    _COLUMNS,
)
CLOSE_WINDOW = "DELETE FROM claim_window WHERE device_id = ? AND opened_by = ?"
_OWNER = "SELECT tenant_id, customer_id, gateway_id FROM device WHERE id = ?"
_DONE = WriteResult(Outcome.DONE)
_GONE = WriteResult(Outcome.DEVICE_GONE)
_STALE = WriteResult(Outcome.STALE)


def open_window(write: OpenClaimWindow, changes: Changes) -> Algorithm[WriteResult]:
    """Open a claim window, in place of the last one of the same opener."""
    window = write.window
    rows = yield Run(_OWNER, (window.device_id,))
    if not rows:
        return _GONE
    if rows[0][1] != write.owner_id:
        return _STALE
    row = (
        window.device_id, window.opened_by.value, window.secret_digest, window.expires_at_ms, window.opened_at_ms,
        int(window.weak),
    )  # fmt: skip
    yield Run(CLOSE_WINDOW, (window.device_id, window.opened_by.value))
    yield Many(_OPEN, [row])
    return _DONE


def open_for_administrator(windows: Sequence[tuple[int, int, NewClaimWindow]]) -> Algorithm[None]:
    """Open windows (device, moment, window) that an administrator's other writes bring along."""
    opener = ClaimOpener.ADMINISTRATOR.value
    rows: dict[int, tuple[int, str, bytes | None, int, int, int]] = {}
    for device_id, at_ms, new in windows:
        secret_digest, weak = new.secret_digest, int(new.weak)
        if secret_digest is None and device_id in rows:  # it keeps what one before it in this batch has brought
            _, _, secret_digest, _, _, weak = rows[device_id]
        rows[device_id] = (device_id, opener, secret_digest, new.expires_at_ms, at_ms, weak)
    yield Many(_OPEN, list(rows.values()))


def close_windows(write: CloseClaimWindows, changes: Changes) -> Algorithm[WriteResult]:
    """Close claim windows of a device."""
    rows = yield Run(_OWNER, (write.device_id,))
    if not rows:
        return _GONE
    for opener in write.opened_by:
        yield Run(CLOSE_WINDOW, (write.device_id, opener.value))
        if opener is ClaimOpener.ADMINISTRATOR:
            yield from delete_attribute(write.device_id, Scope.SERVER, CLAIMING_DATA)
    if write.permission:
        yield from delete_attribute(write.device_id, Scope.SERVER, CLAIMING_ALLOWED)
    return _DONE


def change_owner(write: ChangeOwner, changes: Changes) -> Algorithm[WriteResult]:
    """Give a device to a customer or to none, and those that follow it."""
    obstacle = yield from _obstacle(write)
    if obstacle:
        return WriteResult(obstacle)
    version = yield from _give(write.device_id, write, changes)
    for follower in write.followers:
        yield from _give(follower.device_id, write, changes)
    return WriteResult(Outcome.DONE, version=version)


def _obstacle(write: ChangeOwner) -> Algorithm[Outcome | None]:
    rows = yield Run(_OWNER, (write.device_id,))
    if not rows:
        return Outcome.DEVICE_GONE
    tenant_id, owner_id, _ = rows[0]
    if not isinstance(write.expected, AnyOwner) and owner_id != write.expected:
        return Outcome.STALE
    if write.customer_id is not None:
        rows = yield Run("SELECT id FROM customer WHERE id = ? AND tenant_id = ?", (write.customer_id, tenant_id))
        if not rows:
            return Outcome.CUSTOMER_GONE
    if write.window_digest is not None:
        rows = yield Run(
            "SELECT opened_by FROM claim_window WHERE device_id = ? AND secret_digest = ? AND expires_at_ms >= ?",
            (write.device_id, write.window_digest, write.at_ms),
        )
        if not rows:
            return Outcome.STALE
    for follower in write.followers:
        rows = yield Run(_OWNER, (follower.device_id,))
        if not rows or (rows[0][1], rows[0][2]) != (owner_id, write.device_id):
            return Outcome.STALE
    return None


def _give(device_id: int, write: ChangeOwner, changes: Changes) -> Algorithm[int]:
    rows = yield Run(
        "UPDATE device SET customer_id = ?, version = version + 1 WHERE id = ? RETURNING version",
        (write.customer_id, device_id),
    )
    yield Run("DELETE FROM claim_window WHERE device_id = ?", (device_id,))
    for key in (CLAIMING_DATA, CLAIMING_ALLOWED):
        yield from delete_attribute(device_id, Scope.SERVER, key)
    yield from set_attributes(device_id, write.attributes, write.at_ms)
    shared = tuple(each.key for each in write.attributes if each.scope is Scope.SHARED)
    if shared:
        changes.tell(ChangeKind.ATTRIBUTES, device_id, write.at_ms, AttributeChange(updated=shared).to_json())
    version: int = rows[0][0]
    return version


def sign_up(write: SignUp, changes: Changes) -> Algorithm[WriteResult]:
    """Make a customer with its first user, who claims a device: all of it or nothing."""
    told = len(changes.rows)
    yield Run("SAVEPOINT sign_up")
    result = yield from _sign_up(write, changes)
    if result.outcome is not Outcome.DONE:
        yield Run("ROLLBACK TO SAVEPOINT sign_up")
        del changes.rows[told:]
    yield Run("RELEASE SAVEPOINT sign_up")
    return result


def _sign_up(write: SignUp, changes: Changes) -> Algorithm[WriteResult]:
    customer = yield from create_customer(
        CreateCustomer(customer=write.customer, audit=write.customer_audit), changes
    )
    if customer.outcome is not Outcome.DONE:
        return customer
    new_user = replace(write.user, customer_id=customer.id)
    user = yield from create_user(CreateUser(user=new_user, audit=write.user_audit), changes)
    if user.outcome is not Outcome.DONE:
        return user
    claimed = yield from change_owner(replace(write.claim, customer_id=customer.id), changes)
    return replace(claimed, id=user.id) if claimed.outcome is Outcome.DONE else claimed
