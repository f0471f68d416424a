"""What `firstboot.testing.MemoryStorage` holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from typing import Any
from uuid import UUID

from firstboot.model import (
    ApiToken,
    ClaimOpener,
    ClaimWindow,
    Customer,
    Device,
    DeviceProfile,
    LatestValue,
    PoolMember,
    Resource,
    ResourceRow,
    Scope,
    Tenant,
    User,
    UserSession,
)
from firstboot.storage import AuditRow, Change, ChangeKind, RevokedCertificate, SealedCredentials


@dataclass(frozen=True)
class Kept:
    """Credentials of a device; ``valid_until_ms`` as in `firstboot.storage.FoundCredentials`."""

    credentials: SealedCredentials
    device_id: int
    valid_until_ms: int | None = None


@dataclass
class Tables:
    """Everything that is stored. The values are immutable, so that shallow copies are copies."""

    last_id: int = 0
    tenants: dict[int, Tenant] = field(default_factory=dict)
    customers: dict[int, Customer] = field(default_factory=dict)
    users: dict[int, User] = field(default_factory=dict)
    sessions: dict[UUID, UserSession] = field(default_factory=dict)
    tokens: dict[int, ApiToken] = field(default_factory=dict)
    profiles: dict[int, DeviceProfile] = field(default_factory=dict)
    devices: dict[int, Device] = field(default_factory=dict)
    names: dict[tuple[int, str], int] = field(default_factory=dict)
    attributes: dict[tuple[int, Scope, str], tuple[str, int]] = field(default_factory=dict)
    """Values as JSON text, what a caller does to a list or an object later changes nothing here; and moments."""
    telemetry: dict[tuple[int, str], LatestValue] = field(default_factory=dict)
    windows: dict[tuple[int, ClaimOpener], ClaimWindow] = field(default_factory=dict)
    credentials: dict[bytes, Kept] = field(default_factory=dict)
    revoked: dict[str, RevokedCertificate] = field(default_factory=dict)
    members: dict[int, PoolMember] = field(default_factory=dict)
    """By the ids of their devices; what is the device's own in it is not kept up to date."""
    resources: dict[int, Resource] = field(default_factory=dict)
    rows: dict[int, tuple[ResourceRow, ...]] = field(default_factory=dict)
    audit: list[AuditRow] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    meta: dict[str, bytes] = field(default_factory=dict)

    def new_id(self) -> int:
        """Return an id that nothing has had before."""
        self.last_id += 1
        return self.last_id

    def tell(self, kind: ChangeKind, ref: int, detail: str | None = None) -> None:
        """Tell other processes."""
        self.changes.append(Change(len(self.changes) + 1, kind, ref, detail))

    def change_device(self, device_id: int, **values: Any) -> None:
        """Set fields of a device."""
        self.devices[device_id] = replace(self.devices[device_id], **values)

    def count_devices(self, profile_id: int) -> int:
        """Return how many devices a profile has."""
        return sum(device.profile_id == profile_id for device in self.devices.values())

    def members_in(self, profile_id: int) -> list[PoolMember]:
        """Return the members of a pool, in the order of their ids."""
        found = [member for member in self.members.values() if member.profile_id == profile_id]
        devices = [(member, self.devices[member.device_id]) for member in found]
        return [
            replace(member, device_name=device.name, first_login_at_ms=device.first_login_at_ms)
            for member, device in devices
        ]

    def member_of(self, profile_id: int, hardware_id: str) -> PoolMember | None:
        """Return the member of a pool that a hardware holds, or last held."""
        found = [member for member in self.members_in(profile_id) if member.hardware_id == hardware_id]
        return found[0] if found else None

    def has_customer(self, customer_id: int | None, tenant_id: int | None) -> bool:
        """Whether a customer is there in this tenant; nobody is everywhere."""
        if customer_id is None:
            return True
        customer = self.customers.get(customer_id)
        return customer is not None and customer.tenant_id == tenant_id

    def has_device(self, device_id: int | None, tenant_id: int) -> bool:
        """Whether a device is there in this tenant; none is everywhere."""
        if device_id is None:
            return True
        device = self.devices.get(device_id)
        return device is not None and device.tenant_id == tenant_id

    def saved(self) -> dict[str, Any]:
        """Return a copy of everything."""
        return {each.name: copy(getattr(self, each.name)) for each in fields(self)}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Put back what `saved` returned."""
        vars(self).update(saved)


def json_copy(value: Any) -> Any:
    """Return a value that does not change with the one that was given."""
    return json.loads(json.dumps(value))
