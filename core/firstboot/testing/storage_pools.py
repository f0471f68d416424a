"""Storage suite: pools, of which each hardware gets a device (wish 2 of the thinger.io contract, 12.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from firstboot.model import PoolMember
from firstboot.storage import (
    ChangeKind,
    CreateDevice,
    DeleteDevice,
    LeaseMember,
    NewMember,
    Outcome,
    PoolOrder,
    Rebind,
    ReleaseMember,
    UpdateDevice,
    WriteResult,
)
from firstboot.testing.samples import NOW_MS, an_audit_entry
from firstboot.testing.storage_base import ALL, StorageSuite, World

END_MS = NOW_MS + 1000
NOBODY = 987_654


def member(world: World, name: str, reserved_for: str | None = None, **fields: Any) -> CreateDevice:
    """Return the write that makes a device that is a member of the pool, reserved for a hardware or not."""
    new = NewMember(hardware_id=reserved_for, reserved=reserved_for is not None)
    return world.device(name, **{"enabled": False, "hardware_id": reserved_for, "member": new} | fields)


def lease(world: World, hardware_id: str, **fields: Any) -> LeaseMember:
    """Return the write that gives a hardware a member, by default the first, until `END_MS`."""
    values: dict[str, Any] = {
        "profile_id": world.profile.id,
        "order": PoolOrder.FIFO,
        "rebind": Rebind.UNTIL_CONFIRMED,
        "at_ms": NOW_MS,
        "until_ms": END_MS,
    }
    return LeaseMember(hardware_id=hardware_id, **values | fields)


def release(device_id: int, **fields: Any) -> ReleaseMember:
    """Return the write that makes a member ready again."""
    values: dict[str, Any] = {"at_ms": NOW_MS, "audit": an_audit_entry("pool-member-released")}
    return ReleaseMember(device_id=device_id, **values | fields)


async def fill(world: World, *names: str) -> None:
    """Add members that are ready."""
    assert set(await world.do(*(member(world, name) for name in names))) == {Outcome.DONE}


async def given(world: World, hardware_id: str, **fields: Any) -> str | Outcome:
    """Lease a member; return its name, or why there is none."""
    (result,) = await world.storage.write([lease(world, hardware_id, **fields)], world.chain)
    return await name_of(world, result)


async def name_of(world: World, result: WriteResult) -> str | Outcome:
    """Return the name of the member that was given, or why there was none."""
    return (await one_member(world, result.id)).device_name if result.outcome is Outcome.DONE else result.outcome


async def one_member(world: World, device_id: int) -> PoolMember:
    """Read a member that has to be there."""
    (found,) = await world.storage.pool_members(world.profile.id, after_id=device_id - 1, limit=1)
    assert found.device_id == device_id
    return found


async def members(world: World, profile_id: int | None = None) -> list[PoolMember]:
    """Read all members."""
    return list(await world.storage.pool_members(profile_id or world.profile.id, limit=ALL))


async def names(world: World) -> list[str]:
    """Return the names of all members."""
    return [each.device_name for each in await members(world)]


class PoolTests(StorageSuite):
    """Filling pools, reading them, and leaving them."""

    # -- filling -----------------------------------------------------------------------------------

    async def test_a_new_member_is_off_and_ready(self, world: World) -> None:
        await fill(world, "m-1")

        device = await world.read("m-1")
        assert (device.enabled, device.hardware_id) == (False, None)
        assert await members(world) == [
            PoolMember(device_id=device.id, device_name="m-1", profile_id=world.profile.id)
        ]
        assert await world.storage.count_ready(world.profile.id, NOW_MS) == 1

    async def test_a_device_in_no_pool_is_given_to_nobody(self, world: World) -> None:
        device = await world.make_device("m-1", hardware_id="HW")

        assert (device.enabled, device.hardware_id) == (True, "HW")
        assert await members(world) == []
        assert await world.storage.count_ready(world.profile.id, NOW_MS) == 0
        assert await given(world, "HW") is Outcome.POOL_EMPTY
        assert await world.do(release(device.id)) == [Outcome.DEVICE_GONE]
        assert await world.read("m-1") == device

    async def test_a_new_member_can_be_leased_already(self, world: World) -> None:
        new = NewMember(hardware_id="HW", leased_at_ms=NOW_MS, leased_until_ms=END_MS)
        await world.do(member(world, "m-1", enabled=True, hardware_id="HW", member=new))

        assert await given(world, "another") is Outcome.POOL_EMPTY
        assert await given(world, "HW") == "m-1"
        assert await given(world, "another", at_ms=END_MS + 1) == "m-1"

    async def test_a_hardware_has_one_member_of_a_pool(self, world: World) -> None:
        other = await world.make_profile("other")
        await world.do(member(world, "m-1", "HW"))
        before = len(await world.audit())

        outcomes = await world.do(
            member(world, "m-2", "HW"),
            member(world, "m-3", "another"),
            member(world, "m-4", "another"),
            member(world, "m-5"),
            member(world, "m-6"),
            member(world, "m-7", "HW", profile_id=other.id),
            member(world, "m-2", "yet another"),
        )

        done, stale = Outcome.DONE, Outcome.STALE
        assert outcomes == [stale, done, stale, done, done, done, done]
        assert await names(world) == ["m-1", "m-3", "m-5", "m-6", "m-2"]
        assert [each.device_name for each in await members(world, other.id)] == ["m-7"]
        assert await world.storage.find_device(world.tenant.id, "m-4") is None
        assert len(await world.audit()) == before + 5

    async def test_a_member_that_fails_otherwise_leaves_its_hardware_to_a_later_one(self, world: World) -> None:
        outcomes = await world.do(
            member(world, "m-1"),
            member(world, "m-1", "HW", credentials=world.device("other").credentials),
            member(world, "m-2", "HW"),
        )

        assert outcomes == [Outcome.DONE, Outcome.NAME_TAKEN, Outcome.DONE]

    async def test_others_are_told_of_new_members_that_are_ready(self, world: World) -> None:
        other = await world.make_profile("other")
        leased = NewMember(hardware_id="HW", leased_at_ms=NOW_MS)

        told = await world.told(
            member(world, "m-1"),
            member(world, "m-2", "reserved", profile_id=other.id),
            member(world, "m-3"),
        )

        assert set(told) == {(ChangeKind.POOL, world.profile.id), (ChangeKind.POOL, other.id)}
        assert await world.told(member(world, "m-4", member=leased), world.device("m-5")) == []

    async def test_a_thousand_members_can_be_added_in_a_batch(self, world: World) -> None:
        await fill(world, *(f"m-{number}" for number in range(1000)))

        assert await names(world) == [f"m-{number}" for number in range(1000)]
        assert await world.storage.count_ready(world.profile.id, NOW_MS) == 1000

    # -- reading -----------------------------------------------------------------------------------

    async def test_members_are_read_in_parts_and_of_one_pool(self, world: World) -> None:
        other = await world.make_profile("other")
        for name in ("m-1", "m-2", "m-3"):
            await world.do(member(world, name), member(world, f"other {name}", profile_id=other.id))
        every = await members(world)

        assert [each.device_name for each in every] == ["m-1", "m-2", "m-3"]
        assert list(await world.storage.pool_members(world.profile.id, limit=2)) == every[:2]
        after = await world.storage.pool_members(world.profile.id, after_id=every[1].device_id)
        assert list(after) == every[2:]
        assert list(await world.storage.pool_members(NOBODY)) == []

    async def test_devices_are_found_by_their_hardware_the_newest_first(
        self, world: World, other_world: World
    ) -> None:
        await other_world.make_device("theirs", "their token", hardware_id="HW")
        for name, hardware_id in (("a", "HW"), ("b", "other"), ("c", "HW"), ("d", None)):
            await world.make_device(name, hardware_id=hardware_id)

        async def found(hardware_id: str) -> list[str]:
            devices = await world.storage.devices_of_hardware(world.tenant.id, hardware_id)
            assert all(each.hardware_id == hardware_id for each in devices)
            return [each.name for each in devices]

        assert await found("HW") == ["c", "a"]
        (newest,) = await world.storage.devices_of_hardware(world.tenant.id, "HW", limit=1)
        assert newest.name == "c"
        assert await found("other") == ["b"]
        for nothing in ("hw", "", "\0", "\ud800"):
            assert await found(nothing) == []

    async def test_a_devices_hardware_is_changed_with_the_device(self, world: World) -> None:
        device = await world.make_device(hardware_id="HW")
        wanted = replace(device, hardware_id="other")

        assert await world.do(UpdateDevice(device=wanted, audit=an_audit_entry())) == [Outcome.DONE]

        assert (await world.read(device.name)).hardware_id == "other"
        wanted = replace(device, hardware_id=None)
        assert await world.do(UpdateDevice(device=wanted, audit=an_audit_entry())) == [Outcome.DONE]
        assert list(await world.storage.devices_of_hardware(world.tenant.id, "other")) == []

    # -- leaving the pool --------------------------------------------------------------------------

    async def test_a_deleted_device_leaves_its_pool_and_its_hardware(self, world: World) -> None:
        await world.do(member(world, "m-1", "HW"))
        device = await world.read("m-1")

        outcomes = await world.do(
            DeleteDevice(device_id=device.id, audit=an_audit_entry()),
            release(device.id),
            lease(world, "HW"),
            member(world, "m-1", "HW"),
        )

        assert outcomes == [Outcome.DONE, Outcome.DEVICE_GONE, Outcome.POOL_EMPTY, Outcome.DONE]
        assert [each.hardware_id for each in await members(world)] == ["HW"]

    async def test_a_device_with_another_profile_leaves_its_pool(self, world: World) -> None:
        other = await world.make_profile("other")
        await fill(world, "m-1")
        device = await world.read("m-1")
        moved = replace(device, profile_id=other.id)

        await world.do(UpdateDevice(device=moved, audit=an_audit_entry()))

        assert await members(world) == await members(world, other.id) == []
        assert await world.do(lease(world, "HW"), release(device.id)) == [Outcome.POOL_EMPTY, Outcome.DEVICE_GONE]
        back = replace(moved, profile_id=world.profile.id)
        await world.do(UpdateDevice(device=back, audit=an_audit_entry()))
        assert await members(world) == []

    async def test_a_change_that_fails_leaves_the_pool_as_it_is(self, world: World) -> None:
        await fill(world, "m-1", "m-2")
        before = await members(world)
        device = await world.read("m-1")

        outcomes = await world.do(
            UpdateDevice(device=replace(device, profile_id=NOBODY), audit=an_audit_entry()),
            UpdateDevice(device=replace(device, name="m-2"), audit=an_audit_entry()),
            UpdateDevice(device=replace(device, name="m-0"), expected_version=99, audit=an_audit_entry()),
        )

        assert outcomes == [Outcome.PROFILE_GONE, Outcome.NAME_TAKEN, Outcome.STALE]
        assert await members(world) == before
