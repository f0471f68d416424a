"""Which user a call is about, and whether the asker may see or change that user (threats LG-8, TN-1)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from firstboot.model import Authority, User
from firstboot_plugins.admin.failures import forbidden
from firstboot_plugins.admin.operation import Call
from firstboot_plugins.admin.thingsboard.tenancy import customer_uuids, tenant_uuid
from firstboot_plugins.admin.thingsboard.user_shapes import UserShape, user_shape


async def visible_user(call: Call, public_id: UUID) -> User:
    """Return a user of the asker's tenant; people of a customer see those of their own.

    Raises: `firstboot.errors.NotFound`, `Failure` (403).
    """
    user = await call.services.users.get(public_id, tenant_id=call.tenant_id)
    if call.customer_id is not None and user.customer_id != call.customer_id:
        raise forbidden()
    return user


async def managed_user(call: Call, public_id: UUID) -> User:
    """Return a user of the asker's tenant whom the asker may change.

    Raises: `firstboot.errors.NotFound`, `Failure` (403).
    """
    user = await call.services.users.get(public_id, tenant_id=call.tenant_id)
    check_may_manage(call, user.authority)
    return user


def check_may_manage(call: Call, authority: Authority) -> None:
    """Keep API tokens to users of customers: with an administrator of its own a token would have every scope.

    Raises: `Failure` (403).
    """
    limited = call.identity.scopes is not None
    if authority is Authority.SYS_ADMIN or (limited and authority is not Authority.CUSTOMER_USER):
        raise forbidden()


async def shown(call: Call, users: Sequence[User]) -> list[UserShape]:
    """Return users of one tenant as JSON."""
    if not users:
        return []
    tenant_id = users[0].tenant_id
    if tenant_id is None:
        return [user_shape(user, None, None) for user in users]
    tenant = await tenant_uuid(call.services, tenant_id)
    customers = await customer_uuids(call.services, tenant_id, (user.customer_id for user in users))
    return [user_shape(user, tenant, customers.get(user.customer_id)) for user in users]
