"""Calls about users (contract 5.4)."""

from __future__ import annotations

from dataclasses import replace

from firstboot.errors import InvalidValue
from firstboot.model import Authority, User
from firstboot.storage import PageQuery
from firstboot_plugins.admin.failures import Failure, forbidden
from firstboot_plugins.admin.operation import Call, Operation, operation, tenant_admins, tenant_people
from firstboot_plugins.admin.thingsboard.entity_ids import given
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.paging import PageData, PageParameters, page_data
from firstboot_plugins.admin.thingsboard.user_access import check_may_manage, managed_user, shown, visible_user
from firstboot_plugins.admin.thingsboard.user_shapes import (
    ActivationParameters,
    EnabledParameters,
    UserBody,
    UserShape,
)

TAG = "Users"
_READ = "customers:read"
_WRITE = "users:write"
_PATH = "/api/user/{userId:uuid}"
_SORTABLE = {"createdTime": "created_at_ms", "email": "name"}


@operation(
    "POST",
    "/api/user",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins(_WRITE),
    query=ActivationParameters,
    body=UserBody,
    answers=UserShape,
)
async def save_user(call: Call) -> UserShape:
    """Make a user, who is inactive until a first password is chosen, or replace the one whose id is given.

    This server sends no e-mail: making a user needs sendActivationMail=false, and the link is to be had from
    activationLink. Authority and customer are those with which the user was made.
    """
    sent: UserBody = call.body
    public_id = given(sent.id)
    if public_id is None:
        return (await shown(call, [await _made(call, sent)]))[0]
    old = await managed_user(call, public_id)
    new = replace(
        old,
        email=sent.email or "",
        first_name=sent.first_name,
        last_name=sent.last_name,
        details=sent.details(),
    )
    # Also for who sends no version: a password that is changed meanwhile must not be undone.
    version = old.version if sent.version is None else sent.version
    new = await call.services.users.update(new, expected_version=version, actor=call.actor)
    return (await shown(call, [new]))[0]


@operation("GET", _PATH, dialect=THINGSBOARD, tag=TAG, access=tenant_people(_READ), answers=UserShape)
async def get_user(call: Call) -> UserShape:
    """Return a user; people of a customer see those of their own."""
    return (await shown(call, [await visible_user(call, call.path["userId"])]))[0]


@operation("DELETE", _PATH, dialect=THINGSBOARD, tag=TAG, access=tenant_admins(_WRITE))
async def delete_user(call: Call) -> None:
    """Delete a user; all logins end at once."""
    await call.services.users.delete(await managed_user(call, call.path["userId"]), actor=call.actor)


@operation(
    "POST",
    f"{_PATH}/userCredentialsEnabled",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins(_WRITE),
    query=EnabledParameters,
)
async def set_user_credentials_enabled(call: Call) -> None:
    """Let a user log in, or not; then all logins end at once."""
    user = await managed_user(call, call.path["userId"])
    users = call.services.users
    change = users.enable if call.query.user_credentials_enabled else users.disable
    await change(user, actor=call.actor)


@operation(
    "GET",
    "/api/users",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_people(_READ),
    query=PageParameters,
    answers=PageData[UserShape],
)
async def get_users(call: Call) -> PageData[UserShape]:
    """List the tenant's users page by page; people of a customer see those of their own."""
    return await _page(call, call.customer_id)


@operation(
    "GET",
    "/api/customer/{customerId:uuid}/users",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins(_READ),
    query=PageParameters,
    answers=PageData[UserShape],
)
async def get_customer_users(call: Call) -> PageData[UserShape]:
    """List the users of a customer, page by page."""
    customer = await call.services.customers.get(call.tenant_id, call.path["customerId"])
    return await _page(call, customer.id)


async def _page(call: Call, customer_id: int | None) -> PageData[UserShape]:
    query = PageQuery(**call.query.fields(_SORTABLE))
    page = await call.services.users.page(call.tenant_id, query, customer_id=customer_id)
    return page_data(page, await shown(call, page.rows), call.query)


async def _made(call: Call, sent: UserBody) -> User:
    if sent.authority is None:
        raise InvalidValue("User authority isn't defined!")
    if sent.authority is Authority.SYS_ADMIN:
        raise forbidden()
    check_may_manage(call, sent.authority)
    customer_id = None
    public_id = given(sent.customer_id)
    if sent.authority is Authority.CUSTOMER_USER:
        if public_id is None:
            raise InvalidValue("Customer user should be assigned to customer!")
        customer_id = (await call.services.customers.get(call.tenant_id, public_id)).id
    elif public_id is not None:
        raise InvalidValue("Tenant administrator can't be assigned to customer!")
    if call.query.send_activation_mail:
        raise Failure(500, "Couldn't send user activation email", code="no-mail-server")
    return await call.services.users.create(
        call.tenant_id,
        email=sent.email or "",
        authority=sent.authority,
        customer_id=customer_id,
        first_name=sent.first_name,
        last_name=sent.last_name,
        details=sent.details(),
        actor=call.actor,
    )


OPERATIONS: tuple[Operation, ...] = (
    save_user,
    get_user,
    delete_user,
    set_user_credentials_enabled,
    get_users,
    get_customer_users,
)
