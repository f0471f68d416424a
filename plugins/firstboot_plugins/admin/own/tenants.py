"""Tenants and their administrators, for administrators of the installation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from firstboot.errors import InvalidValue
from firstboot.model import Authority, Tenant, User
from firstboot.storage import PageQuery
from firstboot_plugins.admin.operation import Call, operation, system_admins
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Asked, Sent, Told
from firstboot_plugins.admin.public_url import activation_link

TAG = "Tenants"
_TENANTS = "/api/firstboot/tenants"
_USERS = f"{_TENANTS}/{{tenantId:uuid}}/users"
_MAX_PAGE = 2**31 - 1

Name = Annotated[str, Field(min_length=1, max_length=255)]


class NewTenant(Sent):
    """A tenant to make."""

    name: Name


class TenantTold(Told):
    """A tenant."""

    id: UUID
    name: str
    created_at_ms: int


class TenantList(Told):
    """All tenants of the installation."""

    tenants: Sequence[TenantTold]


class NewAdmin(Sent):
    """An administrator of a tenant to make."""

    email: Annotated[str, Field(min_length=3, max_length=255)]
    first_name: Name | None = None
    last_name: Name | None = None


class UserTold(Told):
    """A person of a tenant."""

    id: UUID
    email: str
    authority: Literal["SYS_ADMIN", "TENANT_ADMIN", "CUSTOMER_USER"]
    first_name: str | None
    last_name: str | None
    enabled: bool
    active: bool
    """Whether a password was chosen."""
    created_at_ms: int


class MadeAdmin(UserTold):
    """An administrator who has to choose a password yet."""

    activation_link: str
    """Whoever opens it chooses the password: it belongs into no log."""


class UserFilter(Asked):
    """Which page of a tenant's users."""

    page: Annotated[int, Field(ge=0, le=_MAX_PAGE)] = 0
    page_size: Annotated[int, Field(ge=1, le=1000)] = 100
    text: Annotated[str, Field(max_length=255)] | None = None


class UserList(Told):
    """Users of a tenant, the oldest first."""

    users: Sequence[UserTold]
    total: int


@operation("GET", _TENANTS, dialect=FIRSTBOOT, tag=TAG, access=system_admins(), answers=TenantList)
async def list_tenants(call: Call) -> TenantList:
    """List the tenants of the installation."""
    return TenantList(tenants=[_told(tenant) for tenant in await call.services.tenants.all()])


@operation(
    "POST",
    _TENANTS,
    dialect=FIRSTBOOT,
    tag=TAG,
    access=system_admins(),
    body=NewTenant,
    answers=TenantTold,
    status=201,
)
async def create_tenant(call: Call) -> TenantTold:
    """Make a tenant, which has nobody and nothing yet."""
    sent: NewTenant = call.body
    return _told(await call.services.tenants.create(sent.name, actor=call.actor))


@operation("GET", _USERS, dialect=FIRSTBOOT, tag=TAG, access=system_admins(), query=UserFilter, answers=UserList)
async def list_users(call: Call) -> UserList:
    """List the users of a tenant."""
    asked: UserFilter = call.query
    tenant = await call.services.tenants.by_public_id(call.path["tenantId"])
    page = await call.services.users.page(
        tenant.id, PageQuery(page=asked.page, page_size=asked.page_size, text=asked.text or None)
    )
    return UserList(users=[UserTold(**_fields(user)) for user in page.rows], total=page.total)


@operation(
    "POST",
    _USERS,
    dialect=FIRSTBOOT,
    tag=TAG,
    access=system_admins(),
    body=NewAdmin,
    answers=MadeAdmin,
    status=201,
)
async def create_admin(call: Call) -> MadeAdmin:
    """Make an administrator of a tenant, who chooses a password with the link in the answer."""
    sent: NewAdmin = call.body
    users = call.services.users
    tenant = await call.services.tenants.by_public_id(call.path["tenantId"])
    user = await users.create(
        tenant.id,
        email=sent.email,
        authority=Authority.TENANT_ADMIN,
        first_name=sent.first_name,
        last_name=sent.last_name,
        actor=call.actor,
    )
    token = await users.activation_token(user, actor=call.actor)
    return MadeAdmin(**_fields(user), activation_link=activation_link(call.services, token))


@operation("DELETE", f"{_USERS}/{{userId:uuid}}", dialect=FIRSTBOOT, tag=TAG, access=system_admins(), status=204)
async def delete_user(call: Call) -> None:
    """Delete a user of a tenant; all of his sessions end."""
    users = call.services.users
    tenant = await call.services.tenants.by_public_id(call.path["tenantId"])
    user = await users.get(call.path["userId"], tenant_id=tenant.id)
    if user.public_id == (call.identity.user and call.identity.user.public_id):
        raise InvalidValue("Nobody deletes himself.")
    await users.delete(user, actor=call.actor)


OPERATIONS = (list_tenants, create_tenant, list_users, create_admin, delete_user)


def _told(tenant: Tenant) -> TenantTold:
    return TenantTold(id=tenant.public_id, name=tenant.name, created_at_ms=tenant.created_at_ms)


def _fields(user: User) -> dict[str, Any]:
    return {
        "id": user.public_id,
        "email": user.email,
        "authority": user.authority.value,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "enabled": user.enabled,
        "active": user.password_hash is not None,
        "created_at_ms": user.created_at_ms,
    }
