"""Devices with all that is their own, read from the database."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from firstboot.model import PROVISION_STATE, ClaimOpener, ClaimWindow, Device, LatestValue, Scope, StoredAttribute
from firstboot.storage import DevicePageQuery, DeviceQuery, FoundCredentials, Page, RevokedCertificate
from firstboot_plugins.storage_tortoise.encoding import FOUND_COLUMNS, found_credentials, from_json, storable
from firstboot_plugins.storage_tortoise.paging import Conditions, First, Listing, read_page
from firstboot_plugins.storage_tortoise.reader import Reader
from firstboot_plugins.storage_tortoise.statements import Many, ManySql, Row, Run

_FIND_CREDENTIALS = ManySql(
    f"SELECT {FOUND_COLUMNS} FROM v"  # noqa: S608
    " JOIN credentials ON credentials.digest = v.digest JOIN device ON device.id = credentials.device_id",
    (("digest", "bytea"),),
)
_CREDENTIALS_OF = (
    f"SELECT {FOUND_COLUMNS} FROM credentials JOIN device ON device.id = credentials.device_id"  # noqa: S608
    " WHERE credentials.device_id = ?"
    " ORDER BY credentials.valid_until_ms IS NOT NULL, credentials.valid_until_ms DESC"
)
_ATTRIBUTES_OF = "SELECT scope, key, value, updated_at_ms FROM attribute WHERE device_id = ?"
_SOME_ATTRIBUTES = ManySql(
    "SELECT attribute.scope, attribute.key, attribute.value, attribute.updated_at_ms FROM v JOIN attribute"
    " ON attribute.device_id = v.device_id AND attribute.scope = v.scope AND attribute.key = v.key",
    (("device_id", "bigint"), ("scope", "smallint"), ("key", "text")),
)
_WINDOWS_OF = (
    "SELECT opened_by, secret_digest, expires_at_ms, opened_at_ms, weak FROM claim_window WHERE device_id = ?"
)
_REVOKED = (
    "SELECT serial, tenant_id, device_public_id, expires_at_ms, revoked_at_ms FROM revoked_certificate"
    " WHERE expires_at_ms >= ? ORDER BY revoked_at_ms, serial"
)
_TELEMETRY_OF = "SELECT key, at_ms, value FROM telemetry WHERE device_id = ?"
_SOME_TELEMETRY = ManySql(
    "SELECT telemetry.key, telemetry.at_ms, telemetry.value FROM v JOIN telemetry"
    " ON telemetry.device_id = v.device_id AND telemetry.key = v.key",
    (("device_id", "bigint"), ("key", "text")),
)
_FIELDS = [field.name for field in dataclasses.fields(Device) if field.name != "provision_state"]
_DEVICE = f"{', '.join(f'device.{name}' for name in _FIELDS)}, attribute.value"
_STATE = (
    "LEFT JOIN attribute ON attribute.device_id = device.id"
    f" AND attribute.scope = {int(Scope.SERVER)} AND attribute.key = '{PROVISION_STATE}'"
)
_FIND_DEVICE = f"SELECT {_DEVICE} FROM device {_STATE} WHERE device.tenant_id = ?"  # noqa: S608
_DEVICES = Listing(
    table="device",
    columns=_DEVICE,
    sorts={
        "created_at_ms": "device.created_at_ms",
        "name": "device.name",
        "label": "coalesce(device.label, '')",
        "profile": "device_profile.name",
    },
    joins=f"JOIN device_profile ON device_profile.id = device.profile_id {_STATE}",
)


class DeviceReads(Reader):
    """The part of an open storage that reads devices; `firstboot.storage.Storage` says what each read answers."""

    async def count_devices(self, profile_id: int) -> int:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Run("SELECT devices FROM profile_usage WHERE profile_id = ?", (profile_id,)))
        return int(rows[0][0]) if rows else 0

    async def find_device(self, tenant_id: int, name: str) -> Device | None:
        """See `firstboot.storage.Storage`."""
        if not storable(name):
            return None
        rows = await self._fetch(Run(f"{_FIND_DEVICE} AND device.name = ?", (tenant_id, name)))
        return _device(rows[0]) if rows else None

    async def device_by_id(self, tenant_id: int, device_id: int) -> Device | None:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Run(f"{_FIND_DEVICE} AND device.id = ?", (tenant_id, device_id)))
        return _device(rows[0]) if rows else None

    async def device_by_public_id(self, tenant_id: int, public_id: UUID) -> Device | None:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Run(f"{_FIND_DEVICE} AND device.public_id = ?", (tenant_id, public_id.bytes)))
        return _device(rows[0]) if rows else None

    async def list_devices(self, query: DeviceQuery) -> Sequence[Device]:
        """See `firstboot.storage.Storage`."""
        where = Conditions()
        where.add("+device.tenant_id = ?", query.tenant_id)  # with the sign SQLite does not sort a whole tenant
        where.add("device.id > ?", query.after_id)
        where.equal("device.customer_id", query.customer_id)
        where.equal("device.profile_id", query.profile_id)
        where.contain(query.text, self.upper, "device.name")
        sql = f"SELECT {_DEVICE} FROM device {_STATE} WHERE {where} ORDER BY device.id LIMIT ?"  # noqa: S608
        return [_device(row) for row in await self.search(Run(sql, (*where.values, query.limit)))]

    async def page_devices(self, query: DevicePageQuery) -> Page[Device]:
        """See `firstboot.storage.Storage`."""
        where = Conditions()
        tenant = "device.tenant_id" if query.ids is None else "+device.tenant_id"  # else SQLite looks at all of it
        where.add(f"{tenant} = ?", query.tenant_id)
        where.equal("device.customer_id", query.customer_id)
        where.equal("device.profile_id", query.profile_id)
        where.equal("device.enabled", None if query.enabled is None else int(query.enabled))
        where.contain(query.text, self.upper, "device.name", "device.label")
        if query.ids is not None:
            where.add(f"device.id IN ({self.ids_from_json})", json.dumps(sorted(query.ids)))
        if query.not_ids:
            where.add(f"device.id NOT IN ({self.ids_from_json})", json.dumps(sorted(query.not_ids)))
        if query.name is None or storable(query.name):
            where.equal("device.name", query.name)
        else:
            where.add("1 = 0")
        first = First.with_text(query.text if query.exact_first else None, self.upper, "device.name")
        rows, total = await read_page(self, _DEVICES, where, query, first)
        return Page([_device(row) for row in rows], total)

    async def device_credentials(self, device_id: int) -> Sequence[FoundCredentials]:
        """See `firstboot.storage.Storage`."""
        return [found_credentials(row) for row in await self._fetch(Run(_CREDENTIALS_OF, (device_id,)))]

    async def find_credentials(self, digests: Sequence[bytes]) -> Sequence[FoundCredentials]:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Many(_FIND_CREDENTIALS, [(digest,) for digest in set(digests)]))
        return [found_credentials(row) for row in rows]

    async def device_attributes(
        self, device_id: int, scope: Scope | None = None, keys: Collection[str] | None = None
    ) -> Sequence[StoredAttribute]:
        """See `firstboot.storage.Storage`."""
        scopes = list(Scope) if scope is None else [scope]
        if keys is None:
            rows = await self._fetch(Run(_ATTRIBUTES_OF, (device_id,)))
        else:
            named = [(device_id, int(each), key) for each in scopes for key in set(keys) if storable(key)]
            rows = await self._fetch(Many(_SOME_ATTRIBUTES, named))
        found = [
            StoredAttribute(Scope(own_scope), key, from_json(value), at_ms)
            for own_scope, key, value, at_ms in rows
            if own_scope in scopes
        ]
        return sorted(found, key=lambda each: (each.scope, each.key))

    async def claim_windows(self, device_id: int) -> Sequence[ClaimWindow]:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Run(_WINDOWS_OF, (device_id,)))
        return [
            ClaimWindow(
                device_id=device_id,
                opened_by=ClaimOpener(opened_by),
                secret_digest=None if digest is None else bytes(digest),
                expires_at_ms=expires_at_ms,
                opened_at_ms=opened_at_ms,
                weak=bool(weak),
            )
            for opened_by, digest, expires_at_ms, opened_at_ms, weak in rows
        ]

    async def revoked_certificates(self, at_ms: int) -> Sequence[RevokedCertificate]:
        """See `firstboot.storage.Storage`."""
        rows = await self.search(Run(_REVOKED, (at_ms,)))
        return [
            RevokedCertificate(
                serial=serial,
                tenant_id=tenant_id,
                device_public_id=UUID(bytes=bytes(device)),
                expires_at_ms=expires_at_ms,
                revoked_at_ms=revoked_at_ms,
            )
            for serial, tenant_id, device, expires_at_ms, revoked_at_ms in rows
        ]

    async def devices_behind(self, gateway_id: int) -> Sequence[Device]:
        """See `firstboot.storage.Storage`."""
        sql = f"SELECT {_DEVICE} FROM device {_STATE} WHERE device.gateway_id = ? ORDER BY device.id"  # noqa: S608
        return [_device(row) for row in await self.search(Run(sql, (gateway_id,)))]

    async def devices_of_hardware(self, tenant_id: int, hardware_id: str, *, limit: int = 100) -> Sequence[Device]:
        """See `firstboot.storage.Storage`."""
        if not storable(hardware_id):
            return []
        sql = f"{_FIND_DEVICE} AND device.hardware_id = ? ORDER BY device.id DESC LIMIT ?"
        return [_device(row) for row in await self._fetch(Run(sql, (tenant_id, hardware_id, limit)))]

    async def latest_telemetry(self, device_id: int, keys: Collection[str] | None = None) -> Sequence[LatestValue]:
        """See `firstboot.storage.Storage`."""
        if keys is None:
            rows = await self._fetch(Run(_TELEMETRY_OF, (device_id,)))
        else:
            named = [(device_id, key) for key in set(keys) if storable(key)]
            rows = await self._fetch(Many(_SOME_TELEMETRY, named))
        return sorted((LatestValue(key, at_ms, from_json(value)) for key, at_ms, value in rows), key=_by_key)


def _by_key(latest: LatestValue) -> str:
    return latest.key


def _device(row: Row) -> Device:
    fields: dict[str, Any] = dict(zip(_FIELDS, row, strict=False))
    fields["public_id"] = UUID(bytes=fields["public_id"])
    fields["additional_info"] = from_json(fields["additional_info"])
    fields["details"] = from_json(fields["details"])
    fields["enabled"] = bool(fields["enabled"])
    return Device(provision_state=from_json(row[-1]), **fields)
