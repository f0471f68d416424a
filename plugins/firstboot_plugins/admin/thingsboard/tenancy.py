"""Public ids of the tenant and the customers that things belong to; inside they go by number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID
from weakref import WeakKeyDictionary

from firstboot.errors import NotFound

if TYPE_CHECKING:
    from firstboot.model import Tenant
    from firstboot.storage import Storage

_tenants: WeakKeyDictionary[Storage, dict[int, Tenant]] = WeakKeyDictionary()
"""Tenants never change their ids, so each is read once."""


async def tenant_of(storage: Storage, tenant_id: int) -> Tenant:
    """Return a tenant by its number.

    Raises: `NotFound`.
    """
    known = _tenants.setdefault(storage, {})
    if tenant_id not in known:
        known.update({tenant.id: tenant for tenant in await storage.all_tenants()})
    if tenant_id not in known:
        raise NotFound("The tenant is not there any more.")
    return known[tenant_id]


async def tenant_uuid(storage: Storage, tenant_id: int) -> UUID:
    """Return the public id of a tenant."""
    return (await tenant_of(storage, tenant_id)).public_id


async def customer_uuids(storage: Storage, tenant_id: int, ids: Iterable[int | None]) -> Mapping[int | None, UUID]:
    """Return the public ids of those customers that exist; None, for no customer, is not among them."""
    wanted = {each for each in ids if each is not None}
    if not wanted:
        return {}
    return {customer.id: customer.public_id for customer in await storage.customers_by_id(tenant_id, wanted)}
