"""What happens to a device after it was made, and to profiles: one write at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from firstboot.model import PROVISION_STATE, PROVISIONED, Attribute, DeviceProfile, Scope
from firstboot.storage import (
    ChangeKind,
    ConfirmDelivery,
    CreateProfile,
    DeleteDevice,
    DeleteProfile,
    HandOut,
    Outcome,
    RecordLogin,
    ReopenDevice,
    ReplaceCredentials,
    UpdateProfile,
    When,
    WriteResult,
)
from firstboot_plugins.storage_tortoise.creating import last_of_each
from firstboot_plugins.storage_tortoise.encoding import PROFILE_COLUMNS, profile_values, to_json
from firstboot_plugins.storage_tortoise.statements import Algorithm, Many, ManySql, Run


@dataclass(slots=True)
class Changes:
    """What other processes must be told of, gathered over a batch."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def tell(self, kind: ChangeKind, ref: int, at_ms: int) -> None:
        """Note one change."""
        self.rows.append((kind.value, ref, at_ms))


# -- many devices at once --------------------------------------------------------------------------

_FIND_DEVICES = ManySql("SELECT device.id FROM v JOIN device ON device.id = v.id", (("id", "bigint"),))
_MOMENTS = (("id", "bigint"), ("at_ms", "bigint"))
_SET_FIRST_LOGIN = ManySql(
    "UPDATE device SET first_login_at_ms = v.at_ms FROM v"
    " WHERE device.id = v.id AND device.first_login_at_ms IS NULL",
    _MOMENTS,
)
_SET_DELIVERED = ManySql(
    "UPDATE device SET delivered_at_ms = v.at_ms FROM v WHERE device.id = v.id",
    _MOMENTS,
)


def record_logins(writes: Sequence[RecordLogin]) -> Algorithm[list[WriteResult]]:
    """Set the first login of devices that had none."""
    first = {write.device_id: write.at_ms for write in reversed(writes)}
    yield Many(_SET_FIRST_LOGIN, list(first.items()))
    return (yield from _which_exist([write.device_id for write in writes]))


def confirm_deliveries(writes: Sequence[ConfirmDelivery]) -> Algorithm[list[WriteResult]]:
    """Set when devices confirmed their answers."""
    last = {write.device_id: write.at_ms for write in writes}
    yield Many(_SET_DELIVERED, list(last.items()))
    return (yield from _which_exist([write.device_id for write in writes]))


def _which_exist(device_ids: Sequence[int]) -> Algorithm[list[WriteResult]]:
    rows = yield Many(_FIND_DEVICES, [(id_,) for id_ in set(device_ids)])
    there = {row[0] for row in rows}
    return [WriteResult(Outcome.DONE if id_ in there else Outcome.DEVICE_GONE) for id_ in device_ids]


# -- one device ------------------------------------------------------------------------------------

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
_SET_ATTRIBUTE = (
    "INSERT INTO attribute (device_id, scope, key, value, updated_at_ms) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (device_id, scope, key)"
    " DO UPDATE SET value = excluded.value, updated_at_ms = excluded.updated_at_ms"
)
_DELETE_ATTRIBUTE = "DELETE FROM attribute WHERE device_id = ? AND scope = ? AND key = ?"
_DELETE_EXPIRED = "DELETE FROM credentials WHERE device_id = ? AND valid_until_ms <= ?"
_INSERT_CREDENTIALS = "INSERT INTO credentials (device_id, type, digest, sealed) VALUES (?, ?, ?, ?)"

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
        # The device's own expired ones are about to be removed.
        if owner != device_id or valid_until_ms is None or valid_until_ms > write.at_ms:
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
        yield from _set_attributes(device_id, write.attributes, write.at_ms)
    changes.tell(ChangeKind.CREDENTIALS, device_id, write.at_ms)
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
    yield from _set_attributes(write.device_id, (*write.attributes, state), write.at_ms)


def _set_attributes(device_id: int, attributes: Sequence[Attribute], at_ms: int) -> Algorithm[None]:
    for each in last_of_each(attributes):
        yield Run(_SET_ATTRIBUTE, (device_id, int(each.scope), each.key, to_json(each.value), at_ms))


