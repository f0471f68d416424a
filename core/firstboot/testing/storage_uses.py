"""Storage suite: a member of a pool is used by the hardware that holds it, and nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from firstboot.storage import ChangeKind, GiveMember, Outcome, RecordLogin, When
from firstboot.testing.samples import NOW_MS
from firstboot.testing.storage_base import StorageSuite, World, hand_out
from firstboot.testing.storage_pools import (
    END_MS,
    NOBODY,
    fill,
    given,
    lease,
    member,
    members,
    one_member,
    release,
)

LATER_MS = END_MS + 1
"""The first moment at which a lease until `END_MS` is over."""


def give(device_id: int, hardware_id: str, **fields: Any) -> GiveMember:
    """Return the write that lets a hardware use its member, by default until `END_MS`."""
    values: dict[str, Any] = {"at_ms": NOW_MS, "until_ms": END_MS}
    return GiveMember(device_id=device_id, hardware_id=hardware_id, **values | fields)


class UseTests(StorageSuite):
    """Letting members be used, and taking back those that were not."""

    async def _leased(self, world: World) -> int:
        """Make a member that the hardware HW holds; return the id of its device."""
        await fill(world, "m-1")
        await given(world, "HW")
        return (await world.read("m-1")).id

    async def test_a_member_is_on_once_its_hardware_may_use_it(self, world: World) -> None:
        device_id = await self._leased(world)
        before = await world.read("m-1")

        assert await world.told(give(device_id, "HW", at_ms=NOW_MS + 1, until_ms=END_MS + 1)) == []

        assert await world.read("m-1") == replace(before, enabled=True, version=before.version + 1)
        leased = await one_member(world, device_id)
        assert (leased.leased_at_ms, leased.leased_until_ms) == (NOW_MS + 1, END_MS + 1)

    async def test_what_a_hardware_does_not_hold_it_may_not_use(self, world: World) -> None:
        await world.do(member(world, "m-1", "HW"))
        device_id = (await world.read("m-1")).id
        before = await world.state()

        assert await world.do(give(device_id, "HW")) == [Outcome.STALE]  # reserved, but not given
        assert await world.do(give(NOBODY, "HW")) == [Outcome.STALE]
        assert await world.state() == before
        await given(world, "HW")
        before = await world.state()
        assert await world.do(give(device_id, "another")) == [Outcome.STALE]
        assert await world.state() == before

    async def test_the_login_of_whoever_had_it_before_is_not_the_next_ones(self, world: World) -> None:
        device_id = await self._leased(world)
        await given(world, "another", at_ms=LATER_MS, until_ms=LATER_MS)
        await world.do(RecordLogin(device_id, LATER_MS))  # it was on its way

        await world.do(give(device_id, "another", at_ms=LATER_MS, until_ms=LATER_MS))

        assert (await world.read("m-1")).first_login_at_ms is None
        assert (await one_member(world, device_id)).state(LATER_MS + 1) == "ready"

    async def test_a_device_that_was_provisioned_keeps_its_switch_and_its_login(self, world: World) -> None:
        device_id = await self._leased(world)
        await world.do(hand_out(device_id, When.ALWAYS), RecordLogin(device_id, NOW_MS))
        before = await world.state()

        assert await world.do(give(device_id, "HW", until_ms=END_MS + 1)) == [Outcome.DONE]

        assert await world.state() == before

    async def test_a_device_that_goes_to_another_ends_the_sessions_of_the_first(self, world: World) -> None:
        device_id = await self._leased(world)
        await world.do(give(device_id, "HW"))

        told = await world.told(lease(world, "another", at_ms=LATER_MS))

        assert told == [(ChangeKind.DEVICE_DISABLED, device_id)]
        assert not (await world.read("m-1")).enabled

    async def test_only_what_was_not_used_is_taken_back_as_unused(self, world: World) -> None:
        await fill(world, "m-1")
        new, device_id = await members(world), (await world.read("m-1")).id
        assert await world.do(release(device_id, unused_by="HW")) == [Outcome.STALE]
        await given(world, "HW")
        assert await world.do(release(device_id, unused_by="another")) == [Outcome.STALE]

        assert await world.do(release(device_id, unused_by="HW")) == [Outcome.DONE]

        assert await members(world) == new
        await given(world, "HW")
        await world.do(hand_out(device_id, When.ALWAYS))
        before = await world.state()
        assert await world.do(release(device_id, unused_by="HW")) == [Outcome.STALE]
        assert await world.state() == before
