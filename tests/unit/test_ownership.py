"""Devices change their owner in one write; the device, the devices behind it and whoever observes are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.unit.claim_services import ORIGIN, ClaimServices

from firstboot.errors import NotFound
from firstboot.events import Claim
from firstboot.model import CLAIMING_ALLOWED, Customer, Device, Scope
from firstboot.ownership import CLAIMED, NewOwner, OwnerChanged
from firstboot.storage import AnyOwner, ChangeKind, Write, WriteResult


def claimed_by(customer: Customer | None, expected: int | AnyOwner | None = AnyOwner.ANY) -> NewOwner:
    return NewOwner(
        customer=customer, expected=expected, event=CLAIMED, how="claimed", actor="user:ada", origin=ORIGIN
    )


async def gateway_with(
    services: ClaimServices, *behind: str, together: bool = True
) -> tuple[Device, list[Device]]:
    """Make a gateway and devices behind it."""
    profile = await services.profile("gateways", claim_with_gateway=together)
    gateway = await services.device("gateway", profile)
    gateway = await services.devices.update(replace(gateway, additional_info={"gateway": True}), actor="test")
    devices = []
    for name in behind:
        device = replace(await services.device(name), gateway_id=gateway.id)
        devices.append(await services.devices.update(device, actor="test"))
    return gateway, devices


async def shared(services: ClaimServices, device: Device) -> dict[str, object]:
    read = await services.storage.device_attributes(device.id, Scope.SHARED)
    return {each.key: each.value for each in read}


# -- one device ------------------------------------------------------------------------------------


async def test_a_device_is_told_that_it_is_owned_and_that_it_is_not() -> None:
    services = ClaimServices()
    device, customer = await services.device(), await services.customer()

    owned = await services.ownership.assign(device, customer, actor="test")
    assert (owned.customer_id, owned.version) == (customer.id, 2)
    assert await services.again(device) == owned
    assert await shared(services, device) == {"claimed": True}
    free = await services.ownership.assign(owned, None, actor="test")

    assert (free.customer_id, free.version) == (None, 3)
    assert await shared(services, device) == {"claimed": False}
    assert [change.kind for change in await services.changes()].count(ChangeKind.ATTRIBUTES) == 2


@pytest.mark.parametrize(("name", "told"), [("", {}), ("owned", {"owned": True})])
async def test_the_attribute_has_the_name_that_the_operator_has_given_it(name: str, told: dict[str, bool]) -> None:
    services = ClaimServices(device_attribute=name)
    device = await services.device()

    await services.ownership.assign(device, await services.customer(), actor="test")

    assert await shared(services, device) == told


async def test_cl_22_a_device_that_is_released_may_be_opened_again_where_that_is_not_the_rule() -> None:
    services = ClaimServices(allow_by_default=False)
    device, customer = await services.device(), await services.customer()

    for owner in (customer, None):
        await services.ownership.assign(device, owner, actor="test")
        read = await services.storage.device_attributes(device.id, Scope.SERVER)
        assert {each.key: each.value for each in read} == ({} if owner else {CLAIMING_ALLOWED: True})


async def test_observers_are_told_who_has_lost_and_who_has_won() -> None:
    services = ClaimServices()
    device, one, two = await services.device(), await services.customer("one"), await services.customer("two")

    for owner in (one, two, None, None):
        device = await services.ownership.assign(device, owner, actor="user:ada")

    told = [(hook.removeprefix("firstboot_device_"), event.customer, event.how) for hook, event in services.told]
    assert told == [
        ("claimed", "one", "assigned"),
        ("released", "one", "assigned"),
        ("claimed", "two", "assigned"),
        ("released", "two", "released"),
    ]
    (first, *_) = services.events("device_claimed")
    assert first == Claim(
        device=device.ref,
        customer="one",
        customer_id=one.public_id,
        actor="user:ada",
        how="assigned",
        origin=first.origin,
        at_ms=services.now_ms,
    )


async def test_every_change_of_an_owner_is_audited() -> None:
    services = ClaimServices()
    device, customer = await services.device(), await services.customer()

    await services.ownership.change(device, claimed_by(customer))
    await services.ownership.assign(device, None, actor="user:bob")

    (claimed,) = await services.audit("device-claimed")
    (unassigned,) = await services.audit("device-unassigned")
    assert (claimed.actor, claimed.device_id, claimed.address) == ("user:ada", device.public_id, ORIGIN.address)
    assert claimed.detail == f"Acme ({customer.public_id})"
    assert (unassigned.actor, unassigned.detail) == ("user:bob", "nobody")


async def test_nothing_is_told_of_what_has_not_happened() -> None:
    services = ClaimServices()
    device, customer, gone = await services.device(), await services.customer(), await services.device("gone")
    theirs = await services.customer("theirs", services.storage.add_tenant("other").id)
    await services.devices.delete(gone, actor="test")

    with pytest.raises(OwnerChanged):
        await services.ownership.change(device, claimed_by(customer, expected=customer.id))
    with pytest.raises(NotFound, match="customer"):
        await services.ownership.assign(device, theirs, actor="test")
    with pytest.raises(NotFound, match="gone"):
        await services.ownership.assign(gone, customer, actor="test")

    assert services.told == []
    assert await shared(services, device) == {}


# -- with a gateway --------------------------------------------------------------------------------


async def test_devices_behind_a_gateway_follow_it_where_its_profile_says_so() -> None:
    services = ClaimServices()
    customer = await services.customer()
    gateway, behind = await gateway_with(services, "a", "b")

    await services.ownership.change(gateway, claimed_by(customer))

    for device in (gateway, *behind):
        assert (await services.again(device)).customer_id == customer.id
        assert await shared(services, device) == {"claimed": True}
    told = {event.device.name: event.how for event in services.events("device_claimed")}
    assert told == {"gateway": "claimed", "a": "with-gateway", "b": "with-gateway"}
    entries = await services.audit("device-claimed")
    assert [entry.device for entry in entries] == ["gateway", "a", "b"]
    assert "with the gateway gateway" in entries[1].detail

    await services.ownership.assign(await services.again(gateway), None, actor="test")
    assert {(await services.again(device)).customer_id for device in behind} == {None}
    assert [event.device.name for event in services.events("device_released")] == ["gateway", "a", "b"]


async def test_gw_4_they_do_not_follow_it_where_its_profile_does_not() -> None:
    services = ClaimServices()
    gateway, (device,) = await gateway_with(services, "a", together=False)

    await services.ownership.assign(gateway, await services.customer(), actor="test")

    assert (await services.again(device)).customer_id is None


async def test_a_device_that_is_no_gateway_any_more_takes_nothing_along() -> None:
    services = ClaimServices()
    gateway, (device,) = await gateway_with(services, "a")
    gateway = await services.devices.update(replace(gateway, additional_info=None), actor="test")

    await services.ownership.assign(gateway, await services.customer(), actor="test")

    assert (await services.again(device)).customer_id is None


async def test_what_belongs_to_somebody_else_stays_his() -> None:
    services = ClaimServices()
    one, two = await services.customer("one"), await services.customer("two")
    gateway, (mine, his) = await gateway_with(services, "mine", "his")
    await services.ownership.assign(his, two, actor="test")

    gateway = await services.ownership.assign(gateway, one, actor="test")
    await services.ownership.assign(gateway, None, actor="test")

    assert (await services.again(his)).customer_id == two.id
    assert (await services.again(mine)).customer_id is None


async def test_a_gateway_that_is_behind_itself_follows_nobody() -> None:
    services = ClaimServices()
    gateway, _ = await gateway_with(services)
    gateway = await services.devices.update(replace(gateway, gateway_id=gateway.id), actor="test")

    owned = await services.ownership.assign(gateway, await services.customer(), actor="test")

    assert owned.version == gateway.version + 1
    assert len(services.events("device_claimed")) == 1


class Meddled(ClaimServices):
    """Somebody changes a follower between the look at it and the write."""

    meddle: Device | None = None
    to: Customer | None = None

    async def _write(self, batch: Sequence[Write]) -> Sequence[WriteResult]:
        if self.meddle is not None:
            device, self.meddle = self.meddle, None
            write, _ = await self.ownership.plan(device, claimed_by(self.to))
            await self.storage.write([write], self.keyring.link)
        return await super()._write(batch)


async def test_an_assignment_is_done_though_a_device_behind_it_changes_at_that_moment() -> None:
    services = Meddled()
    customer = await services.customer()
    gateway, (first, second) = await gateway_with(services, "first", "second")
    services.to, services.meddle = await services.customer("faster"), first

    await services.ownership.assign(gateway, customer, actor="test")

    owners = [(await services.again(device)).customer_id for device in (gateway, first, second)]
    assert owners == [customer.id, services.to.id, customer.id]
    assert {event.device.name for event in services.events("device_claimed")} == {"gateway", "second"}
