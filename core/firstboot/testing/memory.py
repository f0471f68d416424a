"""A storage in dictionaries: for tests, and as the plainest statement of what a storage does."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from typing import Any

from firstboot.errors import InvalidValue
from firstboot.model import (
    DEFAULT_TENANT,
    PROVISION_STATE,
    PROVISIONED,
    Attribute,
    Device,
    DeviceProfile,
    Scope,
    Tenant,
)
from firstboot.storage import (
    AppendAudit,
    AuditChain,
    AuditEntry,
    AuditQuery,
    AuditRow,
    Change,
    ChangeKind,
    ConfirmDelivery,
    CreateDevice,
    CreateProfile,
    DeleteDevice,
    DeleteProfile,
    DeviceQuery,
    FoundCredentials,
    HandOut,
    Outcome,
    RecordLogin,
    ReopenDevice,
    ReplaceCredentials,
    SealedCredentials,
    UpdateProfile,
    When,
    Write,
    WriteResult,
)


@dataclass(frozen=True)
class _Kept:
    """Credentials of a device; ``valid_until_ms`` as in `FoundCredentials`."""

    credentials: SealedCredentials
    device_id: int
    valid_until_ms: int | None = None


@dataclass
class _Tables:
    """Everything that is stored. The values are immutable, so that shallow copies are copies."""

    tenants: dict[int, Tenant] = field(default_factory=dict)
    profiles: dict[int, DeviceProfile] = field(default_factory=dict)
    devices: dict[int, Device] = field(default_factory=dict)
    names: dict[tuple[int, str], int] = field(default_factory=dict)
    attributes: dict[tuple[int, Scope, str], str] = field(default_factory=dict)
    """Values as JSON text: what a caller does to a list or an object later changes nothing here."""
    credentials: dict[bytes, _Kept] = field(default_factory=dict)
    audit: list[AuditRow] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    meta: dict[str, bytes] = field(default_factory=dict)

    def saved(self) -> dict[str, Any]:
        return {each.name: copy(getattr(self, each.name)) for each in fields(self)}

    def restore(self, saved: Mapping[str, Any]) -> None:
        vars(self).update(saved)


class MemoryStorage:
    """Keeps everything until the last storage that shares it is gone. One event loop, one process."""

    def __init__(self, same_as: MemoryStorage | None = None) -> None:
        """Begin empty, or open what another storage has open."""
        self._tables: _Tables = same_as._tables if same_as else _Tables()
        self._ids: Iterator[int] = same_as._ids if same_as else itertools.count(1)
        if same_as is None:
            self.add_tenant(DEFAULT_TENANT)

    def add_tenant(self, name: str) -> Tenant:
        """Make a tenant; a storage has the default one from the start."""
        tenant = Tenant(next(self._ids), name)
        self._tables.tenants[tenant.id] = tenant
        return tenant

    async def close(self) -> None:
        """Nothing is open."""

    # -- writes ------------------------------------------------------------------------------------

    async def write(self, batch: Sequence[Write], chain: AuditChain) -> Sequence[WriteResult]:
        """Do the writes one after another; if one breaks off, none has happened."""
        before = self._tables.saved()
        try:
            return [self._write(write, chain) for write in batch]
        except BaseException:
            self._tables.restore(before)
            raise

    def _write(self, write: Write, chain: AuditChain) -> WriteResult:
        for obstacle in self.obstacles(write):
            return WriteResult(obstacle)
        new_id = self._apply(write)
        if not isinstance(write, RecordLogin | ConfirmDelivery):
            self._append(write.audit, chain)
        return WriteResult(Outcome.DONE, new_id)

    def _append(self, entry: AuditEntry, chain: AuditChain) -> None:
        rows = self._tables.audit
        previous = rows[-1].link if rows else b""
        rows.append(AuditRow(len(rows) + 1, entry, chain(previous, entry.canonical())))

    def obstacles(self, write: Write) -> Iterator[Outcome]:
        """Yield every reason for which a write cannot be done now. A storage may answer with any of them."""
        tables = self._tables
        match write:
            case CreateDevice():
                profile = tables.profiles.get(write.profile_id)
                if profile is None or profile.tenant_id != write.tenant_id:
                    yield Outcome.PROFILE_GONE
                if write.max_devices is not None and self._count(write.profile_id) >= write.max_devices:
                    yield Outcome.DEVICE_LIMIT
                if (write.tenant_id, write.name) in tables.names:
                    yield Outcome.NAME_TAKEN
                if write.credentials.digest in tables.credentials:
                    yield Outcome.CREDENTIALS_IN_USE
            case CreateProfile():
                yield from self._profile_obstacles(write.profile, others=tables.profiles.values())
            case UpdateProfile():
                if write.profile.id not in tables.profiles:
                    yield Outcome.PROFILE_GONE
                others = [each for each in tables.profiles.values() if each.id != write.profile.id]
                yield from self._profile_obstacles(write.profile, others)
            case DeleteProfile():
                if write.profile_id not in tables.profiles:
                    yield Outcome.PROFILE_GONE
                if self._count(write.profile_id):
                    yield Outcome.IN_USE
            case AppendAudit():
                pass
            case _:
                device = tables.devices.get(write.device_id)
                if device is None:
                    yield Outcome.DEVICE_GONE
                elif isinstance(write, HandOut | ReplaceCredentials):
                    yield from self._state_obstacles(write, device)

    def _profile_obstacles(self, profile: DeviceProfile, others: Iterable[DeviceProfile]) -> Iterator[Outcome]:
        for other in others:
            if (other.tenant_id, other.name) == (profile.tenant_id, profile.name):
                yield Outcome.NAME_TAKEN
            if other.provision_key == profile.provision_key is not None:
                yield Outcome.KEY_TAKEN

    def _state_obstacles(self, write: HandOut | ReplaceCredentials, device: Device) -> Iterator[Outcome]:
        allowed = {
            When.NOT_PROVISIONED: device.provision_state is None or device.reopened_at_ms is not None,
            When.NEVER_USED: device.first_login_at_ms is None and device.delivered_at_ms is None,
            When.REOPENED: device.reopened_at_ms is not None,
            When.ALWAYS: True,
        }
        if not allowed[write.when]:
            yield Outcome.STALE
        if isinstance(write, ReplaceCredentials):
            current = self._tables.credentials.get(write.replaces)
            if current is None or current.device_id != device.id or current.valid_until_ms is not None:
                yield Outcome.STALE
            if write.credentials.digest in self._tables.credentials:
                yield Outcome.CREDENTIALS_IN_USE

    def _apply(self, write: Write) -> int:
        """Do a write that nothing stands against; return the id of what it made, or 0."""
        tables = self._tables
        match write:
            case CreateDevice():
                return self._create(write)
            case HandOut():
                self._provision(write)
            case ReplaceCredentials():
                self._replace(write)
            case RecordLogin():
                device = tables.devices[write.device_id]
                if device.first_login_at_ms is None:
                    self._change(write.device_id, first_login_at_ms=write.at_ms)
            case ConfirmDelivery():
                self._change(write.device_id, delivered_at_ms=write.at_ms)
            case ReopenDevice():
                tables.attributes.pop((write.device_id, Scope.SERVER, PROVISION_STATE), None)
                self._change(write.device_id, reopened_at_ms=write.at_ms, provision_state=None)
            case DeleteDevice():
                self._delete(write.device_id)
            case CreateProfile():
                profile = replace(write.profile, id=next(self._ids))
                tables.profiles[profile.id] = profile
                self._tell(ChangeKind.PROFILE, profile.id)
                return profile.id
            case UpdateProfile():
                tables.profiles[write.profile.id] = write.profile
                self._tell(ChangeKind.PROFILE, write.profile.id)
            case DeleteProfile():
                del tables.profiles[write.profile_id]
                self._tell(ChangeKind.PROFILE, write.profile_id)
            case AppendAudit():
                pass
        return 0

    def _create(self, write: CreateDevice) -> int:
        device = Device(
            id=next(self._ids),
            public_id=write.public_id,
            tenant_id=write.tenant_id,
            profile_id=write.profile_id,
            name=write.name,
            label=write.label,
            additional_info=_json_copy(write.additional_info),
            created_at_ms=write.created_at_ms,
            provisioned_at_ms=write.provisioned_at_ms,
            request_digest=write.request_digest,
        )
        self._tables.devices[device.id] = device
        self._tables.names[device.tenant_id, device.name] = device.id
        self._tables.credentials[write.credentials.digest] = _Kept(write.credentials, device.id)
        self._set_attributes(device.id, write.attributes)
        return device.id

    def _replace(self, write: ReplaceCredentials) -> None:
        kept = self._tables.credentials
        if write.keep_old_until_ms is None:
            for digest in [digest for digest, each in kept.items() if each.device_id == write.device_id]:
                del kept[digest]
        else:
            kept[write.replaces] = replace(kept[write.replaces], valid_until_ms=write.keep_old_until_ms)
        kept[write.credentials.digest] = _Kept(write.credentials, write.device_id)
        if write.provisioned:
            self._provision(write)
        else:
            self._set_attributes(write.device_id, write.attributes)
        self._tell(ChangeKind.CREDENTIALS, write.device_id)

    def _provision(self, write: HandOut | ReplaceCredentials) -> None:
        provisioned = Attribute(Scope.SERVER, PROVISION_STATE, PROVISIONED)
        self._set_attributes(write.device_id, (*write.attributes, provisioned))
        self._change(
            write.device_id,
            provisioned_at_ms=write.at_ms,
            request_digest=write.request_digest,
            delivered_at_ms=None,  # this answer is another one
            reopened_at_ms=None,
        )

    def _delete(self, device_id: int) -> None:
        tables = self._tables
        device = tables.devices.pop(device_id)
        del tables.names[device.tenant_id, device.name]
        tables.credentials = {
            digest: kept for digest, kept in tables.credentials.items() if kept.device_id != device_id
        }
        tables.attributes = {key: value for key, value in tables.attributes.items() if key[0] != device_id}
        self._tell(ChangeKind.DEVICE_DELETED, device_id)

    def _set_attributes(self, device_id: int, attributes: Iterable[Attribute]) -> None:
        for attribute in attributes:
            self._tables.attributes[device_id, attribute.scope, attribute.key] = json.dumps(attribute.value)
            if (attribute.scope, attribute.key) == (Scope.SERVER, PROVISION_STATE):
                self._change(device_id, provision_state=_json_copy(attribute.value))

    def _change(self, device_id: int, **values: Any) -> None:
        self._tables.devices[device_id] = replace(self._tables.devices[device_id], **values)

    def _tell(self, kind: ChangeKind, ref: int) -> None:
        self._tables.changes.append(Change(len(self._tables.changes) + 1, kind, ref))

    # -- reads: `firstboot.storage.Storage` says what they answer ---------------------------------

    async def read_meta(self, name: str) -> bytes | None:
        return self._tables.meta.get(name)

    async def write_meta(self, name: str, value: bytes, expected: bytes | None) -> bool:
        if self._tables.meta.get(name) != expected:
            return False
        self._tables.meta[name] = value
        return True

    async def find_tenant(self, name: str) -> Tenant | None:
        return next((tenant for tenant in self._tables.tenants.values() if tenant.name == name), None)

    async def all_profiles(self) -> Sequence[DeviceProfile]:
        return list(self._tables.profiles.values())

    async def count_devices(self, profile_id: int) -> int:
        return self._count(profile_id)

    def _count(self, profile_id: int) -> int:
        return sum(device.profile_id == profile_id for device in self._tables.devices.values())

    async def find_device(self, tenant_id: int, name: str) -> Device | None:
        device_id = self._tables.names.get((tenant_id, name))
        return None if device_id is None else self._tables.devices[device_id]

    async def list_devices(self, query: DeviceQuery) -> Sequence[Device]:
        found = [
            device
            for device in self._tables.devices.values()
            if device.tenant_id == query.tenant_id
            and device.id > query.after_id
            and query.profile_id in (None, device.profile_id)
            and (query.text or "").casefold() in device.name.casefold()
        ]
        return found[: query.limit]

    async def device_credentials(self, device_id: int) -> Sequence[FoundCredentials]:
        found = [self._found(kept) for kept in self._tables.credentials.values() if kept.device_id == device_id]
        return sorted(found, key=lambda each: each.valid_until_ms is not None)

    async def find_credentials(self, digests: Sequence[bytes]) -> Sequence[FoundCredentials]:
        kept = self._tables.credentials
        return [self._found(kept[digest]) for digest in set(digests) if digest in kept]

    def _found(self, kept: _Kept) -> FoundCredentials:
        device = self._tables.devices[kept.device_id]
        return FoundCredentials(
            digest=kept.credentials.digest,
            type=kept.credentials.type,
            sealed=kept.credentials.sealed,
            valid_until_ms=kept.valid_until_ms,
            device_id=device.id,
            device_public_id=device.public_id,
            device_name=device.name,
            tenant_id=device.tenant_id,
            profile_id=device.profile_id,
            first_login_at_ms=device.first_login_at_ms,
        )

    async def device_attributes(self, device_id: int) -> Sequence[Attribute]:
        return [
            Attribute(scope, key, json.loads(text))
            for (owner, scope, key), text in self._tables.attributes.items()
            if owner == device_id
        ]

    async def list_audit(self, query: AuditQuery) -> Sequence[AuditRow]:
        rows = [row for row in self._tables.audit if row.id > query.after_id]
        return rows[::-1][: query.limit] if query.newest_first else rows[: query.limit]

    async def last_change(self) -> int:
        return len(self._tables.changes)

    async def changes_since(self, change_id: int) -> Sequence[Change]:
        return [change for change in self._tables.changes if change.id > change_id]

    async def backup(self, path: str) -> None:
        """Refuse: there is nothing to keep.

        Raises: `InvalidValue`, always.
        """
        raise InvalidValue("A storage in memory cannot be backed up.")


def _json_copy(value: Any) -> Any:
    return json.loads(json.dumps(value))
