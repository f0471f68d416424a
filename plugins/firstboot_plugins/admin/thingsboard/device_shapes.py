"""Devices as ThingsBoard's REST shows and takes them (contract 5.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from firstboot.app import Services
from firstboot.model import Customer, Device, DeviceProfile
from firstboot.sessions import device_owner
from firstboot_plugins.admin.thingsboard.entity_ids import EntityId, EntityType, GivenId, entity_id
from firstboot_plugins.admin.thingsboard.shapes import Shape, Text
from firstboot_plugins.admin.thingsboard.tenancy import tenant_uuid

JsonObject = dict[str, Any]

DEVICE_DATA: JsonObject = {
    "configuration": {"type": "DEFAULT"},
    "transportConfiguration": {"type": "DEFAULT"},
}
"""What a device has when nobody has said anything else."""


class DeviceBody(Shape):
    """A device as clients send it. What the server alone decides, such as the tenant, is ignored (threat LG-8)."""

    id: GivenId | None = None
    name: Text | None = None
    type: Text | None = None
    label: Text | None = None
    device_profile_id: GivenId | None = None
    customer_id: GivenId | None = None
    firmware_id: GivenId | None = None
    software_id: GivenId | None = None
    additional_info: JsonObject | None = None
    device_data: JsonObject | None = None
    version: Annotated[int, Field(ge=0, lt=2**31)] | None = None

    def details(self) -> JsonObject | None:
        """Return what is kept for the client and means nothing to the server."""
        kept: JsonObject = {}
        for name, sent in (("firmwareId", self.firmware_id), ("softwareId", self.software_id)):
            if sent is not None:
                kept[name] = str(sent.id)
        if self.device_data not in (None, DEVICE_DATA):
            kept["deviceData"] = self.device_data
        return kept or None


class DeviceShape(Shape):
    """A device."""

    id: EntityId
    created_time: int
    tenant_id: EntityId
    customer_id: EntityId
    name: str
    type: str
    """The name of its profile."""
    label: str | None
    device_profile_id: EntityId
    firmware_id: JsonObject | None
    software_id: JsonObject | None
    external_id: None = None
    version: int
    additional_info: JsonObject | None
    device_data: JsonObject


class DeviceInfoShape(DeviceShape):
    """A device, and what a list shows beside it."""

    customer_title: str | None
    customer_is_public: bool
    device_profile_name: str
    active: bool
    """Whether it has a session on the server that was asked."""


class DeviceShapes:
    """Puts devices of one tenant into their shapes; looks up once what they refer to."""

    def __init__(
        self,
        services: Services,
        tenant: UUID,
        customers: Mapping[int, Customer],
        profiles: Mapping[int, DeviceProfile],
    ) -> None:
        self._services = services
        self._tenant = tenant
        self._customers = customers
        self._profiles = profiles

    @classmethod
    async def of(cls, services: Services, tenant_id: int, devices: Sequence[Device]) -> DeviceShapes:
        """Look up what these devices refer to."""
        tenant = await tenant_uuid(services, tenant_id)
        ids = {device.customer_id for device in devices if device.customer_id is not None}
        customers = await services.customers.by_id(tenant_id, ids)
        profiles = {profile.id: profile for profile in services.profile_directory.all()}
        if any(device.profile_id not in profiles for device in devices):  # made a moment ago
            profiles = {profile.id: profile for profile in await services.storage.all_profiles()}
        return cls(services, tenant, customers, profiles)

    def shape(self, device: Device) -> DeviceShape:
        return DeviceShape(**self._fields(device))

    def info(self, device: Device) -> DeviceInfoShape:
        customer = self._customer(device)
        fields = self._fields(device)
        return DeviceInfoShape(
            **fields,
            customer_title=customer.title if customer else None,
            customer_is_public=False,
            device_profile_name=fields["type"],
            active=self._services.sessions.is_open(device_owner(device.id)),
        )

    def _customer(self, device: Device) -> Customer | None:
        return None if device.customer_id is None else self._customers.get(device.customer_id)

    def _fields(self, device: Device) -> dict[str, Any]:
        customer = self._customer(device)
        profile = self._profiles.get(device.profile_id)
        details = device.details or {}
        return {
            "id": entity_id(EntityType.DEVICE, device.public_id),
            "created_time": device.created_at_ms,
            "tenant_id": entity_id(EntityType.TENANT, self._tenant),
            "customer_id": entity_id(EntityType.CUSTOMER, customer.public_id if customer else None),
            "name": device.name,
            "type": profile.name if profile else "",
            "label": device.label,
            "device_profile_id": entity_id(EntityType.DEVICE_PROFILE, profile.public_id if profile else None),
            "firmware_id": _package_id(details.get("firmwareId")),
            "software_id": _package_id(details.get("softwareId")),
            "version": device.version,
            "additional_info": None if device.additional_info is None else dict(device.additional_info),
            "device_data": details.get("deviceData", DEVICE_DATA),
        }


def _package_id(public_id: str | None) -> JsonObject | None:
    return None if public_id is None else {"entityType": "OTA_PACKAGE", "id": public_id}
