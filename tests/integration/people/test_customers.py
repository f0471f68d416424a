"""Customers and tenants (contract 5.4)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from tests.integration.people.people import ACTOR, People

from firstboot.errors import AlreadyExists, InvalidValue, NotFound, VersionConflict
from firstboot.storage import PageQuery


async def test_a_customer_is_made_found_and_listed(people: People) -> None:
    made = await people.customers.create(people.tenant.id, "  Acme ", {"city": "Ulm"}, actor=ACTOR)

    found = await people.customers.get(people.tenant.id, made.public_id)

    assert (found.title, dict(found.details), found.created_at_ms) == ("Acme", {"city": "Ulm"}, people.time.now_ms)
    page = await people.customers.page(people.tenant.id, PageQuery())
    assert ([customer.id for customer in page.rows], page.total) == ([made.id], 1)
    assert dict(await people.customers.by_id(people.tenant.id, [made.id, 999])) == {made.id: found}
    assert await people.customers.by_id(people.tenant.id, []) == {}


async def test_a_customer_is_found_by_title_among_many_that_contain_it(people: People) -> None:
    await asyncio.gather(*(people.customer(f"Acme {number:03}") for number in range(PageQuery().page_size + 1)))
    acme = await people.customer("acme")

    assert (await people.customers.by_title(people.tenant.id, " acme ")).id == acme.id
    for title in ("Acme", "acm", "Acme 999"):
        with pytest.raises(NotFound, match=repr(title)):
            await people.customers.by_title(people.tenant.id, title)
    with pytest.raises(NotFound):
        await people.customers.by_title(people.tenant.id + 1, "acme")


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("", "Customer title should be specified!"),
        ("  ", "Customer title should be specified!"),
        ("Public", "'Public' title for customer is system reserved!"),
        (" Public ", "'Public' title for customer is system reserved!"),
    ],
)
async def test_a_title_that_cannot_be_is_refused_with_the_contracts_text(
    people: People, title: str, text: str
) -> None:
    acme = await people.customer()

    with pytest.raises(InvalidValue) as refused:
        await people.customers.create(people.tenant.id, title, actor=ACTOR)
    with pytest.raises(InvalidValue) as refused_again:
        await people.customers.update(replace(acme, title=title), actor=ACTOR)

    assert {str(refused.value), str(refused_again.value)} == {text}


async def test_tn_2_a_title_is_unique_in_its_tenant(people: People) -> None:
    await people.customer("Acme")
    bolt = await people.customer("Bolt")
    other = await people.tenants.create("other", actor=ACTOR)
    await people.customers.create(other.id, "Acme", actor=ACTOR)

    with pytest.raises(AlreadyExists, match=r"^Customer with such title already exists!$"):
        await people.customer("Acme")
    with pytest.raises(AlreadyExists, match=r"^Customer with such title already exists!$"):
        await people.customers.update(replace(bolt, title="Acme"), actor=ACTOR)


async def test_tn_1_another_tenants_customer_does_not_exist(people: People) -> None:
    acme = await people.customer()
    other = await people.tenants.create("other", actor=ACTOR)

    for tenant_id, public_id in ((other.id, acme.public_id), (people.tenant.id, uuid4())):
        with pytest.raises(NotFound) as refused:
            await people.customers.get(tenant_id, public_id)
        assert str(refused.value) == f"Customer with id [{public_id}] is not found"
    assert await people.customers.by_id(other.id, [acme.id]) == {}
    assert (await people.customers.page(other.id, PageQuery())).total == 0


async def test_a_customer_is_replaced_in_the_version_that_was_read(people: People) -> None:
    acme = await people.customer()

    renamed = replace(acme, title="Acme Ltd", details={"zip": "89073"})
    first = await people.customers.update(renamed, expected_version=acme.version, actor=ACTOR)
    with pytest.raises(VersionConflict):
        await people.customers.update(replace(acme, title="Old"), expected_version=acme.version, actor=ACTOR)

    found = await people.customers.get(people.tenant.id, acme.public_id)
    assert (found.title, dict(found.details), found.version) == ("Acme Ltd", {"zip": "89073"}, first.version)


async def test_a_deleted_customer_is_gone(people: People) -> None:
    acme = await people.customer()
    await people.customers.delete(acme, actor=ACTOR)

    with pytest.raises(NotFound):
        await people.customers.get(people.tenant.id, acme.public_id)
    with pytest.raises(NotFound):
        await people.customers.delete(acme, actor=ACTOR)
    with pytest.raises(NotFound):
        await people.customers.update(acme, actor=ACTOR)
    events = [(entry.event, entry.detail, entry.tenant_id) for entry in await people.audit()]
    whom = f"Acme ({acme.public_id})"
    assert events == [
        ("customer-created", whom, people.tenant.id),
        ("customer-deleted", whom, people.tenant.id),
    ]


async def test_a_tenant_is_made_once_and_found(people: People) -> None:
    other = await people.tenants.create("other", actor=ACTOR)

    assert {tenant.name for tenant in await people.tenants.all()} == {"default", "other"}
    assert await people.tenants.get(other.id) == await people.tenants.by_public_id(other.public_id)
    with pytest.raises(AlreadyExists, match="'other'"):
        await people.tenants.create(" other ", actor=ACTOR)
    with pytest.raises(InvalidValue):
        await people.tenants.create(" ", actor=ACTOR)
    with pytest.raises(NotFound):
        await people.tenants.get(9999)
    with pytest.raises(NotFound):
        await people.tenants.by_public_id(uuid4())
