"""Calls about customers (contract 5.4)."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from firstboot.errors import NotFound
from firstboot.model import Customer
from firstboot.storage import PageQuery
from firstboot_plugins.admin.operation import Call, Operation, operation, tenant_admins, tenant_people
from firstboot_plugins.admin.thingsboard.customer_shapes import (
    CustomerBody,
    CustomerShape,
    CustomerShortInfo,
    TitleParameters,
    customer_shape,
)
from firstboot_plugins.admin.thingsboard.device_access import customer_of
from firstboot_plugins.admin.thingsboard.entity_ids import given
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.paging import PageData, PageParameters, page_data
from firstboot_plugins.admin.thingsboard.tenancy import tenant_uuid

TAG = "Customers"
_READ = "customers:read"
_WRITE = "customers:write"
_PATH = "/api/customer/{customerId:uuid}"
_SORTABLE = {"createdTime": "created_at_ms", "title": "name"}


@operation(
    "POST",
    "/api/customer",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins(_WRITE),
    body=CustomerBody,
    answers=CustomerShape,
)
async def save_customer(call: Call) -> CustomerShape:
    """Make a customer, or replace the one whose id is given."""
    sent: CustomerBody = call.body
    customers = call.services.customers
    public_id = given(sent.id)
    if public_id is None:
        made = await customers.create(call.tenant_id, sent.title or "", sent.details(), actor=call.actor)
        return await _shown(call, made)
    old = await customers.get(call.tenant_id, public_id)
    new = replace(old, title=sent.title or "", details=sent.details())
    return await _shown(call, await customers.update(new, expected_version=sent.version, actor=call.actor))


@operation("GET", _PATH, dialect=THINGSBOARD, tag=TAG, access=tenant_people(_READ), answers=CustomerShape)
async def get_customer(call: Call) -> CustomerShape:
    """Return a customer; people of a customer see their own."""
    return await _shown(call, await customer_of(call, call.path["customerId"]))


@operation(
    "GET",
    f"{_PATH}/shortInfo",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_people(_READ),
    answers=CustomerShortInfo,
)
async def get_customer_short_info(call: Call) -> CustomerShortInfo:
    """Return the title of a customer."""
    customer = await customer_of(call, call.path["customerId"])
    return CustomerShortInfo(title=customer.title, is_public=False)


@operation("DELETE", _PATH, dialect=THINGSBOARD, tag=TAG, access=tenant_admins(_WRITE))
async def delete_customer(call: Call) -> None:
    """Delete a customer and its users. Its devices stay, and belong to no customer."""
    customer = await call.services.customers.get(call.tenant_id, call.path["customerId"])
    await call.services.customers.delete(customer, actor=call.actor)


@operation(
    "GET",
    "/api/customers",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins(_READ),
    query=PageParameters,
    answers=PageData[CustomerShape],
)
async def get_customers(call: Call) -> PageData[CustomerShape]:
    """List the tenant's customers, page by page."""
    page = await call.services.customers.page(call.tenant_id, PageQuery(**call.query.fields(_SORTABLE)))
    tenant = await _tenant(call)
    return page_data(page, [customer_shape(customer, tenant) for customer in page.rows], call.query)


@operation(
    "GET",
    "/api/tenant/customers",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins(_READ),
    query=TitleParameters,
    answers=CustomerShape,
)
async def get_tenant_customer(call: Call) -> CustomerShape:
    """Return the customer with this title."""
    try:
        customer = await call.services.customers.by_title(call.tenant_id, call.query.customer_title)
    except NotFound:
        raise NotFound("Requested item wasn't found!") from None
    return await _shown(call, customer)


async def _tenant(call: Call) -> UUID:
    return await tenant_uuid(call.services, call.tenant_id)


async def _shown(call: Call, customer: Customer) -> CustomerShape:
    return customer_shape(customer, await _tenant(call))


OPERATIONS: tuple[Operation, ...] = (
    save_customer,
    get_customer,
    get_customer_short_info,
    delete_customer,
    get_customers,
    get_tenant_customer,
)
