"""What happens to a device after it was made: one write at a time."""

from __future__ import annotations

from firstboot.model import PROVISION_STATE, PROVISIONED, Attribute, Scope
from firstboot.storage import (
    ChangeKind,
    DeleteDevice,
    EndCredentials,
    HandOut,
    Outcome,
    ReopenDevice,
    ReplaceCredentials,
    UpdateDevice,
    When,
    WriteResult,
)
from firstboot_plugins.storage_tortoise.attribute_rows import delete_attribute, set_attributes
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.encoding import optional_json
from firstboot_plugins.storage_tortoise.pool_changes import leave_pool, rename_member
from firstboot_plugins.storage_tortoise.revoking import revoke
from firstboot_plugins.storage_tortoise.statements import Algorithm, Run, updating

_STATE = (
    "SELECT device.first_login_at_ms, device.delivered_at_ms, device.reopened_at_ms, attribute.value"
    " FROM device LEFT JOIN attribute"
    " ON attribute.device_id = device.id AND attribute.scope = ? AND attribute.key = ?"
    " WHERE device.id = ?"
)
_SET_PROVISIONED = (
    "UPDATE device SET provisioned_at_ms = ?, request_digest = ?, delivered_at_ms = NULL, reopened_at_ms = NULL"
    " WHERE id = ?"
)
_DELETE_EXPIRED = "DELETE FROM credentials WHERE device_id = ? AND valid_until_ms <= ?"
_END_FORMER = "DELETE FROM credentials WHERE device_id = ? AND digest = ? AND valid_until_ms IS NOT NULL"
_INSERT_CREDENTIALS = "INSERT INTO credentials (device_id, type, digest, sealed) VALUES (?, ?, ?, ?)"
_COUNT = "UPDATE profile_usage SET devices = devices + ? WHERE profile_id = ?"
_UPDATE = updating(
    "device",
    ("name", "profile_id", "gateway_id", "enabled", "label", "additional_info", "details", "hardware_id"),
)

_DONE = WriteResult(Outcome.DONE)
_STATE_KEY = (int(Scope.SERVER), PROVISION_STATE)


def hand_out(write: HandOut, changes: Changes) -> Algorithm[WriteResult]:
    """Record that a device was given the credentials that it has."""
    obstacle = yield from _state_obstacle(write)
    if obstacle:
        return WriteResult(obstacle)
    yield Run(_DELETE_EXPIRED, (write.device_id, write.at_ms))
    yield from _provision(write)
    return _DONE


def replace_credentials(write: ReplaceCredentials, changes: Changes) -> Algorithm[WriteResult]:
    """Give a device other credentials."""
    device_id, new = write.device_id, write.credentials
    obstacle = yield from _state_obstacle(write)
    if obstacle:
        return WriteResult(obstacle)
    rows = yield Run(
        "SELECT id FROM credentials WHERE digest = ? AND device_id = ? AND valid_until_ms IS NULL",
        (write.replaces, device_id),
    )
    if not rows:
        return WriteResult(Outcome.STALE)
    old_id = rows[0][0]
    rows = yield Run("SELECT device_id, valid_until_ms FROM credentials WHERE digest = ?", (new.digest,))
    for owner, valid_until_ms in rows:
        # The device's own that end are about to be removed, so that a password may change under one user name.
        ends = write.keep_old_until_ms is None or (valid_until_ms is not None and valid_until_ms <= write.at_ms)
        if owner != device_id or not ends:
            return WriteResult(Outcome.CREDENTIALS_IN_USE)
    if write.keep_old_until_ms is None:
        # Older ones in their grace period too: whoever ends credentials at once means all of them.
        yield Run("DELETE FROM credentials WHERE device_id = ?", (device_id,))
    else:
        yield Run("UPDATE credentials SET valid_until_ms = ? WHERE id = ?", (write.keep_old_until_ms, old_id))
    yield Run(_DELETE_EXPIRED, (device_id, write.at_ms))
    yield Run(_INSERT_CREDENTIALS, (device_id, new.type, new.digest, new.sealed))
    if write.provisioned:
        yield from _provision(write)
    else:
        yield from set_attributes(device_id, write.attributes, write.at_ms)
    yield from revoke(write.revokes)
    changes.tell(ChangeKind.CREDENTIALS, device_id, write.at_ms)
    return _DONE


def end_credentials(write: EndCredentials, changes: Changes) -> Algorithm[WriteResult]:
    """Void credentials that a device had before."""
    if not (yield Run("SELECT 1 FROM device WHERE id = ?", (write.device_id,))):
        return WriteResult(Outcome.DEVICE_GONE)
    for digest in write.digests:
        yield Run(_END_FORMER, (write.device_id, digest))
    yield from revoke(write.revokes)
    return _DONE


