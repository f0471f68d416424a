"""Customers: whoever bought devices of a tenant. The texts of refusals are ThingsBoard's (contract 5.4)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from firstboot.attribute_values import check_value
from firstboot.batching import Batcher
from firstboot.clock import Clock, new_public_id
from firstboot.errors import AlreadyExists, InvalidValue, NotFound, VersionConflict
from firstboot.model import Customer, Device
from firstboot.names import clean_name
from firstboot.ownership import UNASSIGNED, NewOwner, OwnerChanged, Ownership
from firstboot.storage import (
    ASKED_FROM,
    AuditEntry,
    CreateCustomer,
    DeleteCustomer,
    DevicePageQuery,
    Outcome,
    Page,
    PageQuery,
    Storage,
    UpdateCustomer,
    Write,
    WriteResult,
)

RESERVED_TITLE = "Public"
_AT_A_TIME = 500
"""Devices that are taken from a customer at the same time."""


class CustomerService:
    """What a tenant does with its customers. Everything is looked for in one tenant only (threat TN-1)."""

    def __init__(
        self, storage: Storage, commits: Batcher[Write, WriteResult], clock: Clock, ownership: Ownership
    ) -> None:
        self._ownership = ownership
        self._storage = storage
        self._commits = commits
        self._clock = clock

    async def get(self, tenant_id: int, public_id: UUID) -> Customer:
        """Return a customer.

        Raises: `NotFound`.
        """
        customer = await self._storage.find_customer(tenant_id, public_id=public_id)
        if customer is None:
            raise _gone(public_id)
        return customer

    async def by_title(self, tenant_id: int, title: str) -> Customer:
        """Return a customer by its title, which is unique in the tenant.

        Raises: `NotFound`.
        """
        title = title.strip()
        query = PageQuery(text=title, sort="name")
        while True:  # it is among those that contain the title, mostly on the first page
            page = await self.page(tenant_id, query)
            for customer in page.rows:
                if customer.title == title:
                    return customer
            query = replace(query, page=query.page + 1)
            if query.page * query.page_size >= page.total:
                raise NotFound(f"There is no customer {title!r}.")

    async def by_id(self, tenant_id: int, ids: Collection[int]) -> Mapping[int, Customer]:
        """Return those of the ids that exist in the tenant, by id."""
        wanted = set(ids)
        found = await self._storage.customers_by_id(tenant_id, wanted) if wanted else ()
        return {customer.id: customer for customer in found}

    async def page(self, tenant_id: int, query: PageQuery) -> Page[Customer]:
        return await self._storage.page_customers(tenant_id, query)

    async def create(
        self, tenant_id: int, title: str, details: Mapping[str, Any] | None = None, *, actor: str
    ) -> Customer:
        """Make a customer.

        Raises: `InvalidValue`, `AlreadyExists`.
        """
        now_ms = self._clock.now_ms()
        customer = _checked(
            Customer(
                id=0,
                public_id=new_public_id(now_ms),
                tenant_id=tenant_id,
                title=title,
                details=details or {},
                created_at_ms=now_ms,
            )
        )
        audit = self._audit("customer-created", customer, actor)
        result = await self._commits.submit(CreateCustomer(customer=customer, audit=audit))
        _raise_unless_done(result, customer)
        return replace(customer, id=result.id)

    async def update(self, customer: Customer, *, expected_version: int | None = None, actor: str) -> Customer:
        """Replace title and details; ``expected_version`` None overwrites whatever is there.

        Raises: `InvalidValue`, `AlreadyExists`, `NotFound`, `VersionConflict`.
        """
        customer = _checked(customer)
        audit = self._audit("customer-updated", customer, actor)
        write = UpdateCustomer(customer=customer, expected_version=expected_version, audit=audit)
        result = await self._commits.submit(write)
        _raise_unless_done(result, customer)
        return replace(customer, version=result.version)

    async def delete(self, customer: Customer, *, actor: str) -> None:
        """Delete a customer with its users; its devices are taken from it before, and stay.

        Raises: `NotFound`.
        """
        query = DevicePageQuery(tenant_id=customer.tenant_id, customer_id=customer.id, page_size=_AT_A_TIME)
        while devices := (await self._storage.page_devices(query)).rows:
            await asyncio.gather(*(self._free(device, customer, actor) for device in devices))
        audit = self._audit("customer-deleted", customer, actor)
        _raise_unless_done(
            await self._commits.submit(DeleteCustomer(customer_id=customer.id, audit=audit)), customer
        )

    async def _free(self, device: Device, customer: Customer, actor: str) -> None:
        # Not one that was claimed by somebody else, or deleted, since it was listed.
        with contextlib.suppress(OwnerChanged, NotFound):
            new = NewOwner(
                customer=None,
                expected=customer.id,
                event=UNASSIGNED,
                how="released",
                actor=actor,
                origin=ASKED_FROM.get(),
            )
            await self._ownership.change(device, new)

    def _audit(self, event: str, customer: Customer, actor: str) -> AuditEntry:
        return AuditEntry(
            at_ms=self._clock.now_ms(),
            event=event,
            tenant_id=customer.tenant_id,
            actor=actor,
            detail=f"{customer.title} ({customer.public_id})",
        )


def _checked(customer: Customer) -> Customer:
    """Return a customer with its title as it is stored.

    Raises: `InvalidValue`.
    """
    check_value(dict(customer.details), "details")
    return replace(customer, title=_checked_title(customer.title))


def _checked_title(title: str) -> str:
    if not title.strip():
        raise InvalidValue("Customer title should be specified!")
    title = clean_name(title, "customer title")
    if title == RESERVED_TITLE:
        raise InvalidValue(f"'{RESERVED_TITLE}' title for customer is system reserved!")
    return title


def _raise_unless_done(result: WriteResult, customer: Customer) -> None:
    match result.outcome:
        case Outcome.DONE:
            return
        case Outcome.NAME_TAKEN:
            raise AlreadyExists("Customer with such title already exists!")
        case Outcome.STALE:
            raise VersionConflict("Somebody else has changed the customer since it was read.")
        case _:
            raise _gone(customer.public_id)


def _gone(public_id: UUID) -> NotFound:
    return NotFound(f"Customer with id [{public_id}] is not found")
