"""Writes that make, replace and delete device profiles."""

from __future__ import annotations

from dataclasses import dataclass

from firstboot.model import DeviceProfile
from firstboot.storage.audit import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateProfile:
    """Make a device profile; ``id`` and ``version`` in it are ignored. Other processes are told.

    Outcomes: DONE with its id, NAME_TAKEN, KEY_TAKEN, DEFAULT_TAKEN.
    """

    profile: DeviceProfile
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateProfile:
    """Replace a device profile, but for its tenant; its ``version`` is counted up. Other processes are told.

    Outcomes: DONE with the new version, NAME_TAKEN, KEY_TAKEN, PROFILE_GONE (also of another tenant),
    DEFAULT_TAKEN, STALE.
    """

    profile: DeviceProfile
    expected_version: int | None = None
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteProfile:
    """Delete a profile without devices. Other processes are told. Outcomes: DONE, IN_USE, PROFILE_GONE."""

    profile_id: int
    audit: AuditEntry
