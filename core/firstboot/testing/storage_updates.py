"""Storage suite: administrators change devices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from firstboot.model import Device
from firstboot.storage import ChangeKind, DeleteCustomer, DeleteDevice, Outcome, Storage, UpdateDevice
from firstboot.testing.samples import a_device, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, World, digest

ELSEWHERE = 987_654


def update(device: Device, expected_version: int | None = None, **fields: Any) -> UpdateDevice:
    """Return the write that replaces a device."""
    audit = an_audit_entry("device-updated", device=device.name)
    return UpdateDevice(device=device, expected_version=expected_version, audit=audit, **fields)


class UpdateTests(StorageSuite):
    """Replacing a device, as a whole and with an expected version."""

    async def test_a_device_is_made_with_customer_and_details(self, world: World) -> None:
        customer = await world.make_customer()

        device = await world.make_device(customer_id=customer.id, details={"a": [1]})

        assert (device.customer_id, device.details, device.enabled, device.version) == (
            customer.id,
            {"a": [1]},
            True,
            1,
        )

    async def test_a_device_is_not_made_for_a_customer_of_another_tenant(
        self, world: World, other_world: World
    ) -> None:
        mine, theirs = await world.make_customer(), await other_world.make_customer()
        before = await world.state()

        outcomes = await world.do(
            world.device("one", customer_id=theirs.id), world.device("two", customer_id=ELSEWHERE)
        )

        assert outcomes == [Outcome.CUSTOMER_GONE] * 2
        assert await world.state() == before
        assert await world.do(world.device("one", customer_id=mine.id)) == [Outcome.DONE]

    async def test_all_that_administrators_may_change_is_replaced(self, world: World) -> None:
        profile, gateway = await world.make_profile("pump"), await world.make_device("gateway")
        device = await world.make_device("meter-7", label="old", additional_info={"a": 1})
        changed = replace(
            device,
            name="Zähler \N{GRINNING FACE}",
            profile_id=profile.id,
            gateway_id=gateway.id,
            enabled=False,
            label=None,
            additional_info={"gateway": True, "list": [1, None]},
            details={"firmwareId": None},
        )

        (result,) = await world.storage.write([update(changed)], world.chain)

        assert (result.outcome, result.version) == (Outcome.DONE, 2)
        read = await world.read(changed.name)
        assert read == replace(changed, version=2)
        assert await world.storage.device_by_public_id(world.tenant.id, device.public_id) == read
        assert await world.storage.device_by_id(world.tenant.id, device.id) == read
        assert await world.storage.find_device(world.tenant.id, "meter-7") is None

    async def test_nothing_else_of_a_device_is_replaced(self, world: World) -> None:
        owner, other = await world.make_customer(), await world.make_customer("other")
        device = await world.make_device("meter-7", request_digest=digest("request"), customer_id=owner.id)
        strange = a_device("meter-7", id=device.id, profile_id=device.profile_id, tenant_id=device.tenant_id)
        strange = replace(strange, provisioned_at_ms=1, delivered_at_ms=1, first_login_at_ms=1, created_at_ms=1)

        for number, owner_id in enumerate((other.id, None, ELSEWHERE), 2):  # whom only a ChangeOwner changes
            strange = replace(strange, reopened_at_ms=1, provision_state="odd", version=40, customer_id=owner_id)
            assert await world.do(update(strange)) == [Outcome.DONE]
            assert await world.read("meter-7") == replace(device, version=number)

    async def test_a_version_is_replaced_once(self, world: World) -> None:
        device = await world.make_device()
        first, second = replace(device, label="first"), replace(device, label="second")

        outcomes = await world.do(update(first, 1), update(second, 1))
        after = await world.state()

        assert outcomes == [Outcome.DONE, Outcome.STALE]
        assert (await world.read("meter-7")).label == "first"
        assert await world.do(update(second, 1), update(second, 3)) == [Outcome.STALE] * 2
        assert await world.state() == after
        assert await world.do(update(second)) == [Outcome.DONE]

    async def test_two_devices_of_a_tenant_cannot_have_one_name(self, world: World, other_world: World) -> None:
        device = await world.make_device("meter-7")
        await world.make_device("taken")
        await other_world.make_device("free", "theirs")
        before = await world.state()

        assert await world.do(update(replace(device, name="taken"))) == [Outcome.NAME_TAKEN]

        assert await world.state() == before
        assert await world.do(update(replace(device, name="free"))) == [Outcome.DONE]
        assert await world.do(world.device("meter-7", "another token")) == [Outcome.DONE]

    async def test_names_can_be_given_on_in_a_batch(self, world: World) -> None:
        one, two = await world.make_device("one"), await world.make_device("two")

        outcomes = await world.do(
            update(replace(two, name="one")),
            update(replace(one, name="three")),
            update(replace(two, name="one")),
            world.device("two", "another token"),
        )

        assert outcomes == [Outcome.NAME_TAKEN, Outcome.DONE, Outcome.DONE, Outcome.DONE]
        assert (await world.read("one")).id == two.id

    async def test_profiles_of_other_tenants_are_refused(self, world: World, other_world: World) -> None:
        device = await world.make_device()
        before = await world.state()

        outcomes = await world.do(
            update(replace(device, profile_id=other_world.profile.id)),
            update(replace(device, profile_id=ELSEWHERE)),
        )

        assert outcomes == [Outcome.PROFILE_GONE] * 2
        assert await world.state() == before

    async def test_a_device_cannot_be_changed_as_if_it_were_another_tenants(
        self, world: World, other_world: World
    ) -> None:
        device = await world.make_device()
        before = await world.state()
        theirs = replace(device, tenant_id=other_world.tenant.id, profile_id=other_world.profile.id)

        assert await world.do(update(theirs)) == [Outcome.DEVICE_GONE]

        assert await world.state() == before
        assert await world.storage.device_by_public_id(other_world.tenant.id, device.public_id) is None
        assert await world.storage.device_by_id(other_world.tenant.id, device.id) is None

    async def test_a_device_that_is_gone_cannot_be_changed(self, world: World) -> None:
        device = await world.make_device()
        await world.do(DeleteDevice(device_id=device.id, audit=an_audit_entry()))
        before = await world.state()

        assert await world.do(update(device)) == [Outcome.DEVICE_GONE]

        assert await world.state() == before

    async def test_a_device_that_changes_its_profile_counts_there(self, world: World) -> None:
        other = await world.make_profile("other")
        device = await world.make_device()

        await world.do(update(replace(device, profile_id=other.id)), update(replace(device, profile_id=other.id)))

        counts = [await world.storage.count_devices(each.id) for each in (world.profile, other)]
        assert counts == [0, 1]

    async def test_the_limit_of_devices_holds_for_those_that_come_from_another_profile(self, world: World) -> None:
        other = await world.make_profile("other")
        devices = [await world.make_device(f"meter-{number}") for number in range(3)]

        def move(device: Device) -> UpdateDevice:
            return update(replace(device, profile_id=other.id), max_devices=2)

        outcomes = await world.do(
            *map(move, devices),
            DeleteDevice(device_id=devices[0].id, audit=an_audit_entry()),
            move(devices[2]),
            update(replace(devices[1], profile_id=other.id, label="stays"), max_devices=1),
        )

        done, limit = Outcome.DONE, Outcome.DEVICE_LIMIT
        assert outcomes == [done, done, limit, done, done, done]
        assert await world.storage.count_devices(other.id) == 2

    async def test_other_processes_are_told_when_a_device_is_disabled(self, world: World) -> None:
        device = await world.make_device("meter-7", "token")
        disabled = replace(device, enabled=False)

        assert await world.told(update(disabled)) == [(ChangeKind.DEVICE_DISABLED, device.id)]

        (found,) = await world.storage.find_credentials([digest("token")])
        assert not found.device_enabled
        assert await world.told(update(replace(disabled, label="new"))) == []
        assert await world.told(update(device)) == []
        (found,) = await world.storage.find_credentials([digest("token")])
        assert found.device_enabled

    async def test_login_data_follow_a_changed_device(self, world: World) -> None:
        other = await world.make_profile("other")
        device = await world.make_device("meter-7", "token")

        await world.do(update(replace(device, name="renamed", profile_id=other.id)))

        (found,) = await world.storage.find_credentials([digest("token")])
        assert (found.device_name, found.profile_id) == ("renamed", other.id)
        assert found.device == (await world.read("renamed")).ref

    async def test_deleting_a_customer_frees_the_devices(self, world: World) -> None:
        one, two = await world.make_customer("one"), await world.make_customer("two")
        mine = await world.make_device("mine", customer_id=one.id)
        theirs = await world.make_device("theirs", customer_id=two.id)

        await world.do(DeleteCustomer(customer_id=one.id, audit=an_audit_entry()))

        assert await world.read("mine") == replace(mine, customer_id=None)
        assert await world.read("theirs") == theirs

    @pytest.mark.parametrize("field", ["name", "version"])
    async def test_of_rivals_over_two_storages_one_changes_a_device(
        self, world: World, other_storage: Storage, field: str
    ) -> None:
        devices = [await world.make_device(f"meter-{number}") for number in range(10)]
        other = replace(world, storage=other_storage)
        writes = [
            update(replace(each, name="wanted")) if field == "name" else update(replace(devices[0], label="x"), 1)
            for each in devices
        ]

        outcomes = await self.rivals([world, other], writes)

        refusal = Outcome.NAME_TAKEN if field == "name" else Outcome.STALE
        assert outcomes == {Outcome.DONE: 1, refusal: 9}
