"""Giving back and handing over: who may, what is closed, what is told and audited."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.claim_services import ORIGIN, ClaimServices, refusing

from firstboot.errors import ClaimRefused, NotAllowed, NotFound
from firstboot.events import Claim
from firstboot.model import ClaimOpener, Device, Scope, User


async def claimed(services: ClaimServices, owner: User, name: str = "meter-7") -> Device:
    device = await services.device(name, await services.profile(f"of {name}", release_by_device=True))
    await services.opened(device)
    return await services.claim(owner, device)


# -- giving back -----------------------------------------------------------------------------------


async def test_cl_24_only_an_owner_gives_a_device_back() -> None:
    services = ClaimServices()
    owner, other = await services.buyer("owner"), await services.buyer("other")
    device = await claimed(services, owner)
    free = await services.device("free")

    for user, name in ((other, device.name), (owner, free.name), (owner, "nowhere"), (owner, "")):
        with pytest.raises(NotFound) as caught:
            await services.releasing.release(user, name, ORIGIN)
        assert str(caught.value) == f"There is no device named {name!r}."
    assert (await services.again(device)).customer_id == owner.customer_id
    await services.releasing.release(owner, device.name, ORIGIN)

    assert (await services.again(device)).customer_id is None
    (event,) = services.events("device_released")
    assert (event.customer, event.how) == ("owner", "released")
    (entry,) = await services.audit("device-released")
    assert (entry.actor, entry.address) == (f"user:{owner.email}", ORIGIN.address)


async def test_cl_21_what_was_opened_before_a_device_was_released_is_closed() -> None:
    services = ClaimServices()
    owner = await services.buyer()
    device = await claimed(services, owner)
    await services.releasing.offer(owner, device, ORIGIN)
    as_it_was = replace(device, customer_id=None)
    await services.windows.open_by_administrator(as_it_was, actor="test")

    await services.releasing.release(owner, device.name, ORIGIN)

    assert await services.openers(device) == set()
    assert [each.key for each in await services.storage.device_attributes(device.id, Scope.SERVER)] == []


async def test_cl_20_an_administrator_releases_whatever_is_there() -> None:
    services = ClaimServices()
    device = await claimed(services, await services.buyer())

    free = await services.releasing.release_as_administrator(device, actor="user:ada", origin=ORIGIN)
    assert (free.customer_id, (await services.again(device)).customer_id) == (None, None)
    await services.opened(free)
    await services.windows.open_by_administrator(free, actor="test")
    again = await services.releasing.release_as_administrator(free, actor="user:ada", origin=ORIGIN)

    assert again == free
    assert await services.openers(device) == {ClaimOpener.ADMINISTRATOR}
    assert [entry.actor for entry in await services.audit("device-released")] == ["user:ada"]


async def test_an_administrator_who_looks_at_an_old_picture_releases_the_owner_of_now() -> None:
    services = ClaimServices()
    one, two = await services.buyer("one"), await services.buyer("two")
    device = await claimed(services, one)
    await services.releasing.release(one, device.name, ORIGIN)
    await services.opened(device)
    await services.claim(two, device)

    free = await services.releasing.release_as_administrator(device, actor="test", origin=ORIGIN)

    assert free.customer_id is None
    assert [event.customer for event in services.events("device_released")] == ["one", "two"]


async def test_a_device_releases_itself_where_its_profile_says_so() -> None:
    services = ClaimServices()
    owner = await services.buyer("owner")
    device = await claimed(services, owner)

    await services.releasing.release_by_device(device.ref, ORIGIN)
    await services.releasing.release_by_device(device.ref, ORIGIN)

    assert (await services.again(device)).customer_id is None
    (event,) = services.events("device_released")
    assert (event.customer, event.actor) == ("owner", "device")


async def test_a_device_does_not_release_itself_where_its_profile_does_not_say_so() -> None:
    services = ClaimServices()
    device, gone = await services.device(), await claimed(services, await services.buyer(), "gone")
    await services.devices.delete(gone, actor="test")

    with pytest.raises(NotAllowed):
        await services.releasing.release_by_device(device.ref, ORIGIN)
    with pytest.raises(NotFound):
        await services.releasing.release_by_device(gone.ref, ORIGIN)


# -- handing over ----------------------------------------------------------------------------------


async def test_a_device_is_handed_over_without_a_moment_in_which_it_is_nobodys() -> None:
    services = ClaimServices()
    seller, buyer = await services.buyer("seller"), await services.buyer("buyer")
    device = await claimed(services, seller)
    services.told.clear()
    offered = await services.releasing.offer(seller, device, ORIGIN)

    handed = await services.claim(buyer, device, offered.secret.reveal())

    assert (handed.customer_id, handed.version) == (buyer.customer_id, device.version + 1)
    told = [(hook, getattr(event, "customer", None), getattr(event, "how", None)) for hook, event in services.told]
    assert told == [
        ("firstboot_claim_window_opened", None, None),
        ("firstboot_device_released", "seller", "transferred"),
        ("firstboot_device_claimed", "buyer", "transferred"),
    ]
    assert len(await services.audit("device-transferred")) == 1
    assert (
        await services.refused(await services.buyer("third"), device, offered.secret.reveal()) == "already-claimed"
    )


async def test_an_offer_can_be_withdrawn_and_ends_after_a_day() -> None:
    services = ClaimServices()
    seller, buyer = await services.buyer("seller"), await services.buyer("buyer")
    device = await claimed(services, seller)

    first = await services.releasing.offer(seller, device, ORIGIN)
    await services.releasing.withdraw(seller, device)
    assert await services.refused(buyer, device, first.secret.reveal()) == "already-claimed"
    second = await services.releasing.offer(seller, device, ORIGIN)
    assert await services.refused(buyer, device, first.secret.reveal()) == "wrong-secret"
    services.advance(second.until_ms - services.now_ms + 2)
    assert await services.refused(buyer, device, second.secret.reveal()) == "expired"

    assert (await services.again(device)).customer_id == seller.customer_id


async def test_only_an_owner_offers_and_withdraws() -> None:
    services = ClaimServices()
    seller, other = await services.buyer("seller"), await services.buyer("other")
    device = await claimed(services, seller)

    with pytest.raises(NotFound):
        await services.releasing.offer(other, device, ORIGIN)
    with pytest.raises(NotFound):
        await services.releasing.withdraw(other, device)

    assert await services.openers(device) == set()


async def test_an_owner_who_tries_his_own_offer_has_the_device_already() -> None:
    services = ClaimServices()
    seller = await services.buyer("seller")
    device = await claimed(services, seller)
    offered = await services.releasing.offer(seller, device, ORIGIN)

    assert await services.refused(seller, device, offered.secret.reveal()) == "already-yours"

    assert await services.openers(device) == {ClaimOpener.OWNER}


# -- plugins ---------------------------------------------------------------------------------------


async def test_a_plugin_may_refuse_that_a_device_is_given_back_or_passed_on() -> None:
    asked: list[Claim] = []
    services = ClaimServices(plugins={"firstboot_device_releasing": refusing(asked)})
    profile = await services.profile(release_by_device=True)
    device = await services.device("meter-7", profile)
    owner, buyer = await services.buyer("owner"), await services.buyer("buyer")
    await services.opened(device)
    owned = await services.claim(owner, device)
    offered = await services.releasing.offer(owner, owned, ORIGIN)

    for release in (
        services.releasing.release(owner, device.name, ORIGIN),
        services.releasing.release_as_administrator(owned, actor="test", origin=ORIGIN),
        services.releasing.release_by_device(device.ref, ORIGIN),
        services.claim(buyer, device, offered.secret.reveal()),
    ):
        with pytest.raises(ClaimRefused) as caught:
            await release
        assert caught.value.code == "not-paid"

    assert [(claim.customer, claim.actor, claim.how) for claim in asked] == [
        ("owner", f"user:{owner.email}", "released"),
        ("owner", "test", "released"),
        ("owner", "device", "released"),
        ("owner", f"user:{buyer.email}", "transferred"),
    ]
    assert (await services.again(device)).customer_id == owner.customer_id
    free = await services.ownership.assign(owned, None, actor="test")
    assert free.customer_id is None, "administrators who assign ask nobody"
