"""Device profiles are made, replaced and deleted."""

from __future__ import annotations

from firstboot.model import DeviceProfile
from firstboot.storage import ChangeKind, CreateProfile, DeleteProfile, Outcome, UpdateProfile, WriteResult
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.encoding import PROFILE_COLUMNS, profile_values
from firstboot_plugins.storage_tortoise.statements import Algorithm, Run, inserting, updating

_INSERT = inserting("device_profile", PROFILE_COLUMNS)
_UPDATE = updating("device_profile", PROFILE_COLUMNS)


def create_profile(write: CreateProfile, changes: Changes) -> Algorithm[WriteResult]:
    """Make a profile, with a count of its devices."""
    obstacle = yield from _obstacle(write.profile, own_id=0)
    if obstacle:
        return WriteResult(obstacle)
    rows = yield Run(_INSERT, profile_values(write.profile))
    profile_id = rows[0][0]
    yield Run("INSERT INTO profile_usage (profile_id, devices) VALUES (?, 0)", (profile_id,))
    changes.tell(ChangeKind.PROFILE, profile_id, write.audit.at_ms)
    return WriteResult(Outcome.DONE, profile_id)


def update_profile(write: UpdateProfile, changes: Changes) -> Algorithm[WriteResult]:
    """Replace a profile."""
    profile = write.profile
    rows = yield Run(
        "SELECT version FROM device_profile WHERE id = ? AND tenant_id = ?", (profile.id, profile.tenant_id)
    )
    if not rows:
        return WriteResult(Outcome.PROFILE_GONE)
    if write.expected_version not in (None, rows[0][0]):
        return WriteResult(Outcome.STALE)
    obstacle = yield from _obstacle(profile, own_id=profile.id)
    if obstacle:
        return WriteResult(obstacle)
    rows = yield Run(_UPDATE, (*profile_values(profile), profile.id))
    changes.tell(ChangeKind.PROFILE, profile.id, write.audit.at_ms)
    return WriteResult(Outcome.DONE, version=rows[0][0])


def delete_profile(write: DeleteProfile, changes: Changes) -> Algorithm[WriteResult]:
    """Delete a profile that has no devices."""
    rows = yield Run("SELECT devices FROM profile_usage WHERE profile_id = ?", (write.profile_id,))
    if not rows:
        return WriteResult(Outcome.PROFILE_GONE)
    if rows[0][0]:
        return WriteResult(Outcome.IN_USE)
    yield Run("DELETE FROM device_profile WHERE id = ?", (write.profile_id,))
    changes.tell(ChangeKind.PROFILE, write.profile_id, write.audit.at_ms)
    return WriteResult(Outcome.DONE)


def _obstacle(profile: DeviceProfile, own_id: int) -> Algorithm[Outcome | None]:
    rows = yield Run(
        "SELECT id FROM device_profile WHERE tenant_id = ? AND name = ? AND id <> ?",
        (profile.tenant_id, profile.name, own_id),
    )
    if rows:
        return Outcome.NAME_TAKEN
    if profile.is_default:
        rows = yield Run(
            "SELECT id FROM device_profile WHERE tenant_id = ? AND is_default = 1 AND id <> ?",
            (profile.tenant_id, own_id),
        )
        if rows:
            return Outcome.DEFAULT_TAKEN
    if profile.provision_key is None:
        return None
    rows = yield Run(
        "SELECT id FROM device_profile WHERE provision_key = ? AND id <> ?", (profile.provision_key, own_id)
    )
    return Outcome.KEY_TAKEN if rows else None