def _state_obstacle(write: HandOut | ReplaceCredentials) -> Algorithm[Outcome | None]:
    rows = yield Run(_STATE, (*_STATE_KEY, write.device_id))
    if not rows:
        return Outcome.DEVICE_GONE
    first_login_at_ms, delivered_at_ms, reopened_at_ms, provision_state = rows[0]
    allowed = {
        When.NOT_PROVISIONED: provision_state is None or reopened_at_ms is not None,
        When.NEVER_USED: first_login_at_ms is None and delivered_at_ms is None,
        When.REOPENED: reopened_at_ms is not None,
        When.ALWAYS: True,
    }
    return None if allowed[write.when] else Outcome.STALE


def _provision(write: HandOut | ReplaceCredentials) -> Algorithm[None]:
    yield Run(_SET_PROVISIONED, (write.at_ms, write.request_digest, write.device_id))
    state = Attribute(Scope.SERVER, PROVISION_STATE, PROVISIONED)
    yield from set_attributes(write.device_id, (*write.attributes, state), write.at_ms)


def reopen_device(write: ReopenDevice, changes: Changes) -> Algorithm[WriteResult]:
    """Let a device be provisioned once more."""
    reopened = yield from reopen(write.device_id, write.at_ms)
    return _DONE if reopened else WriteResult(Outcome.DEVICE_GONE)


def reopen(device_id: int, at_ms: int) -> Algorithm[bool]:
    """Let a device be provisioned once more, if it is there."""
    rows = yield Run("UPDATE device SET reopened_at_ms = ? WHERE id = ? RETURNING id", (at_ms, device_id))
    yield Run(_DELETE_EXPIRED, (device_id, at_ms))
    yield from delete_attribute(device_id, Scope.SERVER, PROVISION_STATE)
    return bool(rows)


def delete_device(write: DeleteDevice, changes: Changes) -> Algorithm[WriteResult]:
    """Delete a device; its credentials and attributes go by their foreign keys."""
    rows = yield Run("DELETE FROM device WHERE id = ? RETURNING profile_id", (write.device_id,))
    if not rows:
        return WriteResult(Outcome.DEVICE_GONE)
    yield Run(_COUNT, (-1, rows[0][0]))
    yield from revoke(write.revokes)
    changes.tell(ChangeKind.DEVICE_DELETED, write.device_id, write.audit.at_ms)
    return _DONE


def update_device(write: UpdateDevice, changes: Changes) -> Algorithm[WriteResult]:
    """Replace what administrators may change of a device."""
    device = write.device
    rows = yield Run(
        "SELECT version, enabled, profile_id, name FROM device WHERE id = ? AND tenant_id = ?",
        (device.id, device.tenant_id),
    )
    if not rows:
        return WriteResult(Outcome.DEVICE_GONE)
    version, was_enabled, old_profile_id, old_name = rows[0]
    if write.expected_version not in (None, version):
        return WriteResult(Outcome.STALE)
    obstacle = yield from _update_obstacle(write, moves=device.profile_id != old_profile_id)
    if obstacle:
        return WriteResult(obstacle)
    info, details = optional_json(device.additional_info), optional_json(device.details)
    rows = yield Run(
        _UPDATE,
        (
            device.name, device.profile_id, device.gateway_id, int(device.enabled), device.label, info, details,
            device.hardware_id, device.id,
        ),
    )  # fmt: skip
    if device.profile_id != old_profile_id:
        yield Run(_COUNT, (-1, old_profile_id))
        yield Run(_COUNT, (1, device.profile_id))
        yield from leave_pool(device.id)
    elif device.name != old_name:
        yield from rename_member(device.id, device.name)
    if was_enabled and not device.enabled:
        changes.tell(ChangeKind.DEVICE_DISABLED, device.id, write.audit.at_ms)
    return WriteResult(Outcome.DONE, version=rows[0][0])


def _update_obstacle(write: UpdateDevice, *, moves: bool) -> Algorithm[Outcome | None]:
    device = write.device
    rows = yield Run(
        "SELECT id FROM device WHERE tenant_id = ? AND name = ? AND id <> ?",
        (device.tenant_id, device.name, device.id),
    )
    if rows:
        return Outcome.NAME_TAKEN
    if device.gateway_id is not None:
        rows = yield Run(
            "SELECT id FROM device WHERE id = ? AND tenant_id = ?", (device.gateway_id, device.tenant_id)
        )
        if not rows:
            return Outcome.DEVICE_GONE
    if not moves:
        return None
    rows = yield Run(
        "SELECT profile_usage.devices FROM device_profile JOIN profile_usage"
        " ON profile_usage.profile_id = device_profile.id"
        " WHERE device_profile.id = ? AND device_profile.tenant_id = ?",
        (device.profile_id, device.tenant_id),
    )
    if not rows:
        return Outcome.PROFILE_GONE
    if write.max_devices is not None and rows[0][0] >= write.max_devices:
        return Outcome.DEVICE_LIMIT
    return None
