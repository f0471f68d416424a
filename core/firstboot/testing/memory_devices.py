"""How a storage in memory makes, hands out, changes and deletes devices."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from firstboot.model import (
    CLAIMING_DATA,
    PROVISION_STATE,
    PROVISIONED,
    Attribute,
    ClaimOpener,
    ClaimWindow,
    Device,
    LatestValue,
    PoolMember,
    Scope,
)
from firstboot.storage import (
    AttributeChange,
    ChangeKind,
    ConfirmDelivery,
    CreateDevice,
    DeleteAttributes,
    DeleteDevice,
    EndCredentials,
    HandOut,
    NewClaimWindow,
    NewMember,
    Outcome,
    RecordLogin,
    ReopenDevice,
    ReplaceCredentials,
    RevokedCertificate,
    SaveAttributes,
    SaveTelemetry,
    UpdateDevice,
    When,
    WriteResult,
)
from firstboot.testing.memory_tables import Kept, Tables, json_copy

DeviceWrite = (
    CreateDevice
    | HandOut
    | ReplaceCredentials
    | EndCredentials
    | RecordLogin
    | ConfirmDelivery
    | ReopenDevice
    | DeleteDevice
    | UpdateDevice
    | SaveAttributes
    | DeleteAttributes
    | SaveTelemetry
)
_DONE = WriteResult(Outcome.DONE)


class DeviceWrites:
    """The part of a `firstboot.testing.MemoryStorage` that writes devices."""

    _tables: Tables

    def _count(self, profile_id: int) -> int:
        return self._tables.count_devices(profile_id)

    def _device_obstacles(self, write: DeviceWrite) -> Iterator[Outcome]:
        if isinstance(write, CreateDevice):
            yield from self._creation_obstacles(write)
            return
        device = self._tables.devices.get(write.device.id if isinstance(write, UpdateDevice) else write.device_id)
        if device is None:
            yield Outcome.DEVICE_GONE
        elif isinstance(write, HandOut | ReplaceCredentials):
            yield from self._state_obstacles(write, device)
        elif isinstance(write, UpdateDevice):
            yield from self._update_obstacles(write, device)

    def _creation_obstacles(self, write: CreateDevice) -> Iterator[Outcome]:
        tables = self._tables
        profile = tables.profiles.get(write.profile_id)
        if profile is None or profile.tenant_id != write.tenant_id:
            yield Outcome.PROFILE_GONE
        if not tables.has_customer(write.customer_id, write.tenant_id):
            yield Outcome.CUSTOMER_GONE
        if not tables.has_device(write.gateway_id, write.tenant_id):
            yield Outcome.DEVICE_GONE
        if write.max_devices is not None and self._count(write.profile_id) >= write.max_devices:
            yield Outcome.DEVICE_LIMIT
        if (write.tenant_id, write.name) in tables.names:
            yield Outcome.NAME_TAKEN
        if write.credentials.digest in tables.credentials:
            yield Outcome.CREDENTIALS_IN_USE
        hardware_id = write.member.hardware_id if write.member is not None else None
        if hardware_id is not None and tables.member_of(write.profile_id, hardware_id) is not None:
            yield Outcome.STALE

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
            known = self._tables.credentials.get(write.credentials.digest)
            if known is not None and (known.device_id != device.id or write.keep_old_until_ms is not None):
                yield Outcome.CREDENTIALS_IN_USE

    def _update_obstacles(self, write: UpdateDevice, device: Device) -> Iterator[Outcome]:
        tables, wanted = self._tables, write.device
        if wanted.tenant_id != device.tenant_id:
            yield Outcome.DEVICE_GONE
            return
        if write.expected_version not in (None, device.version):
            yield Outcome.STALE
        if tables.names.get((device.tenant_id, wanted.name), device.id) != device.id:
            yield Outcome.NAME_TAKEN
        if not tables.has_device(wanted.gateway_id, device.tenant_id):
            yield Outcome.DEVICE_GONE
        profile = tables.profiles.get(wanted.profile_id)
        if profile is None or profile.tenant_id != device.tenant_id:
            yield Outcome.PROFILE_GONE
        moves = wanted.profile_id != device.profile_id
        if moves and write.max_devices is not None and self._count(wanted.profile_id) >= write.max_devices:
            yield Outcome.DEVICE_LIMIT

    def _apply_to_device(self, write: DeviceWrite) -> WriteResult:
        tables = self._tables
        match write:
            case CreateDevice():
                return WriteResult(Outcome.DONE, self._create(write))
            case HandOut():
                self._provision(write)
            case ReplaceCredentials():
                self._replace(write)
                self._revoke(write.revokes)
            case EndCredentials():
                self._end_credentials(write)
                self._revoke(write.revokes)
            case RecordLogin():
                self._record_login(write)
            case ConfirmDelivery():
                tables.change_device(write.device_id, delivered_at_ms=write.at_ms)
            case ReopenDevice():
                self._reopen(write.device_id, write.at_ms)
            case DeleteDevice():
                self._delete(write.device_id)
                self._revoke(write.revokes)
            case UpdateDevice():
                return WriteResult(Outcome.DONE, version=self._update(write))
            case SaveAttributes():
                self._save_attributes(write)
            case DeleteAttributes():
                self._delete_attributes(write)
            case SaveTelemetry():
                self._save_telemetry(write)
        return _DONE

    def _create(self, write: CreateDevice) -> int:
        device = Device(
            id=self._tables.new_id(),
            public_id=write.public_id,
            tenant_id=write.tenant_id,
            profile_id=write.profile_id,
            name=write.name,
            customer_id=write.customer_id,
            gateway_id=write.gateway_id,
            label=write.label,
            additional_info=json_copy(write.additional_info),
            details=json_copy(write.details),
            enabled=write.enabled,
            hardware_id=write.hardware_id,
            created_at_ms=write.created_at_ms,
            provisioned_at_ms=write.provisioned_at_ms,
            request_digest=write.request_digest,
        )
        self._tables.devices[device.id] = device
        self._tables.names[device.tenant_id, device.name] = device.id
        self._tables.credentials[write.credentials.digest] = Kept(write.credentials, device.id)
        self._set_attributes(device.id, write.attributes, write.created_at_ms)
        if write.claim_window is not None:
            self._open_for_administrator(device.id, write.claim_window, write.created_at_ms)
        if write.member is not None:
            self._add_to_pool(device, write.member)
        return device.id

    def _add_to_pool(self, device: Device, new: NewMember) -> None:
        self._tables.members[device.id] = PoolMember(
            device_id=device.id,
            device_name=device.name,
            profile_id=device.profile_id,
            hardware_id=new.hardware_id,
            reserved=new.reserved,
            leased_at_ms=new.leased_at_ms,
            leased_until_ms=new.leased_until_ms,
        )
        if new.leased_at_ms is None:
            self._tables.tell(ChangeKind.POOL, device.profile_id)

    def _record_login(self, write: RecordLogin) -> None:
        tables, device_id = self._tables, write.device_id
        if tables.devices[device_id].first_login_at_ms is None:
            tables.change_device(device_id, first_login_at_ms=write.at_ms)
        if device_id in tables.members:  # what it has been given is its own for good
            tables.members[device_id] = replace(tables.members[device_id], leased_until_ms=None)

    def _open_for_administrator(self, device_id: int, window: NewClaimWindow, at_ms: int) -> None:
        key = (device_id, ClaimOpener.ADMINISTRATOR)
        before = self._tables.windows.get(key)
        digest = window.secret_digest
        self._tables.windows[key] = ClaimWindow(
            device_id=device_id,
            opened_by=ClaimOpener.ADMINISTRATOR,
            secret_digest=before.secret_digest if digest is None and before is not None else digest,
            expires_at_ms=window.expires_at_ms,
            opened_at_ms=at_ms,
            weak=before.weak if digest is None and before is not None else window.weak,
        )

    def _replace(self, write: ReplaceCredentials) -> None:
        kept = self._tables.credentials
        if write.keep_old_until_ms is None:
            for digest in [digest for digest, each in kept.items() if each.device_id == write.device_id]:
                del kept[digest]
        else:
            kept[write.replaces] = replace(kept[write.replaces], valid_until_ms=write.keep_old_until_ms)
        kept[write.credentials.digest] = Kept(write.credentials, write.device_id)
        if write.provisioned:
            self._provision(write)
        else:
            self._set_attributes(write.device_id, write.attributes, write.at_ms)
        self._tables.tell(ChangeKind.CREDENTIALS, write.device_id)

    def _end_credentials(self, write: EndCredentials) -> None:
        kept = self._tables.credentials
        for digest in write.digests:
            each = kept.get(digest)
            if each is not None and each.device_id == write.device_id and each.valid_until_ms is not None:
                del kept[digest]

    def _revoke(self, certificates: Iterable[RevokedCertificate]) -> None:
        for each in certificates:
            self._tables.revoked.setdefault(each.serial, each)

    def _provision(self, write: HandOut | ReplaceCredentials) -> None:
        provisioned = Attribute(Scope.SERVER, PROVISION_STATE, PROVISIONED)
        self._set_attributes(write.device_id, (*write.attributes, provisioned), write.at_ms)
        self._tables.change_device(
            write.device_id,
            provisioned_at_ms=write.at_ms,
            request_digest=write.request_digest,
            delivered_at_ms=None,  # this answer is another one
            reopened_at_ms=None,
        )

    def _reopen(self, device_id: int, at_ms: int) -> None:
        self._tables.attributes.pop((device_id, Scope.SERVER, PROVISION_STATE), None)
        self._tables.change_device(device_id, reopened_at_ms=at_ms, provision_state=None)

    def _delete(self, device_id: int) -> None:
        tables = self._tables
        device = tables.devices.pop(device_id)
        del tables.names[device.tenant_id, device.name]
        tables.credentials = {
            digest: kept for digest, kept in tables.credentials.items() if kept.device_id != device_id
        }
        tables.attributes = {key: value for key, value in tables.attributes.items() if key[0] != device_id}
        tables.telemetry = {key: value for key, value in tables.telemetry.items() if key[0] != device_id}
        tables.windows = {key: value for key, value in tables.windows.items() if key[0] != device_id}
        tables.members.pop(device_id, None)
        for behind in [each.id for each in tables.devices.values() if each.gateway_id == device_id]:
            tables.change_device(behind, gateway_id=None)
        tables.tell(ChangeKind.DEVICE_DELETED, device_id)

    def _update(self, write: UpdateDevice) -> int:
        tables, wanted = self._tables, write.device
        before = tables.devices[wanted.id]
        del tables.names[before.tenant_id, before.name]
        tables.names[before.tenant_id, wanted.name] = before.id
        tables.change_device(
            before.id,
            name=wanted.name,
            profile_id=wanted.profile_id,
            gateway_id=wanted.gateway_id,
            enabled=wanted.enabled,
            label=wanted.label,
            additional_info=json_copy(wanted.additional_info),
            details=json_copy(wanted.details),
            hardware_id=wanted.hardware_id,
            version=before.version + 1,
        )
        if wanted.profile_id != before.profile_id:
            tables.members.pop(before.id, None)
        if before.enabled and not wanted.enabled:
            tables.tell(ChangeKind.DEVICE_DISABLED, before.id)
        return before.version + 1

    def _save_attributes(self, write: SaveAttributes) -> None:
        values = [Attribute(write.scope, key, value) for key, value in write.values.items()]
        self._set_attributes(write.device_id, values, write.at_ms)
        if write.claim_window is not None:
            self._open_for_administrator(write.device_id, write.claim_window, write.at_ms)
        if write.scope is Scope.SHARED and write.values:
            detail = AttributeChange(updated=tuple(write.values)).to_json()
            self._tables.tell(ChangeKind.ATTRIBUTES, write.device_id, detail)

    def _delete_attributes(self, write: DeleteAttributes) -> None:
        attributes = self._tables.attributes
        there = [key for key in dict.fromkeys(write.keys) if (write.device_id, write.scope, key) in attributes]
        for key in there:
            del attributes[write.device_id, write.scope, key]
        if write.scope is Scope.SERVER and PROVISION_STATE in write.keys:
            self._reopen(write.device_id, write.at_ms)
        if write.scope is Scope.SERVER and CLAIMING_DATA in write.keys:
            self._tables.windows.pop((write.device_id, ClaimOpener.ADMINISTRATOR), None)
        if write.scope is Scope.SHARED and there:
            detail = AttributeChange(deleted=tuple(there)).to_json()
            self._tables.tell(ChangeKind.ATTRIBUTES, write.device_id, detail)

    def _save_telemetry(self, write: SaveTelemetry) -> None:
        for point in write.points:
            for key, value in point.values.items():
                known = self._tables.telemetry.get((write.device_id, key))
                if known is None or known.at_ms <= point.at_ms:
                    latest = LatestValue(key, point.at_ms, json_copy(value))
                    self._tables.telemetry[write.device_id, key] = latest

    def _set_attributes(self, device_id: int, attributes: Iterable[Attribute], at_ms: int) -> None:
        for each in attributes:
            self._tables.attributes[device_id, each.scope, each.key] = (json.dumps(each.value), at_ms)
            if (each.scope, each.key) == (Scope.SERVER, PROVISION_STATE):
                self._tables.change_device(device_id, provision_state=json_copy(each.value))
