"""Which device a call is about, and whether the asker may see it (threat TN-1)."""

from __future__ import annotations

from uuid import UUID

from firstboot.errors import NotFound
from firstboot.model import Customer, Device
from firstboot.owner_lookups import device_named
from firstboot_plugins.admin.failures import forbidden
from firstboot_plugins.admin.operation import Call


async def device_of(call: Call, public_id: UUID) -> Device:
    """Return a device of the asker's tenant that the asker may see.

    Raises: `NotFound` when the tenant has none such; `Failure` (403) when it belongs to another customer.
    """
    device = await call.services.devices.by_public_id(call.tenant_id, public_id)
    if call.customer_id is not None and device.customer_id != call.customer_id:
        raise forbidden()
    return device


async def customer_of(call: Call, public_id: UUID) -> Customer:
    """Return a customer of the asker's tenant; people of a customer see their own only.

    Raises: `NotFound`, `Failure` (403).
    """
    customer = await call.services.customers.get(call.tenant_id, public_id)
    if call.customer_id is not None and customer.id != call.customer_id:
        raise forbidden()
    return customer


async def device_by_name(call: Call, name: str) -> Device:
    """Return a device of the asker's tenant by its name.

    Raises: `NotFound`.
    """
    device = await device_named(call.services.storage, call.tenant_id, name)
    if device is None:
        raise NotFound("Requested item wasn't found!")
    return device
