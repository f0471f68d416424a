"""The call about the own tenant."""

from __future__ import annotations

from firstboot_plugins.admin.operation import Call, Operation, operation, tenant_people
from firstboot_plugins.admin.thingsboard.entity_ids import EntityId, EntityType, entity_id, not_found
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.shapes import Shape


class TenantShape(Shape):
    """A tenant."""

    id: EntityId
    created_time: int
    title: str
    name: str
    """The title."""


@operation(
    "GET",
    "/api/tenant/{tenantId:uuid}",
    dialect=THINGSBOARD,
    tag="Tenants",
    access=tenant_people("server:read"),
    answers=TenantShape,
)
async def get_tenant(call: Call) -> TenantShape:
    """Return the tenant to which the asker belongs; there is no other for him."""
    tenant = await call.services.tenants.get(call.tenant_id)
    if tenant.public_id != call.path["tenantId"]:
        raise not_found("Tenant", call.path["tenantId"])
    return TenantShape(
        id=entity_id(EntityType.TENANT, tenant.public_id),
        created_time=tenant.created_at_ms,
        title=tenant.name,
        name=tenant.name,
    )


OPERATIONS: tuple[Operation, ...] = (get_tenant,)
