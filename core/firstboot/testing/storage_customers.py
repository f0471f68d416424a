"""Storage suite: tenants and customers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from firstboot.model import DEFAULT_TENANT, Customer
from firstboot.storage import (
    ChangeKind,
    CreateCustomer,
    CreateTenant,
    DeleteCustomer,
    Outcome,
    Storage,
    UpdateCustomer,
)
from firstboot.testing.samples import NOW_MS, a_customer, a_tenant, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, World

DETAILS: dict[str, Any] = {"city": "Gießen", "address": None, "nested": {"list": [1, True, "\N{GRINNING FACE}"]}}


def create(customer: Customer) -> CreateCustomer:
    """Return the write that makes a customer."""
    return CreateCustomer(customer=customer, audit=an_audit_entry("customer-created"))


def update(customer: Customer, expected_version: int | None = None) -> UpdateCustomer:
    """Return the write that replaces a customer."""
    audit = an_audit_entry("customer-updated")
    return UpdateCustomer(customer=customer, expected_version=expected_version, audit=audit)


def delete(customer: Customer) -> DeleteCustomer:
    """Return the write that deletes a customer."""
    return DeleteCustomer(customer_id=customer.id, audit=an_audit_entry("customer-deleted"))


class CustomerTests(StorageSuite):
    """Making, changing, finding and deleting."""

    # -- tenants -----------------------------------------------------------------------------------

    async def test_the_default_tenant_has_a_public_id(self, storage: Storage) -> None:
        tenant = await storage.find_tenant(DEFAULT_TENANT)

        assert tenant is not None
        assert isinstance(tenant.public_id, UUID)
        assert list(await storage.all_tenants()) == [tenant]

    async def test_a_tenant_comes_back_as_it_was_made(self, world: World) -> None:
        given = a_tenant("Größe & Söhne")

        made = await world.make(CreateTenant(tenant=given, audit=an_audit_entry("tenant-created")))

        assert await world.storage.find_tenant(given.name) == replace(given, id=made)
        assert list(await world.storage.all_tenants()) == [world.tenant, replace(given, id=made)]
        assert (await world.audit())[-1].entry.event == "tenant-created"

    async def test_two_tenants_cannot_have_one_name(self, world: World) -> None:
        before = await world.state()

        outcomes = await world.do(CreateTenant(tenant=a_tenant(DEFAULT_TENANT), audit=an_audit_entry()))

        assert outcomes == [Outcome.NAME_TAKEN]
        assert await world.state() == before

    # -- customers ---------------------------------------------------------------------------------

    async def test_a_customer_comes_back_as_it_was_made(self, world: World) -> None:
        given = a_customer("Größe '\"%_", tenant_id=world.tenant.id, details=DETAILS, created_at_ms=NOW_MS + 1)

        made = await world.make(create(replace(given, version=7)))

        expected = replace(given, id=made, version=1)
        assert await world.storage.find_customer(world.tenant.id, public_id=given.public_id) == expected
        assert await world.storage.customers_by_id(world.tenant.id, [made]) == [expected]

    async def test_a_customer_is_found_in_its_tenant_only(self, world: World, other_world: World) -> None:
        customer = await world.make_customer()

        assert await world.storage.find_customer(other_world.tenant.id, public_id=customer.public_id) is None
        assert list(await world.storage.customers_by_id(other_world.tenant.id, [customer.id])) == []
        assert await world.storage.find_customer(world.tenant.id, public_id=uuid4()) is None

    async def test_many_customers_are_found_at_a_time(self, world: World) -> None:
        made = [await world.make_customer(f"customer {number}") for number in range(5)]

        found = await world.storage.customers_by_id(world.tenant.id, {made[1].id, made[3].id, 987_654})

        assert sorted(each.title for each in found) == ["customer 1", "customer 3"]
        assert list(await world.storage.customers_by_id(world.tenant.id, [])) == []

    async def test_a_tenant_that_is_not_there_gets_no_customer(self, world: World) -> None:
        before = await world.state()

        assert await world.do(create(a_customer(tenant_id=987_654))) == [Outcome.GONE]

        assert await world.state() == before

    async def test_two_customers_of_a_tenant_cannot_have_one_title(self, world: World, other_world: World) -> None:
        await world.make_customer("taken")
        customer = await world.make_customer("mine")
        before = await world.state()

        outcomes = await world.do(
            create(a_customer("taken", tenant_id=world.tenant.id)), update(replace(customer, title="taken"))
        )

        assert outcomes == [Outcome.NAME_TAKEN] * 2
        assert await world.state() == before
        assert (await other_world.make_customer("taken")).title == "taken"
        assert await world.do(update(customer)) == [Outcome.DONE]

    async def test_of_rivals_over_two_storages_one_gets_a_title(
        self, world: World, other_storage: Storage
    ) -> None:
        other = replace(world, storage=other_storage)

        outcomes = await self.rivals(
            [world, other], [create(a_customer("wanted", tenant_id=world.tenant.id)) for _ in range(10)]
        )

        assert outcomes == {Outcome.DONE: 1, Outcome.NAME_TAKEN: 9}

    async def test_title_and_details_are_replaced_and_counted(self, world: World) -> None:
        customer = await world.make_customer(details={"city": "old"})
        changed = replace(customer, title="renamed", details=DETAILS)

        (result,) = await world.storage.write([update(replace(changed, created_at_ms=5), 1)], world.chain)

        assert (result.outcome, result.version) == (Outcome.DONE, 2)
        assert await world.storage.customers_by_id(world.tenant.id, [customer.id]) == [replace(changed, version=2)]

    async def test_a_version_of_a_customer_is_replaced_once(self, world: World) -> None:
        customer = await world.make_customer()
        rival = replace(customer, title="rival")

        outcomes = await world.do(update(customer, 1), update(rival, 1), update(rival, 2), update(rival))

        assert outcomes == [Outcome.DONE, Outcome.STALE, Outcome.DONE, Outcome.DONE]
        (read,) = await world.storage.customers_by_id(world.tenant.id, [customer.id])
        assert read.version == 4

    async def test_a_customer_cannot_be_changed_as_if_it_were_another_tenants(
        self, world: World, other_world: World
    ) -> None:
        customer = await world.make_customer()
        before = await world.state()

        assert await world.do(update(replace(customer, tenant_id=other_world.tenant.id))) == [Outcome.GONE]

        assert await world.state() == before

    async def test_a_customer_goes_with_its_users_and_their_logins(self, world: World) -> None:
        customer = await world.make_customer()
        user = await world.make_user("ada@example.org", customer_id=customer.id)
        session = await world.make_session(user)
        stays = await world.make_user("bob@example.org")

        told = await world.told(delete(customer))

        assert told == [(ChangeKind.USER, user.id)]
        assert list(await world.storage.customers_by_id(world.tenant.id, [customer.id])) == []
        assert await world.storage.user_by_email("ada@example.org") is None
        assert await world.storage.user_session(session.public_id) is None
        assert await world.storage.user_by_email("bob@example.org") == stays

    async def test_a_customer_that_is_gone_stays_gone(self, world: World) -> None:
        customer = await world.make_customer()
        await world.do(delete(customer))
        before = await world.state()

        assert await world.do(update(customer), delete(customer)) == [Outcome.GONE] * 2

        assert await world.state() == before
        assert (await world.make_customer(customer.title)).id != customer.id