def reopen_device(write: ReopenDevice, changes: Changes) -> Algorithm[WriteResult]:
    """Let a device be provisioned once more."""
    rows = yield Run(
        "UPDATE device SET reopened_at_ms = ? WHERE id = ? RETURNING id", (write.at_ms, write.device_id)
    )
    if not rows:
        return WriteResult(Outcome.DEVICE_GONE)
    yield Run(_DELETE_EXPIRED, (write.device_id, write.at_ms))
    yield Run(_DELETE_ATTRIBUTE, (write.device_id, *_STATE_KEY))
    return _DONE


def delete_device(write: DeleteDevice, changes: Changes) -> Algorithm[WriteResult]:
    """Delete a device; its credentials and attributes go by their foreign keys."""
    rows = yield Run("DELETE FROM device WHERE id = ? RETURNING profile_id", (write.device_id,))
    if not rows:
        return WriteResult(Outcome.DEVICE_GONE)
    yield Run("UPDATE profile_usage SET devices = devices - 1 WHERE profile_id = ?", (rows[0][0],))
    changes.tell(ChangeKind.DEVICE_DELETED, write.device_id, write.audit.at_ms)
    return _DONE


# -- profiles --------------------------------------------------------------------------------------

_INSERT_PROFILE = (
    f"INSERT INTO device_profile ({', '.join(PROFILE_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join('?' for _ in PROFILE_COLUMNS)}) RETURNING id"
)
_UPDATE_PROFILE = (
    f"UPDATE device_profile SET {', '.join(f'{name} = ?' for name in PROFILE_COLUMNS)}"  # noqa: S608
    " WHERE id = ?"
)


def create_profile(write: CreateProfile, changes: Changes) -> Algorithm[WriteResult]:
    """Make a profile, with a count of its devices."""
    obstacle = yield from _profile_obstacle(write.profile, own_id=0)
    if obstacle:
        return WriteResult(obstacle)
    rows = yield Run(_INSERT_PROFILE, profile_values(write.profile))
    profile_id = rows[0][0]
    yield Run("INSERT INTO profile_usage (profile_id, devices) VALUES (?, 0)", (profile_id,))
    changes.tell(ChangeKind.PROFILE, profile_id, write.audit.at_ms)
    return WriteResult(Outcome.DONE, profile_id)


def update_profile(write: UpdateProfile, changes: Changes) -> Algorithm[WriteResult]:
    """Replace a profile."""
    rows = yield Run("SELECT id FROM device_profile WHERE id = ?", (write.profile.id,))
    if not rows:
        return WriteResult(Outcome.PROFILE_GONE)
    obstacle = yield from _profile_obstacle(write.profile, own_id=write.profile.id)
    if obstacle:
        return WriteResult(obstacle)
    yield Run(_UPDATE_PROFILE, (*profile_values(write.profile), write.profile.id))
    changes.tell(ChangeKind.PROFILE, write.profile.id, write.audit.at_ms)
    return _DONE


def delete_profile(write: DeleteProfile, changes: Changes) -> Algorithm[WriteResult]:
    """Delete a profile that has no devices."""
    rows = yield Run("SELECT devices FROM profile_usage WHERE profile_id = ?", (write.profile_id,))
    if not rows:
        return WriteResult(Outcome.PROFILE_GONE)
    if rows[0][0]:
        return WriteResult(Outcome.IN_USE)
    yield Run("DELETE FROM device_profile WHERE id = ?", (write.profile_id,))
    changes.tell(ChangeKind.PROFILE, write.profile_id, write.audit.at_ms)
    return _DONE


def _profile_obstacle(profile: DeviceProfile, own_id: int) -> Algorithm[Outcome | None]:
    rows = yield Run(
        "SELECT id FROM device_profile WHERE tenant_id = ? AND name = ? AND id <> ?",
        (profile.tenant_id, profile.name, own_id),
    )
    if rows:
        return Outcome.NAME_TAKEN
    if profile.provision_key is None:
        return None
    rows = yield Run(
        "SELECT id FROM device_profile WHERE provision_key = ? AND id <> ?", (profile.provision_key, own_id)
    )
    return Outcome.KEY_TAKEN if rows else None


SINGLE: dict[type, Callable[[Any, Changes], Algorithm[WriteResult]]] = {
    HandOut: hand_out,
    ReplaceCredentials: replace_credentials,
    ReopenDevice: reopen_device,
    DeleteDevice: delete_device,
    CreateProfile: create_profile,
    UpdateProfile: update_profile,
    DeleteProfile: delete_profile,
}
