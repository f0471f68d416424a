"""Public ids of the tenant and the customers that things belong to; inside they go by number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from firstboot.app import Services


async def tenant_uuid(services: Services, tenant_id: int) -> UUID:
    """Return the public id of a tenant."""
    return (await services.tenants.get(tenant_id)).public_id


async def customer_uuids(
    services: Services, tenant_id: int, ids: Iterable[int | None]
) -> Mapping[int | None, UUID]:
    """Return the public ids of those customers that exist; None, for no customer, is not among them."""
    found = await services.customers.by_id(tenant_id, {each for each in ids if each is not None})
    return {customer.id: customer.public_id for customer in found.values()}
