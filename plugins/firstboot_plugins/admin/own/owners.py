"""Who owns a device, who has owned it, and giving it to somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import Field

from firstboot.device_history import entries_of
from firstboot.model import Device
from firstboot.ownership import OWNER_EVENTS
from firstboot.storage import AuditRow
from firstboot_plugins.admin.operation import Call, operation, tenant_admins
from firstboot_plugins.admin.own.cursors import MAX_CURSOR_LENGTH, make_cursor, read_cursor
from firstboot_plugins.admin.own.in_path import device_in_path
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Asked, Sent, Told

TAG = "Claiming"
_LIST = "owners"
_MAX_LOOKED_AT = 5000
"""Entries of a device that one request looks at; a list in which few are told goes on with the next request."""


class Owner(Told):
    """The customer who has a device."""

    customer_id: UUID
    title: str


class OwnerChange(Told):
    """A device got an owner, or lost one."""

    at_ms: int
    event: str
    """`device-claimed`, `device-transferred`, `device-released`, `device-assigned` or `device-unassigned`."""
    actor: str
    """Who did it."""
    address: str
    detail: str
    """To whom it went."""


class Owners(Told):
    """Who has a device, and who had it: the newest change first."""

    owner: Owner | None
    changes: Sequence[OwnerChange]
    """Those in the audit log. There may be fewer than asked for, or none, and still more."""
    cursor: str | None
    """Ask again with it for older ones; null: there are none."""


class OwnersFilter(Asked):
    """Which changes to list."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, Field(max_length=MAX_CURSOR_LENGTH)] | None = None


class NewOwner(Sent):
    """Who is to have a device."""

    customer_id: Annotated[UUID, Field(strict=False)] | None
    """Null: nobody."""


class OwnerAnswer(Told):
    """Who has a device now; null: nobody."""

    owner: Owner | None


@operation(
    "GET",
    "/api/firstboot/devices/{deviceId:uuid}/owners",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("audit:read"),
    query=OwnersFilter,
    answers=Owners,
)
async def owners(call: Call) -> Owners:
    """Show who has a device, and who claimed and released it when."""
    asked: OwnersFilter = call.query
    keyring = call.services.core.keyring
    device = await device_in_path(call)
    owner = await _owner(call, device)
    found: list[OwnerChange] = []
    before_id = None if asked.cursor is None else read_cursor(keyring, _LIST, asked.cursor)
    looked_at = 0
    async for row in entries_of(call.services.storage, device, before_id):
        looked_at += 1
        if row.entry.event in OWNER_EVENTS:
            found.append(_change(row))
        if len(found) == asked.limit or looked_at == _MAX_LOOKED_AT:
            return Owners(owner=owner, changes=found, cursor=make_cursor(keyring, _LIST, row.id))
    return Owners(owner=owner, changes=found, cursor=None)


@operation(
    "POST",
    "/api/firstboot/devices/{deviceId:uuid}/owner",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("devices:write"),
    body=NewOwner,
    answers=OwnerAnswer,
)
async def change_owner(call: Call) -> OwnerAnswer:
    """Give a device to a customer, or to nobody: from one customer to another without a moment in between."""
    sent: NewOwner = call.body
    device = await device_in_path(call)
    customer = None
    if sent.customer_id is not None:
        customer = await call.services.customers.get(call.tenant_id, sent.customer_id)
    changed = await call.services.ownership.assign(device, customer, actor=call.actor)
    return OwnerAnswer(owner=await _owner(call, changed))


async def _owner(call: Call, device: Device) -> Owner | None:
    if device.customer_id is None:
        return None
    found = await call.services.customers.by_id(call.tenant_id, [device.customer_id])
    customer = found.get(device.customer_id)
    return Owner(customer_id=customer.public_id, title=customer.title) if customer is not None else None


def _change(row: AuditRow) -> OwnerChange:
    entry = row.entry
    return OwnerChange(
        at_ms=entry.at_ms, event=entry.event, actor=entry.actor, address=entry.address, detail=entry.detail
    )


OPERATIONS = (owners, change_owner)
