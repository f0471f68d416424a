"""Tenants and customers are made, replaced and deleted."""

from __future__ import annotations

from firstboot.model import Customer
from firstboot.storage import (
    ChangeKind,
    CreateCustomer,
    CreateTenant,
    DeleteCustomer,
    Outcome,
    UpdateCustomer,
    WriteResult,
)
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.encoding import to_json
from firstboot_plugins.storage_tortoise.people_columns import CUSTOMER_COLUMNS, TENANT_COLUMNS
from firstboot_plugins.storage_tortoise.statements import Algorithm, Run, inserting, updating

_INSERT_TENANT = inserting("tenant", TENANT_COLUMNS[1:])
_INSERT = inserting("customer", CUSTOMER_COLUMNS[1:])
_UPDATE = updating("customer", ("title", "details"))


def create_tenant(write: CreateTenant, changes: Changes) -> Algorithm[WriteResult]:
    """Make a tenant."""
    tenant = write.tenant
    rows = yield Run("SELECT id FROM tenant WHERE name = ?", (tenant.name,))
    if rows:
        return WriteResult(Outcome.NAME_TAKEN)
    rows = yield Run(_INSERT_TENANT, (tenant.name, tenant.public_id.bytes, tenant.created_at_ms))
    return WriteResult(Outcome.DONE, rows[0][0])


def create_customer(write: CreateCustomer, changes: Changes) -> Algorithm[WriteResult]:
    """Make a customer of a tenant."""
    customer = write.customer
    rows = yield Run("SELECT id FROM tenant WHERE id = ?", (customer.tenant_id,))
    if not rows:
        return WriteResult(Outcome.GONE)
    if (yield from _title_taken(customer, own_id=0)):
        return WriteResult(Outcome.NAME_TAKEN)
    details = to_json(dict(customer.details))
    rows = yield Run(
        _INSERT,
        (customer.public_id.bytes, customer.tenant_id, customer.title, details, 1, customer.created_at_ms),
    )
    return WriteResult(Outcome.DONE, rows[0][0])


def update_customer(write: UpdateCustomer, changes: Changes) -> Algorithm[WriteResult]:
    """Replace title and details."""
    customer = write.customer
    rows = yield Run(
        "SELECT version FROM customer WHERE id = ? AND tenant_id = ?", (customer.id, customer.tenant_id)
    )
    if not rows:
        return WriteResult(Outcome.GONE)
    if write.expected_version not in (None, rows[0][0]):
        return WriteResult(Outcome.STALE)
    if (yield from _title_taken(customer, own_id=customer.id)):
        return WriteResult(Outcome.NAME_TAKEN)
    rows = yield Run(_UPDATE, (customer.title, to_json(dict(customer.details)), customer.id))
    return WriteResult(Outcome.DONE, version=rows[0][0])


def _title_taken(customer: Customer, own_id: int) -> Algorithm[bool]:
    rows = yield Run(
        "SELECT id FROM customer WHERE tenant_id = ? AND title = ? AND id <> ?",
        (customer.tenant_id, customer.title, own_id),
    )
    return bool(rows)


def delete_customer(write: DeleteCustomer, changes: Changes) -> Algorithm[WriteResult]:
    """Delete a customer; its users go and its devices are freed by their foreign keys."""
    users = yield Run("SELECT id FROM app_user WHERE customer_id = ? ORDER BY id", (write.customer_id,))
    rows = yield Run("DELETE FROM customer WHERE id = ? RETURNING id", (write.customer_id,))
    if not rows:
        return WriteResult(Outcome.GONE)
    for (user_id,) in users:
        changes.tell(ChangeKind.USER, user_id, write.audit.at_ms)
    return WriteResult(Outcome.DONE)
