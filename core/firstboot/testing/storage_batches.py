"""Storage suite: a batch is as good as its writes one after another (PV-10), and the first wins (PV-5)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from firstboot.errors import Unavailable
from firstboot.model import Attribute, Scope
from firstboot.storage import (
    AppendAudit,
    CreateProfile,
    DeleteDevice,
    DeleteProfile,
    DeviceQuery,
    Outcome,
    Storage,
    When,
    Write,
    WriteResult,
)
from firstboot.testing.samples import a_profile, an_audit_entry
from firstboot.testing.storage_base import (
    ALL,
    StorageSuite,
    World,
    attributes,
    digest,
    hand_out,
    replace_credentials,
)

BATCH = 64
RIVALS = 50


class BatchTests(StorageSuite):
    """Writes in one batch, and batches at the same time."""

    async def test_an_empty_batch_does_nothing(self, world: World) -> None:
        before = await world.state()

        assert list(await world.storage.write([], world.chain)) == []

        assert await world.state() == before

    @pytest.mark.parametrize("duplicates", [1, 32, 63])
    async def test_duplicate_names_in_a_batch_fail_alone(self, world: World, duplicates: int) -> None:
        originals = BATCH - duplicates
        names = [f"meter-{number % originals}" for number in range(BATCH)]

        outcomes = await world.do(*(world.device(name, f"token {number}") for number, name in enumerate(names)))

        assert outcomes == [Outcome.DONE] * originals + [Outcome.NAME_TAKEN] * duplicates
        await _only_these_devices(world, {f"meter-{number}": f"token {number}" for number in range(originals)})

    @pytest.mark.parametrize("duplicates", [1, 32, 63])
    async def test_duplicate_tokens_in_a_batch_fail_alone(self, world: World, duplicates: int) -> None:
        originals = BATCH - duplicates

        outcomes = await world.do(
            *(world.device(f"meter-{number}", f"token {number % originals}") for number in range(BATCH))
        )

        assert outcomes == [Outcome.DONE] * originals + [Outcome.CREDENTIALS_IN_USE] * duplicates
        await _only_these_devices(world, {f"meter-{number}": f"token {number}" for number in range(originals)})

    @pytest.mark.parametrize("duplicates", [1, 32, 63])
    async def test_names_that_are_stored_fail_alone(self, world: World, duplicates: int) -> None:
        stored = range(0, BATCH, BATCH // duplicates)[:duplicates]
        await world.do(*(world.device(f"meter-{number}", f"old {number}") for number in stored))

        outcomes = await world.do(*(world.device(f"meter-{number}", f"token {number}") for number in range(BATCH)))

        assert outcomes == [Outcome.NAME_TAKEN if number in stored else Outcome.DONE for number in range(BATCH)]
        await _only_these_devices(
            world,
            {
                f"meter-{number}": f"old {number}" if number in stored else f"token {number}"
                for number in range(BATCH)
            },
        )

    @pytest.mark.parametrize("duplicates", [1, 32, 63])
    async def test_tokens_that_are_stored_fail_alone(self, world: World, duplicates: int) -> None:
        stored = range(0, BATCH, BATCH // duplicates)[:duplicates]
        await world.do(*(world.device(f"old-{number}", f"token {number}") for number in stored))

        outcomes = await world.do(*(world.device(f"meter-{number}", f"token {number}") for number in range(BATCH)))

        assert outcomes == [
            Outcome.CREDENTIALS_IN_USE if number in stored else Outcome.DONE for number in range(BATCH)
        ]
        await _only_these_devices(
            world,
            {f"{'old' if number in stored else 'meter'}-{number}": f"token {number}" for number in range(BATCH)},
        )

    async def test_one_that_fails_by_its_token_leaves_its_name_to_a_later_one(self, world: World) -> None:
        outcomes = await world.do(
            world.device("meter-1", "token"),
            world.device("meter-2", "token"),
            world.device("meter-2", "another token"),
        )

        assert outcomes == [Outcome.DONE, Outcome.CREDENTIALS_IN_USE, Outcome.DONE]
        await _only_these_devices(world, {"meter-1": "token", "meter-2": "another token"})

    async def test_one_that_fails_by_its_name_leaves_its_token_to_a_later_one(self, world: World) -> None:
        outcomes = await world.do(
            world.device("meter-1", "token"),
            world.device("meter-1", "another token"),
            world.device("meter-2", "another token"),
        )

        assert outcomes == [Outcome.DONE, Outcome.NAME_TAKEN, Outcome.DONE]
        await _only_these_devices(world, {"meter-1": "token", "meter-2": "another token"})

    async def test_the_limit_of_devices_counts_those_of_the_same_batch(self, world: World) -> None:
        doomed = await world.make_device("doomed")

        outcomes = await world.do(
            world.device("meter-1", max_devices=2),
            world.device("meter-2", max_devices=2),
            DeleteDevice(device_id=doomed.id, audit=an_audit_entry()),
            world.device("meter-2", max_devices=2),
            world.device("meter-3", max_devices=2),
            world.device("meter-3", max_devices=3),
        )

        assert outcomes == [
            Outcome.DONE,
            Outcome.DEVICE_LIMIT,
            Outcome.DONE,
            Outcome.DONE,
            Outcome.DEVICE_LIMIT,
            Outcome.DONE,
        ]

    async def test_one_that_fails_does_not_count_against_the_limit(self, world: World) -> None:
        outcomes = await world.do(
            world.device("meter-1", "token", max_devices=2),
            world.device("meter-2", "token", max_devices=2),
            world.device("meter-1", "other", max_devices=2),
            world.device("meter-2", "other", max_devices=2),
        )

        assert outcomes == [Outcome.DONE, Outcome.CREDENTIALS_IN_USE, Outcome.NAME_TAKEN, Outcome.DONE]

    async def test_a_name_that_a_batch_frees_can_be_had_in_it(self, world: World) -> None:
        device = await world.make_device("meter-7", "token")

        outcomes = await world.do(
            world.device("meter-7", "token"),
            DeleteDevice(device_id=device.id, audit=an_audit_entry()),
            world.device("meter-7", "token"),
            hand_out(device.id),
        )

        assert outcomes[0] in (Outcome.NAME_TAKEN, Outcome.CREDENTIALS_IN_USE)
        assert outcomes[1:] == [Outcome.DONE, Outcome.DONE, Outcome.DEVICE_GONE]
        assert (await world.read("meter-7")).id != device.id

    async def test_one_device_is_handed_out_once_in_a_batch(self, world: World) -> None:
        device = await world.make_device()

        outcomes = await world.do(
            *(hand_out(device.id, attributes=(Attribute(Scope.SERVER, "winner", n),)) for n in range(3))
        )

        assert outcomes == [Outcome.DONE, Outcome.STALE, Outcome.STALE]
        assert (await attributes(world.storage, device.id))[Scope.SERVER, "winner"] == "0"

    async def test_credentials_can_be_replaced_again_in_a_batch(self, world: World) -> None:
        device = await world.make_device("meter-7", "first")

        outcomes = await world.do(
            replace_credentials(device.id, "first", "second"),
            replace_credentials(device.id, "first", "stale"),
            replace_credentials(device.id, "second", "third"),
            world.device("meter-8", "second"),
        )

        assert outcomes == [Outcome.DONE, Outcome.STALE, Outcome.DONE, Outcome.DONE]
        await _only_these_devices(world, {"meter-7": "third", "meter-8": "second"})

    async def test_profiles_in_a_batch_see_each_other(self, world: World) -> None:
        def make(name: str, key: str) -> Write:
            profile = a_profile(name, tenant_id=world.tenant.id, provision_key=key)
            return CreateProfile(profile=profile, audit=an_audit_entry())

        outcomes = await world.do(
            make("one", "key"),
            make("one", "another key"),
            make("two", "key"),
            make("two", "another key"),
            DeleteProfile(profile_id=world.profile.id, audit=an_audit_entry()),
            world.device("meter-7"),
        )

        assert outcomes == [
            Outcome.DONE,
            Outcome.NAME_TAKEN,
            Outcome.KEY_TAKEN,
            Outcome.DONE,
            Outcome.DONE,
            Outcome.PROFILE_GONE,
        ]

    async def test_only_those_that_succeed_are_audited_and_in_order(self, world: World) -> None:
        before = len(await world.audit())

        await world.do(
            world.device("meter-1", audit=an_audit_entry("first")),
            world.device("meter-1", "other", audit=an_audit_entry("not done")),
            AppendAudit(an_audit_entry("second")),
            hand_out(987_654, audit=an_audit_entry("not done either")),
            world.device("meter-2", audit=an_audit_entry("third")),
        )

        assert [row.entry.event for row in (await world.audit())[before:]] == ["first", "second", "third"]

    async def test_a_thousand_devices_can_be_made_in_a_batch(self, world: World) -> None:
        results = await world.storage.write(
            [
                world.device(f"meter-{number}", attributes=(Attribute(Scope.SERVER, "n", number),))
                for number in range(1000)
            ],
            world.chain,
        )

        assert {result.outcome for result in results} == {Outcome.DONE}
        devices = await world.storage.list_devices(DeviceQuery(tenant_id=world.tenant.id, limit=ALL))
        ids = {device.name: device.id for device in devices}
        assert [ids[f"meter-{number}"] for number in range(1000)] == [result.id for result in results]
        assert await attributes(world.storage, results[500].id) == {(Scope.SERVER, "n"): "500"}

    async def test_a_batch_that_breaks_off_has_not_happened(self, world: World) -> None:
        device = await world.make_device("meter-7", "token")
        before = await world.state()
        links = 0

        def failing(previous: bytes, row: bytes) -> bytes:
            nonlocal links
            links += 1
            if links == 4:
                raise ZeroDivisionError("as good as the disk being full")
            return world.chain(previous, row)

        with pytest.raises((ZeroDivisionError, Unavailable)):
            await world.storage.write(
                [
                    world.device("meter-1"),
                    hand_out(device.id),
                    replace_credentials(device.id, "token", "new"),
                    world.device("meter-2"),
                    world.device("meter-3"),
                ],
                failing,
            )

        assert await world.state() == before
        assert await world.do(world.device("meter-1")) == [Outcome.DONE]

    # -- at the same time --------------------------------------------------------------------------

    async def test_one_of_many_gets_a_name(self, world: World) -> None:
        outcomes = await _rivals(
            [world.storage], world, [world.device("meter-7", f"token {number}") for number in range(RIVALS)]
        )

        assert outcomes == {Outcome.DONE: 1, Outcome.NAME_TAKEN: RIVALS - 1}
        assert await world.storage.count_devices(world.profile.id) == 1

    async def test_one_of_many_gets_a_token(self, world: World) -> None:
        outcomes = await _rivals(
            [world.storage], world, [world.device(f"meter-{number}", "token") for number in range(RIVALS)]
        )

        assert outcomes == {Outcome.DONE: 1, Outcome.CREDENTIALS_IN_USE: RIVALS - 1}
        assert await world.storage.count_devices(world.profile.id) == 1

    async def test_one_of_many_is_handed_the_device(self, world: World) -> None:
        device = await world.make_device()

        outcomes = await _rivals([world.storage], world, [hand_out(device.id) for _ in range(RIVALS)])

        assert outcomes == {Outcome.DONE: 1, Outcome.STALE: RIVALS - 1}

    async def test_one_of_many_replaces_the_credentials(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")

        outcomes = await _rivals(
            [world.storage],
            world,
            [replace_credentials(device.id, "old", f"new {number}") for number in range(RIVALS)],
        )

        assert outcomes == {Outcome.DONE: 1, Outcome.STALE: RIVALS - 1}
        assert len(await world.storage.device_credentials(device.id)) == 1

    async def test_the_limit_of_devices_holds_under_many_at_once(self, world: World) -> None:
        outcomes = await _rivals(
            [world.storage],
            world,
            [world.device(f"meter-{number}", max_devices=7) for number in range(RIVALS)],
        )

        assert outcomes == {Outcome.DONE: 7, Outcome.DEVICE_LIMIT: RIVALS - 7}
        assert await world.storage.count_devices(world.profile.id) == 7

    async def test_one_of_many_wins_over_two_storages_on_the_data(
        self, world: World, other_storage: Storage
    ) -> None:
        device = await world.make_device("waiting")
        storages = [world.storage, other_storage]

        named = await _rivals(
            storages, world, [world.device("meter-7", f"token {number}") for number in range(RIVALS)]
        )
        handed = await _rivals(storages, world, [hand_out(device.id) for _ in range(RIVALS)])

        assert named == {Outcome.DONE: 1, Outcome.NAME_TAKEN: RIVALS - 1}
        assert handed == {Outcome.DONE: 1, Outcome.STALE: RIVALS - 1}

    async def test_the_limit_of_devices_holds_over_two_storages_on_the_data(
        self, world: World, other_storage: Storage
    ) -> None:
        outcomes = await _rivals(
            [world.storage, other_storage],
            world,
            [world.device(f"meter-{number}", max_devices=7) for number in range(RIVALS)],
        )

        assert outcomes == {Outcome.DONE: 7, Outcome.DEVICE_LIMIT: RIVALS - 7}

    async def test_attempts_that_lose_leave_no_credentials(self, world: World) -> None:
        await _rivals(
            [world.storage], world, [world.device("meter-7", f"token {number}") for number in range(RIVALS)]
        )

        found = await world.storage.find_credentials([digest(f"token {number}") for number in range(RIVALS)])
        current = await world.storage.device_credentials((await world.read("meter-7")).id)
        assert len(current) == 1
        assert [each.digest for each in found] == [current[0].digest]

    async def test_a_device_can_be_used_while_it_is_deleted(self, world: World) -> None:
        device = await world.make_device()

        outcomes = await _rivals(
            [world.storage],
            world,
            [
                DeleteDevice(device_id=device.id, audit=an_audit_entry()) if number == 5 else
                hand_out(device.id, When.ALWAYS)
                for number in range(10)
            ],
        )  # fmt: skip

        assert outcomes.keys() <= {Outcome.DONE, Outcome.DEVICE_GONE}
        assert await world.storage.find_device(world.tenant.id, "meter-7") is None
        assert not await world.storage.device_attributes(device.id)


async def _rivals(storages: Sequence[Storage], world: World, writes: Sequence[Write]) -> Counter[Outcome]:
    """Do each write in a batch of its own, all at the same time; count how they ended."""

    async def alone(storage: Storage, write: Write) -> WriteResult:
        (result,) = await storage.write([write], world.chain)
        return result

    results = await asyncio.gather(
        *(alone(storages[number % len(storages)], write) for number, write in enumerate(writes))
    )
    return Counter(result.outcome for result in results)


async def _only_these_devices(world: World, tokens: dict[str, str]) -> None:
    """Check that there are these devices with the credentials of these tokens, and no others."""
    state = await world.state()
    found = {device.name: state["credentials"][device.id] for device in state["devices"]}
    assert {name: [each.digest for each in credentials] for name, credentials in found.items()} == {
        name: [digest(token)] for name, token in tokens.items()
    }
    assert state["count"] == len(tokens)
