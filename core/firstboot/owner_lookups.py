"""Finding what people and devices name when a device changes its owner."""

from __future__ import annotations

from firstboot.errors import InvalidValue, NotAllowed, NotFound
from firstboot.model import Customer, Device, DeviceRef, User
from firstboot.names import clean_name
from firstboot.storage import Storage


async def customer_of(storage: Storage, user: User) -> Customer:
    """Return the customer for whom a user acts.

    Raises: `NotAllowed` for somebody who is no customer's user.
    """
    if user.tenant_id is None or user.customer_id is None:
        raise NotAllowed("Only a customer's users claim devices.")
    for customer in await storage.customers_by_id(user.tenant_id, [user.customer_id]):
        return customer
    raise NotAllowed("The customer was deleted.")


async def device_named(storage: Storage, tenant_id: int, name: str) -> Device | None:
    """Return the tenant's device of a name as somebody typed it; None also for a name that no device can have."""
    try:
        name = clean_name(name, "device name")
    except InvalidValue:
        name = ""  # asked for all the same: it takes as long as a name that is free (threat CM-7)
    return await storage.find_device(tenant_id, name)


async def read_again(storage: Storage, device: DeviceRef) -> Device:
    """Return a device as it is now.

    Raises: `NotFound`.
    """
    found = await storage.device_by_public_id(device.tenant_id, device.public_id)
    if found is None:
        raise NotFound(f"There is no device named {device.name!r}.")
    return found
