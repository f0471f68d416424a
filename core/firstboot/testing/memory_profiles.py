"""How a storage in memory makes, replaces and deletes device profiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from firstboot.model import DeviceProfile
from firstboot.storage import ChangeKind, CreateProfile, DeleteProfile, Outcome, UpdateProfile, WriteResult
from firstboot.testing.memory_tables import Tables, json_copy

ProfileWrite = CreateProfile | UpdateProfile | DeleteProfile


class ProfileWrites:
    """The part of a `firstboot.testing.MemoryStorage` that writes device profiles."""

    _tables: Tables

    def _profile_obstacles(self, write: ProfileWrite) -> Iterator[Outcome]:
        tables = self._tables
        match write:
            case CreateProfile():
                yield from self._clashes(write.profile, own_id=0)
            case UpdateProfile():
                before = tables.profiles.get(write.profile.id)
                if before is None or before.tenant_id != write.profile.tenant_id:
                    yield Outcome.PROFILE_GONE
                elif write.expected_version not in (None, before.version):
                    yield Outcome.STALE
                yield from self._clashes(write.profile, own_id=write.profile.id)
            case DeleteProfile():
                if write.profile_id not in tables.profiles:
                    yield Outcome.PROFILE_GONE
                if tables.count_devices(write.profile_id):
                    yield Outcome.IN_USE

    def _clashes(self, profile: DeviceProfile, own_id: int) -> Iterator[Outcome]:
        for other in self._tables.profiles.values():
            if other.id == own_id:
                continue
            if (other.tenant_id, other.name) == (profile.tenant_id, profile.name):
                yield Outcome.NAME_TAKEN
            if other.provision_key == profile.provision_key is not None:
                yield Outcome.KEY_TAKEN
            if other.tenant_id == profile.tenant_id and other.is_default and profile.is_default:
                yield Outcome.DEFAULT_TAKEN

    def _apply_to_profile(self, write: ProfileWrite) -> WriteResult:
        tables = self._tables
        match write:
            case CreateProfile():
                profile = replace(
                    write.profile, id=tables.new_id(), version=1, details=json_copy(dict(write.profile.details))
                )
                tables.profiles[profile.id] = profile
                tables.tell(ChangeKind.PROFILE, profile.id)
                return WriteResult(Outcome.DONE, profile.id)
            case UpdateProfile():
                version = tables.profiles[write.profile.id].version + 1
                details = json_copy(dict(write.profile.details))
                tables.profiles[write.profile.id] = replace(write.profile, version=version, details=details)
                tables.tell(ChangeKind.PROFILE, write.profile.id)
                return WriteResult(Outcome.DONE, version=version)
            case DeleteProfile():
                del tables.profiles[write.profile_id]
                tables.tell(ChangeKind.PROFILE, write.profile_id)
        return WriteResult(Outcome.DONE)
