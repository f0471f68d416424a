"""Storage suite: members of pools are given to hardware, again, to others, and taken back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from firstboot.model import Device
from firstboot.storage import (
    ChangeKind,
    ConfirmDelivery,
    Outcome,
    PoolOrder,
    Rebind,
    RecordLogin,
    ReopenDevice,
    Storage,
    UpdateDevice,
    When,
)
from firstboot.testing.samples import NOW_MS, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, World, digest, hand_out
from firstboot.testing.storage_pools import (
    END_MS,
    NOBODY,
    fill,
    given,
    lease,
    member,
    members,
    name_of,
    one_member,
    release,
)

LATER_MS = END_MS + 1
"""The first moment at which a lease until `END_MS` is over."""
MEMBERS = 10
RIVALS = 30


class LeaseTests(StorageSuite):
    """Giving members to hardware, and taking them back."""

    # -- giving ------------------------------------------------------------------------------------

    async def test_a_leased_member_knows_its_hardware_and_is_off_until_it_is_given(self, world: World) -> None:
        await fill(world, "m-1", "m-2")
        before = await world.read("m-1")

        assert await given(world, "HW") == "m-1"

        assert await world.read("m-1") == replace(before, hardware_id="HW", version=before.version + 1)
        leased = await one_member(world, before.id)
        assert (leased.hardware_id, leased.reserved) == ("HW", False)
        assert (leased.leased_at_ms, leased.leased_until_ms) == (NOW_MS, END_MS)
        assert leased.state(NOW_MS) == "leased"
        assert await world.storage.count_ready(world.profile.id, NOW_MS) == 1
        assert (await world.read("m-2")).enabled is False

    async def test_nobody_is_told_or_audited_when_one_is_given(self, world: World) -> None:
        await fill(world, "m-1")
        before = len(await world.audit())

        assert await world.told(lease(world, "HW")) == []

        assert len(await world.audit()) == before

    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            (PoolOrder.FIFO, ["b", "a10", "ä", "a2", "B"]),
            (PoolOrder.LOWEST, ["B", "a10", "a2", "b", "ä"]),
        ],
    )
    async def test_members_are_given_in_order(self, world: World, order: PoolOrder, expected: list[str]) -> None:
        await fill(world, "b", "a10", "ä", "a2", "B")

        found = [await given(world, f"HW {number}", order=order) for number in range(6)]

        assert found == [*expected, Outcome.POOL_EMPTY]

    async def test_members_are_given_at_random_and_each_of_them_once(self, world: World) -> None:
        in_order = [f"m-{number:02}" for number in range(40)]
        await fill(world, *in_order)

        found = [await given(world, f"HW {number}", order=PoolOrder.RANDOM) for number in range(40)]

        assert found != in_order  # but once in 40!
        assert sorted(map(str, found)) == in_order
        assert await given(world, "one more", order=PoolOrder.RANDOM) is Outcome.POOL_EMPTY

    @pytest.mark.parametrize("order", PoolOrder)
    async def test_a_reserved_member_is_for_its_hardware_alone(self, world: World, order: PoolOrder) -> None:
        await world.do(member(world, "m-1", "HW"))

        assert await given(world, "another", order=order) is Outcome.POOL_EMPTY
        assert await given(world, "HW", order=order) == "m-1"
        assert await given(world, "another", order=order, at_ms=LATER_MS) is Outcome.POOL_EMPTY
        assert await given(world, "HW", order=order, at_ms=LATER_MS) == "m-1"

    async def test_without_an_order_only_reserved_members_are_given(self, world: World) -> None:
        await fill(world, "m-1")

        assert await given(world, "HW", order=PoolOrder.NONE) is Outcome.POOL_EMPTY

        assert await given(world, "HW") == "m-1"
        assert await given(world, "HW", order=PoolOrder.NONE) == "m-1"

    async def test_a_pool_gives_its_own_members_only(self, world: World, other_world: World) -> None:
        await fill(world, "m-1")

        assert await given(world, "HW", profile_id=other_world.profile.id) is Outcome.POOL_EMPTY
        assert await given(world, "HW", profile_id=NOBODY) is Outcome.POOL_EMPTY

    async def test_the_lowest_name_is_the_one_that_a_device_has_now(self, world: World) -> None:
        await fill(world, "b", "c")
        renamed = replace(await world.read("c"), name="a")
        await world.do(UpdateDevice(device=renamed, audit=an_audit_entry()))

        assert await given(world, "HW", order=PoolOrder.LOWEST) == "a"

    # -- giving again ------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("rebind", "has_logged_in", "is_given"),
        [
            (Rebind.UNTIL_CONFIRMED, False, True),
            (Rebind.UNTIL_CONFIRMED, True, False),
            (Rebind.ALWAYS, False, True),
            (Rebind.ALWAYS, True, True),
            (Rebind.NEVER, False, False),
            (Rebind.NEVER, True, False),
        ],
    )
    async def test_what_a_hardware_gets_that_holds_a_member(
        self, world: World, rebind: Rebind, has_logged_in: bool, is_given: bool
    ) -> None:
        await fill(world, "m-1", "m-2")
        assert await given(world, "HW", rebind=rebind) == "m-1"
        if has_logged_in:
            await world.do(RecordLogin((await world.read("m-1")).id, NOW_MS))
        before = await world.state()

        found = await given(world, "HW", rebind=rebind, at_ms=NOW_MS + 1, until_ms=END_MS + 1)

        assert found == ("m-1" if is_given else Outcome.STALE)
        after = await world.state()
        assert after["devices"] == before["devices"]
        first = after["members"][0]
        assert (first.leased_at_ms, first.hardware_id) == (NOW_MS + is_given, "HW")
        assert first.leased_until_ms == (None if has_logged_in else END_MS + is_given)
        assert await given(world, "another") == "m-2"

    async def test_a_member_that_an_operator_has_switched_off_stays_off(self, world: World) -> None:
        await fill(world, "m-1")
        await given(world, "HW")
        off = replace(await world.read("m-1"), enabled=False)
        await world.do(UpdateDevice(device=off, audit=an_audit_entry()))

        assert await given(world, "HW", rebind=Rebind.ALWAYS) == "m-1"

        assert not (await world.read("m-1")).enabled

    # -- ends of leases ----------------------------------------------------------------------------

    async def test_a_lease_that_is_over_leaves_the_member_to_others(self, world: World) -> None:
        await fill(world, "m-1")
        await given(world, "HW")

        assert await given(world, "another", at_ms=END_MS) is Outcome.POOL_EMPTY
        assert await world.storage.count_ready(world.profile.id, END_MS) == 0
        assert await world.storage.count_ready(world.profile.id, LATER_MS) == 1
        assert await given(world, "another", at_ms=LATER_MS, until_ms=None) == "m-1"

        assert await given(world, "HW", at_ms=LATER_MS) is Outcome.POOL_EMPTY
        assert await given(world, "another", at_ms=LATER_MS, until_ms=None) == "m-1"
        assert (await world.read("m-1")).hardware_id == "another"
        assert await world.storage.count_ready(world.profile.id, 2**50) == 0

    @pytest.mark.parametrize("rebind", Rebind)
    async def test_who_comes_back_too_late_gets_its_own_if_nobody_took_it(
        self, world: World, rebind: Rebind
    ) -> None:
        await fill(world, "m-1", "m-2")
        await given(world, "one")
        await given(world, "two")

        assert await given(world, "two", rebind=rebind, at_ms=LATER_MS, until_ms=LATER_MS) == "m-2"

        assert await given(world, "three", at_ms=LATER_MS, until_ms=None) == "m-1"
        assert await given(world, "four", at_ms=LATER_MS) is Outcome.POOL_EMPTY

    async def test_leases_that_are_over_are_in_the_same_order_as_what_is_new(self, world: World) -> None:
        await fill(world, "m-1", "m-2", "m-3")
        for hardware_id, until_ms in (("one", END_MS), ("two", NOW_MS)):
            await given(world, hardware_id, until_ms=until_ms)

        assert await given(world, "three", at_ms=NOW_MS + 1, until_ms=None) == "m-2"
        assert await given(world, "four", at_ms=LATER_MS, until_ms=None) == "m-1"
        assert await given(world, "five", at_ms=LATER_MS) == "m-3"

    async def test_whoever_gets_it_next_gets_it_as_new(self, world: World) -> None:
        await fill(world, "m-1")
        device = await world.read("m-1")
        await world.do(
            lease(world, "HW"),
            hand_out(device.id, When.ALWAYS, request_digest=digest("request")),
            ConfirmDelivery(device.id, NOW_MS),
        )
        assert _first_boot(await world.read("m-1")) != (None,) * 6

        assert await given(world, "another", at_ms=LATER_MS) == "m-1"

        assert _first_boot(await world.read("m-1")) == (None,) * 6
        assert list(await world.storage.device_attributes(device.id)) == []

    async def test_what_has_logged_in_is_never_ready_again(self, world: World) -> None:
        await fill(world, "m-1", "m-2")
        for hardware_id in ("one", "two"):
            await given(world, hardware_id)
        one, two = [each.device_id for each in await members(world)]

        await world.do(RecordLogin(one, NOW_MS))
        assert await given(world, "three", at_ms=LATER_MS) == "m-2"
        await world.do(RecordLogin(two, LATER_MS + 1))

        assert [each.state(2**50) for each in await members(world)] == ["assigned", "assigned"]
        assert await given(world, "four", at_ms=2**50) is Outcome.POOL_EMPTY
        assert await world.storage.count_ready(world.profile.id, 2**50) == 0

    async def test_who_logs_in_too_late_keeps_it_if_nobody_took_it(self, world: World) -> None:
        await fill(world, "b", "a")
        assert await given(world, "HW") == "b"
        assert await given(world, "another", order=PoolOrder.LOWEST, at_ms=LATER_MS, until_ms=None) == "a"
        assert await world.storage.count_ready(world.profile.id, LATER_MS) == 1

        await world.do(RecordLogin((await world.read("b")).id, LATER_MS))

        assert await world.storage.count_ready(world.profile.id, LATER_MS) == 0
        assert await given(world, "third", at_ms=LATER_MS) is Outcome.POOL_EMPTY

    async def test_a_clock_that_is_behind_ends_no_lease(self, world: World) -> None:
        await fill(world, "b", "a")
        assert await given(world, "HW") == "b"
        assert await given(world, "another", order=PoolOrder.LOWEST, at_ms=LATER_MS, until_ms=None) == "a"

        assert await given(world, "third", at_ms=END_MS) is Outcome.POOL_EMPTY

        assert await world.storage.count_ready(world.profile.id, END_MS) == 0
        assert await given(world, "third", at_ms=LATER_MS) == "b"

    # -- taking back -------------------------------------------------------------------------------

    async def test_a_released_member_is_as_new_and_off(self, world: World) -> None:
        await fill(world, "m-1")
        new, before = await members(world), await world.read("m-1")
        await given(world, "HW")
        await world.do(
            ReopenDevice(device_id=before.id, at_ms=NOW_MS, audit=an_audit_entry()),
            ConfirmDelivery(before.id, NOW_MS),
            RecordLogin(before.id, NOW_MS),
        )

        told = await world.told(release(before.id))

        assert set(told) == {(ChangeKind.POOL, world.profile.id), (ChangeKind.DEVICE_DISABLED, before.id)}
        assert await world.read("m-1") == replace(before, version=before.version + 2)
        assert await members(world) == new
        assert (await world.audit())[-1].entry.event == "pool-member-released"
        assert await given(world, "another") == "m-1"

    async def test_a_released_member_forgets_that_it_was_provisioned(self, world: World) -> None:
        await fill(world, "m-1")
        device = await world.read("m-1")
        await world.do(lease(world, "HW"), hand_out(device.id, When.ALWAYS, request_digest=digest("request")))

        await world.do(release(device.id))

        assert _first_boot(await world.read("m-1")) == (None,) * 6
        assert list(await world.storage.device_attributes(device.id)) == []

    async def test_a_reservation_outlives_the_release(self, world: World) -> None:
        await world.do(member(world, "m-1", "HW"))
        new, device_id = await members(world), (await world.read("m-1")).id
        await given(world, "HW")

        await world.do(release(device_id))

        assert await members(world) == new
        assert not (await world.read("m-1")).enabled
        assert await given(world, "another") is Outcome.POOL_EMPTY
        assert await given(world, "HW") == "m-1"

    async def test_what_is_no_member_cannot_be_released(self, world: World) -> None:
        before = await world.state()

        assert await world.do(release(NOBODY)) == [Outcome.DEVICE_GONE]

        assert await world.state() == before

    # -- at the same time --------------------------------------------------------------------------

    @pytest.mark.parametrize("order", [PoolOrder.FIFO, PoolOrder.LOWEST, PoolOrder.RANDOM])
    async def test_many_at_once_get_different_members(self, world: World, order: PoolOrder) -> None:
        await fill(world, *(f"m-{number}" for number in range(MEMBERS)))

        await self._only_members_are_given([world], order)

    async def test_many_at_once_over_two_storages_get_different_members(
        self, world: World, other_storage: Storage
    ) -> None:
        await fill(world, *(f"m-{number}" for number in range(MEMBERS)))

        await self._only_members_are_given([world, replace(world, storage=other_storage)], PoolOrder.FIFO)

    async def _only_members_are_given(self, worlds: Sequence[World], order: PoolOrder) -> None:
        leases = [lease(worlds[0], f"HW {number}", order=order) for number in range(RIVALS)]

        ended = await asyncio.gather(
            *(
                worlds[number % len(worlds)].storage.write([write], worlds[0].chain)
                for number, write in enumerate(leases)
            )
        )

        assert Counter(result.outcome for (result,) in ended) == {
            Outcome.DONE: MEMBERS,
            Outcome.POOL_EMPTY: RIVALS - MEMBERS,
        }
        holders = {
            result.id: write.hardware_id
            for write, (result,) in zip(leases, ended, strict=True)
            if result.outcome is Outcome.DONE
        }
        assert {each.device_id: each.hardware_id for each in await members(worlds[0])} == holders

    async def test_one_hardware_that_asks_many_times_at_once_gets_one_member(
        self, world: World, other_storage: Storage
    ) -> None:
        await fill(world, "m-1", "m-2")
        worlds = [world, replace(world, storage=other_storage)]

        found = await asyncio.gather(*(given(worlds[number % 2], "HW") for number in range(RIVALS)))

        assert set(found) == {"m-1"}
        assert await world.storage.count_ready(world.profile.id, NOW_MS) == 1

    async def test_leases_in_a_batch_see_each_other(self, world: World) -> None:
        await fill(world, "m-1", "m-2")

        results = await world.storage.write(
            [
                lease(world, "one"),
                lease(world, "two"),
                lease(world, "one"),
                lease(world, "three"),
                member(world, "m-3"),
                lease(world, "three"),
            ],
            world.chain,
        )

        found = [await name_of(world, result) for result in results]
        assert found == ["m-1", "m-2", "m-1", Outcome.POOL_EMPTY, "m-3", "m-3"]


def _first_boot(device: Device) -> tuple[object, ...]:
    """Return all that a device remembers of its first boot."""
    return (
        device.provision_state,
        device.provisioned_at_ms,
        device.delivered_at_ms,
        device.first_login_at_ms,
        device.reopened_at_ms,
        device.request_digest,
    )
