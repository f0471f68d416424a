"""Giving devices to customers, also under the addresses that tb-rest-client 4.4 uses for it (contract 5.4)."""

from __future__ import annotations

from firstboot.errors import InvalidValue
from firstboot_plugins.admin.operation import Call, operation, tenant_admins
from firstboot_plugins.admin.thingsboard.device_access import customer_of, device_of
from firstboot_plugins.admin.thingsboard.device_shapes import DeviceShape
from firstboot_plugins.admin.thingsboard.devices import TAG, shown
from firstboot_plugins.admin.thingsboard.entity_ids import not_found
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.tenancy import tenant_uuid

_ACCESS = tenant_admins("devices:write")


@operation(
    "POST",
    "/api/customer/{customerId:uuid}/device/{deviceId:uuid}",
    dialect=THINGSBOARD,
    tag=TAG,
    access=_ACCESS,
    answers=DeviceShape,
)
async def assign_device(call: Call) -> object:
    """Give a device to a customer."""
    customer = await customer_of(call, call.path["customerId"])
    device = await device_of(call, call.path["deviceId"])
    return await shown(call, await call.services.ownership.assign(device, customer, actor=call.actor))


@operation(
    "DELETE",
    "/api/customer/device/{deviceId:uuid}",
    dialect=THINGSBOARD,
    tag=TAG,
    access=_ACCESS,
    answers=DeviceShape,
)
async def unassign_device(call: Call) -> object:
    """Take a device back from its customer."""
    device = await device_of(call, call.path["deviceId"])
    if device.customer_id is None:
        raise InvalidValue("Device isn't assigned to any customer!")
    return await shown(call, await call.services.ownership.assign(device, None, actor=call.actor))


@operation(
    "POST",
    "/api/owner/CUSTOMER/{customerId:uuid}/DEVICE/{deviceId:uuid}",
    dialect=THINGSBOARD,
    tag=TAG,
    access=_ACCESS,
)
async def give_to_customer(call: Call) -> None:
    """Give a device to a customer."""
    customer = await customer_of(call, call.path["customerId"])
    device = await device_of(call, call.path["deviceId"])
    await call.services.ownership.assign(device, customer, actor=call.actor)


@operation(
    "POST",
    "/api/owner/TENANT/{tenantId:uuid}/DEVICE/{deviceId:uuid}",
    dialect=THINGSBOARD,
    tag=TAG,
    access=_ACCESS,
)
async def give_to_tenant(call: Call) -> None:
    """Take a device back from its customer; one that has none stays as it is."""
    owner = call.path["tenantId"]
    if owner != await tenant_uuid(call.services, call.tenant_id):
        raise not_found("Tenant", owner)
    device = await device_of(call, call.path["deviceId"])
    if device.customer_id is not None:
        await call.services.ownership.assign(device, None, actor=call.actor)


OPERATIONS = (assign_device, unassign_device, give_to_customer, give_to_tenant)
