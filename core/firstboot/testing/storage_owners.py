"""Storage suite: devices get other owners, and those behind a gateway with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from firstboot.model import CLAIMING_ALLOWED, CLAIMING_DATA, Attribute, ClaimOpener, Customer, Device, Scope
from firstboot.storage import (
    AnyOwner,
    AttributeChange,
    ChangeKind,
    ChangeOwner,
    DeleteCustomer,
    DeleteDevice,
    Follower,
    Outcome,
    SaveAttributes,
    Storage,
    UpdateDevice,
)
from firstboot.testing.samples import NOW_MS, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, World, attributes, digest
from firstboot.testing.storage_claims import new_window, open_window, save_claiming_data, windows

ELSEWHERE = 987_654
CLAIMED = Attribute(Scope.SHARED, "claimed", True)


def change_owner(device: Device, customer: Customer | None, **fields: Any) -> ChangeOwner:
    """Return the write that gives a device to a customer, whoever owns it."""
    values: dict[str, Any] = {
        "device_id": device.id,
        "customer_id": None if customer is None else customer.id,
        "expected": AnyOwner.ANY,
        "at_ms": NOW_MS,
        "audit": an_audit_entry("device-claimed", device=device.name),
    }
    return ChangeOwner(**values | fields)


def follower(device: Device) -> Follower:
    """Return a device that follows its gateway."""
    return Follower(device.id, an_audit_entry("device-claimed", device=device.name))


class OwnerTests(StorageSuite):
    """Giving devices to customers and taking them back."""

    async def test_a_device_gets_an_owner_another_one_and_none(self, world: World) -> None:
        one, two = await world.make_customer("one"), await world.make_customer("two")
        device = await world.make_device()

        for version, owner in enumerate((one, two, None, None, two, two), 2):
            (result,) = await world.storage.write([change_owner(device, owner)], world.chain)

            assert (result.outcome, result.version) == (Outcome.DONE, version)
            owner_id = None if owner is None else owner.id
            assert await world.read(device.name) == replace(device, customer_id=owner_id, version=version)

    @pytest.mark.parametrize("expected", ["one", "two", "nobody"])
    @pytest.mark.parametrize("owner", ["one", "nobody"])
    async def test_only_the_expected_owner_is_replaced(self, world: World, owner: str, expected: str) -> None:
        customers = {title: await world.make_customer(title) for title in ("one", "two", "new")}
        ids = {title: customer.id for title, customer in customers.items()}
        device = await world.make_device(customer_id=ids.get(owner))
        before = await world.state()

        (outcome,) = await world.do(change_owner(device, customers["new"], expected=ids.get(expected)))

        assert outcome is (Outcome.DONE if expected == owner else Outcome.STALE)
        if expected != owner:
            assert await world.state() == before

    async def test_neither_a_device_nor_a_customer_must_be_missing(self, world: World, other_world: World) -> None:
        customer, gone = await world.make_customer(), await world.make_customer("gone")
        theirs = await other_world.make_customer("theirs")
        device = await world.make_device()
        await world.do(DeleteCustomer(customer_id=gone.id, audit=an_audit_entry()), open_window(device))
        before = await world.state()

        outcomes = await world.do(
            change_owner(replace(device, id=ELSEWHERE), customer),
            change_owner(replace(device, id=ELSEWHERE), None),
            change_owner(device, gone),
            change_owner(device, theirs),
            change_owner(device, replace(customer, id=ELSEWHERE)),
        )

        assert outcomes == [Outcome.DEVICE_GONE] * 2 + [Outcome.CUSTOMER_GONE] * 3
        assert await world.state() == before

    # -- the window --------------------------------------------------------------------------------

    @pytest.mark.parametrize("opener", ClaimOpener, ids=lambda opener: opener.value)
    @pytest.mark.parametrize(("late_ms", "is_open"), [(-1, True), (0, True), (1, False)])
    async def test_a_window_is_open_up_to_its_last_moment(
        self, world: World, opener: ClaimOpener, late_ms: int, is_open: bool
    ) -> None:
        customer, device = await world.make_customer(), await world.make_device()
        await world.do(open_window(device, opener, "secret", expires_at_ms=NOW_MS + 100))
        write = change_owner(device, customer, window_digest=digest("secret"), at_ms=NOW_MS + 100 + late_ms)

        assert await world.do(write) == [Outcome.DONE if is_open else Outcome.STALE]

        assert ((await world.read(device.name)).customer_id == customer.id) is is_open

    async def test_without_the_window_that_is_asked_for_nothing_changes(self, world: World) -> None:
        customer, other = await world.make_customer(), await world.make_device("other")
        device = await world.make_device()
        await world.do(
            open_window(device, secret="secret"),
            open_window(other, secret="of the other"),
            save_claiming_data(device, new_window(None)),
        )
        before = await world.state()

        outcomes = await world.do(
            change_owner(device, customer, window_digest=digest("wrong")),
            change_owner(device, customer, window_digest=digest("of the other")),
            change_owner(device, customer, window_digest=b""),
            change_owner(device, customer, window_digest=digest("secret"), expected=customer.id),
        )

        assert outcomes == [Outcome.STALE] * 4
        assert await world.state() == before

    async def test_a_secret_opens_once(self, world: World) -> None:
        """CM-5, CM-8: that it was used is a state, not a time."""
        one, two = await world.make_customer("one"), await world.make_customer("two")
        device = await world.make_device()
        await world.do(open_window(device, secret="secret"))

        def claim(customer: Customer, **fields: Any) -> ChangeOwner:
            return change_owner(device, customer, expected=None, window_digest=digest("secret"), **fields)

        done = await world.do(claim(one), claim(two), change_owner(device, None), claim(two, at_ms=0))

        assert done == [Outcome.DONE, Outcome.STALE, Outcome.DONE, Outcome.STALE]
        assert (await world.read(device.name)).customer_id is None

    @pytest.mark.parametrize("to_nobody", [True, False])
    async def test_all_that_opens_a_device_ends_with_its_owner(self, world: World, to_nobody: bool) -> None:
        """CL-10, CL-21: claim data are gone after a claim and after a release."""
        customer = await world.make_customer()
        device, other = await world.make_device(), await world.make_device("other")
        for each in (device, other):
            allowed = {CLAIMING_ALLOWED: True, "other": 1}
            await world.do(
                *(open_window(each, opener) for opener in ClaimOpener),
                save_claiming_data(each, new_window()),
                SaveAttributes(device_id=each.id, scope=Scope.SERVER, values=allowed, at_ms=NOW_MS),
                SaveAttributes(device_id=each.id, scope=Scope.CLIENT, values={CLAIMING_DATA: 1}, at_ms=NOW_MS),
            )
        untouched = (await windows(world.storage, other), await attributes(world.storage, other.id))

        await world.do(change_owner(device, None if to_nobody else customer))

        assert await windows(world.storage, device) == {}
        assert await attributes(world.storage, device.id) == {
            (Scope.SERVER, "other"): "1",
            (Scope.CLIENT, CLAIMING_DATA): "1",
        }
        assert (await windows(world.storage, other), await attributes(world.storage, other.id)) == untouched

    # -- attributes --------------------------------------------------------------------------------

    async def test_attributes_are_set_after_the_old_ones_are_gone(self, world: World) -> None:
        """CL-22: a released device may be claimed again where that is not the rule."""
        device = await world.make_device()
        allowed = Attribute(Scope.SERVER, CLAIMING_ALLOWED, True)
        await world.do(save_claiming_data(device, new_window()))

        told = await world.told(change_owner(device, None, attributes=(allowed, CLAIMED), at_ms=NOW_MS + 5))

        assert told == [(ChangeKind.ATTRIBUTES, device.id)]
        read = await world.storage.device_attributes(device.id)
        assert [(each.scope, each.key, each.value, each.updated_at_ms) for each in read] == [
            (Scope.SERVER, CLAIMING_ALLOWED, True, NOW_MS + 5),
            (Scope.SHARED, "claimed", True, NOW_MS + 5),
        ]

    async def test_others_are_told_of_shared_attributes_only(self, world: World) -> None:
        device = await world.make_device()
        before = await world.storage.last_change()

        await world.do(
            change_owner(device, None),
            change_owner(device, None, attributes=(Attribute(Scope.SERVER, "a", 1),)),
            change_owner(device, None, attributes=(CLAIMED, Attribute(Scope.SHARED, "b", 1))),
        )

        told = [
            (change.kind, change.ref, AttributeChange.from_json(change.detail or "[[],[]]"))
            for change in await world.storage.changes_since(before)
        ]
        assert told == [(ChangeKind.ATTRIBUTES, device.id, AttributeChange(updated=("claimed", "b")))]

    # -- gateways ----------------------------------------------------------------------------------

    async def test_followers_get_what_the_gateway_gets(self, world: World) -> None:
        customer = await world.make_customer()
        gateway = await world.make_device("gateway")
        behind = [await world.make_device(f"behind-{number}", gateway_id=gateway.id) for number in range(2)]
        left = await world.make_device("left", gateway_id=gateway.id)
        await world.do(
            *(open_window(each) for each in (*behind, left)), save_claiming_data(behind[0], new_window())
        )
        entries = len(await world.audit())
        write = change_owner(gateway, customer, attributes=(CLAIMED,), followers=tuple(map(follower, behind)))

        told = await world.told(write)

        for each in (gateway, *behind):
            assert await world.read(each.name) == replace(each, customer_id=customer.id, version=2)
            assert await windows(world.storage, each) == {}
            assert await attributes(world.storage, each.id) == {(Scope.SHARED, "claimed"): "true"}
        assert await world.read("left") == left
        assert told == [(ChangeKind.ATTRIBUTES, each.id) for each in (gateway, *behind)]
        audited = [row.entry for row in (await world.audit())[entries:]]
        assert audited == [write.audit, *(each.audit for each in write.followers)]

    @pytest.mark.parametrize(
        "strange",
        [
            lambda world, gateway, mine: world.device("b", gateway_id=gateway.id, customer_id=mine.id),
            lambda world, gateway, mine: world.device("b"),
            lambda world, gateway, mine: world.device("b", customer_id=mine.id),
        ],
        ids=["of another owner", "behind no gateway", "neither"],
    )
    async def test_a_gateway_and_its_followers_change_all_or_none(
        self, world: World, strange: Callable[..., Any]
    ) -> None:
        customer = await world.make_customer()
        gateway = await world.make_device("gateway")
        behind = await world.make_device("a", gateway_id=gateway.id)
        assert await world.do(strange(world, gateway, customer)) == [Outcome.DONE]
        await world.do(open_window(gateway), open_window(behind))
        before = await world.state()
        followers = tuple(map(follower, (behind, await world.read("b"))))

        assert await world.do(change_owner(gateway, customer, followers=followers)) == [Outcome.STALE]

        assert await world.state() == before

    async def test_a_follower_that_is_gone_stops_the_gateway(self, world: World) -> None:
        gateway = await world.make_device("gateway")
        behind = await world.make_device("behind", gateway_id=gateway.id)
        write = change_owner(gateway, None, followers=(follower(behind),))
        await world.do(DeleteDevice(device_id=behind.id, audit=an_audit_entry()))
        before = await world.state()

        assert await world.do(write) == [Outcome.STALE]

        assert await world.state() == before

    async def test_devices_behind_a_gateway_are_listed(self, world: World) -> None:
        gateway, other = await world.make_device("gateway"), await world.make_device("other gateway")
        first = await world.make_device("z", gateway_id=gateway.id, label="label")
        await world.make_device("elsewhere", gateway_id=other.id)
        second = await world.make_device("a")
        moved = replace(second, gateway_id=gateway.id)
        await world.do(UpdateDevice(device=moved, audit=an_audit_entry()))

        assert list(await world.storage.devices_behind(gateway.id)) == [first, replace(moved, version=2)]
        assert list(await world.storage.devices_behind(first.id)) == []

        await world.do(UpdateDevice(device=replace(first, gateway_id=None), audit=an_audit_entry()))
        assert [each.name for each in await world.storage.devices_behind(gateway.id)] == ["a"]

    async def test_devices_behind_a_gateway_stay_when_it_is_deleted(self, world: World) -> None:
        gateway = await world.make_device("gateway")
        behind = await world.make_device("behind", gateway_id=gateway.id)

        await world.do(DeleteDevice(device_id=gateway.id, audit=an_audit_entry()))

        assert await world.read("behind") == replace(behind, gateway_id=None)
        assert list(await world.storage.devices_behind(gateway.id)) == []

    async def test_a_gateway_must_be_a_device_of_the_tenant(self, world: World, other_world: World) -> None:
        """TN-1: else a customer of one tenant would get devices of another one with his gateway."""
        theirs = await other_world.make_device("theirs", "their token")
        gone = await world.make_device("gone")
        device = await world.make_device()
        await world.do(DeleteDevice(device_id=gone.id, audit=an_audit_entry()))
        before = await world.state()

        outcomes = await world.do(
            world.device("new", gateway_id=gone.id),
            world.device("new", gateway_id=theirs.id),
            UpdateDevice(device=replace(device, gateway_id=gone.id), audit=an_audit_entry()),
            UpdateDevice(device=replace(device, gateway_id=theirs.id), audit=an_audit_entry()),
        )

        assert outcomes == [Outcome.DEVICE_GONE] * 4
        assert await world.state() == before

    # -- rivals ------------------------------------------------------------------------------------

    async def test_of_rivals_over_two_storages_one_gets_the_device(
        self, world: World, other_storage: Storage
    ) -> None:
        """CM-5."""
        device = await world.make_device()
        customers = [await world.make_customer(f"customer {number}") for number in range(20)]
        await world.do(open_window(device, secret="secret"))
        other = replace(world, storage=other_storage)

        outcomes = await self.rivals(
            [world, other],
            [change_owner(device, each, expected=None, window_digest=digest("secret")) for each in customers],
        )

        assert outcomes == {Outcome.DONE: 1, Outcome.STALE: 19}
        after = await world.read(device.name)
        assert after.version == 2
        assert after.customer_id in {customer.id for customer in customers}
