"""Storage suite: several writes that are done together, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firstboot.model import Attribute, ResourceRow, Scope
from firstboot.storage import (
    AppendAudit,
    AppendRows,
    ChangeKind,
    DeleteDevice,
    DeleteRows,
    Outcome,
    RenewUserSession,
    SaveAttributes,
    Storage,
    Together,
    UpdateDevice,
    Write,
    WriteResult,
)
from firstboot.testing.samples import NOW_MS, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, World, digest
from firstboot.testing.storage_resources import NOBODYS, changes, delete, rows

MANY = 100


def with_bucket(world: World, name: str, bucket: str | None = None, *, keep_existing: bool = True) -> Together:
    """Return the write that makes a device with a resource, as provisioning does."""
    created = world.resource(bucket or f"bucket of {name}", keep_existing=keep_existing)
    return Together((world.device(name), created))


def audit(event: str) -> AppendAudit:
    """Return a write that can be done always."""
    return AppendAudit(an_audit_entry(event))


class TogetherTests(StorageSuite):
    """All of it or nothing: in the tables, in the audit log, and in what others are told."""

    async def do(self, world: World, *writes: Write) -> list[WriteResult]:
        return list(await world.storage.write(writes, world.chain))

    async def test_all_parts_are_done_in_order_and_each_has_its_result(self, world: World) -> None:
        (result,) = await self.do(
            world, Together((audit("first"), world.device("meter-7"), world.resource(), audit("last")))
        )

        device = await world.read("meter-7")
        bucket = await world.storage.find_resource(world.tenant.id, "bucket", "readings")
        assert bucket is not None
        done = Outcome.DONE
        assert result == WriteResult(
            done,
            parts=(
                WriteResult(done),
                WriteResult(done, device.id),
                WriteResult(done, bucket.id, version=1),
                WriteResult(done),
            ),
        )
        events = [row.entry.event for row in await world.audit()]
        assert events[-4:] == ["first", "device-provisioned", "resource-created", "last"]

    @pytest.mark.parametrize("place", [0, 1, 2, 3])
    async def test_a_part_that_cannot_be_done_undoes_all_and_is_the_outcome(
        self, world: World, place: int
    ) -> None:
        device = await world.make_device("meter-1", "token")
        before = await world.state()
        parts: list[Write] = [
            world.device("meter-2"),
            UpdateDevice(device=replace(device, enabled=False), audit=an_audit_entry()),
            SaveAttributes(device_id=device.id, scope=Scope.SHARED, values={"a": 1}, at_ms=NOW_MS),
        ]
        parts.insert(place, world.device("meter-3", "token"))

        (result,) = await self.do(world, Together(tuple(parts)))

        assert result == WriteResult(Outcome.CREDENTIALS_IN_USE)
        assert await world.state() == before

    async def test_nothing_after_the_part_that_fails_is_looked_at(self, world: World) -> None:
        (result,) = await self.do(
            world, Together((delete(NOBODYS), DeleteDevice(device_id=1, audit=an_audit_entry())))
        )

        assert result.outcome is Outcome.GONE

    async def test_parts_see_what_those_before_them_did(self, world: World) -> None:
        device = await world.make_device("meter-7")

        outcomes = await world.do(
            Together((DeleteDevice(device_id=device.id, audit=an_audit_entry()), world.device("meter-7"))),
            Together((world.device("meter-8"), world.device("meter-8", "another token"))),
        )

        assert outcomes == [Outcome.DONE, Outcome.NAME_TAKEN]
        assert (await world.read("meter-7")).id != device.id

    async def test_those_of_a_batch_are_done_one_after_another(self, world: World) -> None:
        bucket = await world.make_resource()
        once = Together((AppendRows(bucket.id, [ResourceRow(NOW_MS, 1)]), DeleteRows(resource_id=bucket.id)))

        results = await self.do(world, once, once, once)

        assert [result.parts[1].id for result in results] == [1, 1, 1]

    async def test_one_that_fails_harms_nothing_around_it(self, world: World) -> None:
        device = await world.make_device("meter-1")
        disable = UpdateDevice(device=replace(device, enabled=False), audit=an_audit_entry("disabled"))

        told = await changes(
            world,
            world.resource("before"),
            Together((world.resource("undone"), delete(NOBODYS))),
            Together((disable, world.resource("within"))),
            Together((world.resource("undone"), world.resource("undone"))),
            world.resource("after"),
        )

        listed = await world.storage.list_resources("bucket", tenant_id=world.tenant.id)
        assert [resource.name for resource in listed] == ["before", "within", "after"]
        before, within, after = [resource.id for resource in listed]
        assert [(each.kind, each.ref) for each in told] == [
            (ChangeKind.RESOURCE, before),
            (ChangeKind.DEVICE_DISABLED, device.id),
            (ChangeKind.RESOURCE, within),
            (ChangeKind.RESOURCE, after),
        ]
        events = [row.entry.event for row in await world.audit()]
        assert events[-4:] == ["resource-created", "disabled", "resource-created", "resource-created"]

    async def test_one_within_another_is_undone_with_it_and_by_itself(self, world: World) -> None:
        good = Together((world.resource("inner"), audit("inner")))
        bad = Together((world.resource("undone"), delete(NOBODYS)))

        results = await self.do(
            world,
            Together((world.resource("outer"), good)),
            Together((world.resource("undone outer"), bad, audit("never"))),
            Together((Together((world.resource("undone inner"),)), world.resource("outer"))),
        )

        assert [result.outcome for result in results] == [Outcome.DONE, Outcome.GONE, Outcome.NAME_TAKEN]
        listed = await world.storage.list_resources("bucket", tenant_id=world.tenant.id)
        assert [resource.name for resource in listed] == ["outer", "inner"]
        assert [row.entry.event for row in await world.audit()][-1] == "inner"

    async def test_an_empty_one_is_done(self, world: World) -> None:
        before = await world.state()

        assert await self.do(world, Together(())) == [WriteResult(Outcome.DONE)]

        assert await world.state() == before

    async def test_what_a_part_does_although_it_fails_is_undone_too(self, world: World) -> None:
        """A refresh token that is used twice ends its session, when it comes alone."""
        session = await world.make_session(await world.make_user())
        renew = RenewUserSession(
            session_id=session.public_id,
            replaces=b"used before",
            refresh_digest=b"new",
            at_ms=NOW_MS,
            expires_at_ms=NOW_MS + 1,
        )

        assert await world.do(Together((audit("not done"), renew))) == [Outcome.STALE]

        assert await world.storage.user_session(session.public_id) is not None
        assert "not done" not in [row.entry.event for row in await world.audit()]

    async def test_rows_and_what_is_told_of_attributes_are_undone(self, world: World) -> None:
        device, bucket = await world.make_device(), await world.make_resource()
        save = SaveAttributes(device_id=device.id, scope=Scope.SHARED, values={"a": 1}, at_ms=NOW_MS)
        append = AppendRows(bucket.id, [ResourceRow(NOW_MS, 1)])

        assert await changes(world, Together((append, save, append, delete(NOBODYS)))) == []
        assert await rows(world.storage, bucket.id) == []
        assert [each.kind for each in await changes(world, Together((append, save)))] == [ChangeKind.ATTRIBUTES]
        assert await rows(world.storage, bucket.id) == [(NOW_MS, 1)]

    # -- devices with what belongs to them, many at once -------------------------------------------

    async def test_many_devices_are_made_with_resources_in_one_batch(self, world: World) -> None:
        names = [f"meter-{number}" for number in range(MANY)]

        results = await self.do(world, *(with_bucket(world, name) for name in names))

        assert {result.outcome for result in results} == {Outcome.DONE}
        for name, result in zip(names, results, strict=True):
            made, bucket = result.parts
            assert (await world.read(name)).id == made.id
            found = await world.storage.resource(bucket.id)
            assert found is not None
            assert found.name == f"bucket of {name}"

    async def test_those_whose_device_cannot_be_made_fail_alone(self, world: World) -> None:
        names = [f"meter-{number % 10}" for number in range(20)]

        results = await self.do(world, *(with_bucket(world, name, f"{n}") for n, name in enumerate(names)))

        assert [result.outcome for result in results] == [Outcome.DONE] * 10 + [Outcome.NAME_TAKEN] * 10
        listed = await world.storage.list_resources("bucket", tenant_id=world.tenant.id)
        assert [resource.name for resource in listed] == [str(number) for number in range(10)]

    async def test_devices_may_share_a_resource_that_is_kept(self, world: World) -> None:
        results = await self.do(world, *(with_bucket(world, f"meter-{n}", "shared") for n in range(10)))

        assert {result.outcome for result in results} == {Outcome.DONE}
        assert len({result.parts[1].id for result in results}) == 1
        assert [result.parts[1].version for result in results] == [1] + [0] * 9
        events = [row.entry.event for row in await world.audit()]
        assert (events.count("device-provisioned"), events.count("resource-created")) == (10, 1)

    async def test_a_device_whose_resource_cannot_be_made_leaves_name_and_token_to_others(
        self, world: World
    ) -> None:
        await world.make_resource("taken")

        outcomes = await world.do(
            with_bucket(world, "meter-1", "taken", keep_existing=False),
            with_bucket(world, "meter-1", "free", keep_existing=False),
            with_bucket(world, "meter-2", "free", keep_existing=False),
            with_bucket(world, "meter-2", "other", keep_existing=False),
        )

        assert outcomes == [Outcome.NAME_TAKEN, Outcome.DONE, Outcome.NAME_TAKEN, Outcome.DONE]
        assert await world.storage.count_devices(world.profile.id) == 2
        assert len(await world.storage.find_credentials([digest("token of meter-1")])) == 1

    async def test_each_of_a_batch_may_have_other_parts(self, world: World) -> None:
        def make(name: str, *buckets: str) -> Together:
            return Together((world.device(name), *(world.resource(each, keep_existing=True) for each in buckets)))

        results = await self.do(
            world,
            make("meter-1", "a", "b"),
            make("meter-2", "b", "a"),
            Together((world.resource("c"), world.device("meter-3"))),
            make("meter-4"),
            make("meter-4", "d"),
            Together((world.device("meter-5"), world.device("meter-6"))),
            Together((world.device("meter-7"), world.device("meter-6"))),
            Together((world.device("meter-7", attributes=(Attribute(Scope.SERVER, "a", 1),)),)),
        )

        done, taken = Outcome.DONE, Outcome.NAME_TAKEN
        assert [result.outcome for result in results] == [done, done, done, done, taken, done, taken, done]
        assert [part.version for part in results[1].parts] == [0, 0, 0]
        assert results[0].parts[1:] == tuple(
            WriteResult(done, part.id, version=1) for part in results[1].parts[:0:-1]
        )
        listed = await world.storage.list_resources("bucket", tenant_id=world.tenant.id)
        assert [resource.name for resource in listed] == ["a", "b", "c"]

    async def test_of_rivals_over_two_storages_one_gets_device_and_resource(
        self, world: World, other_storage: Storage
    ) -> None:
        other = replace(world, storage=other_storage)

        outcomes = await self.rivals([world, other], [with_bucket(world, "meter-7", f"{n}") for n in range(10)])

        assert outcomes == {Outcome.DONE: 1, Outcome.NAME_TAKEN: 9}
        assert len(await world.storage.list_resources("bucket", tenant_id=world.tenant.id)) == 1
