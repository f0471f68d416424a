"""Storage suite: resources, and the rows that they collect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from firstboot.model import Resource, ResourceRow
from firstboot.storage import (
    AppendRows,
    Change,
    ChangeKind,
    CreateResource,
    DeleteResource,
    DeleteRows,
    Outcome,
    RowQuery,
    Storage,
    UpdateResource,
    Write,
)
from firstboot.testing.samples import NOW_MS, a_resource, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, World

NOBODYS = 987_654
MANY = 600
"""More than a statement takes."""
VALUES = [None, True, 0, -1.5, "", "Größe '\"% \0", [1, [2]], {"a": {"b": None}}, 2**53]


def update(resource: Resource, document: dict[str, Any], **fields: Any) -> UpdateResource:
    """Return the write that replaces a document."""
    changed = replace(resource, document=document, updated_at_ms=NOW_MS + 5)
    return UpdateResource(resource=changed, audit=an_audit_entry("resource-updated"), **fields)


def delete(resource_id: int) -> DeleteResource:
    """Return the write that deletes a resource."""
    return DeleteResource(resource_id=resource_id, at_ms=NOW_MS, audit=an_audit_entry("resource-deleted"))


async def rows(storage: Storage, resource_id: int, **fields: Any) -> list[tuple[int, Any]]:
    """Return the rows of a resource, as moment and value."""
    found = await storage.resource_rows(RowQuery(resource_id=resource_id, **fields))
    return [(row.at_ms, row.value) for row in found]


async def changes(world: World, *writes: Write) -> list[Change]:
    """Do writes in one batch; return what other processes are told."""
    before = await world.storage.last_change()
    await world.do(*writes)
    return list(await world.storage.changes_since(before))


class ResourceTests(StorageSuite):
    """Making, finding, replacing and deleting resources."""

    async def test_a_resource_comes_back_as_it_was_made(self, world: World) -> None:
        given = a_resource(
            "Größe '\"%",
            tenant_id=world.tenant.id,
            kind="a-kind",
            document={"a": VALUES},
            updated_at_ms=NOW_MS + 1,
        )

        (made,) = await world.storage.write([CreateResource(resource=given)], world.chain)

        assert (made.outcome, made.version) == (Outcome.DONE, 1)
        expected = replace(given, id=made.id)
        assert await world.storage.resource(made.id) == expected
        assert await world.storage.find_resource(world.tenant.id, "a-kind", "Größe '\"%") == expected
        assert list(await world.storage.list_resources("a-kind")) == [expected]

    async def test_a_document_that_is_changed_later_changes_nothing_that_is_stored(self, world: World) -> None:
        document = {"list": [1]}

        made = await world.make_resource(document=document)
        document["list"].append(2)

        stored = await world.storage.resource(made.id)
        assert stored is not None
        assert stored.document == {"list": [1]}

    async def test_a_resource_that_is_not_there_is_not_found(self, world: World, other_world: World) -> None:
        made = await world.make_resource("readings")

        assert await world.storage.resource(NOBODYS) is None
        assert await world.storage.find_resource(other_world.tenant.id, made.kind, made.name) is None
        assert await world.storage.find_resource(world.tenant.id, "another", made.name) is None
        for name in ("Readings", "", "\0", "\ud800"):
            assert await world.storage.find_resource(world.tenant.id, made.kind, name) is None

    async def test_resources_are_listed_by_kind_and_tenant_in_the_order_in_which_they_were_made(
        self, world: World, other_world: World
    ) -> None:
        one, two, three = [await world.make_resource(name) for name in ("c", "a", "b")]
        await world.make_resource("c", kind="dashboard")
        theirs = await other_world.make_resource("c")
        storage, mine = world.storage, world.tenant.id

        assert list(await storage.list_resources("bucket")) == [one, two, three, theirs]
        assert list(await storage.list_resources("bucket", tenant_id=mine)) == [one, two, three]
        assert list(await storage.list_resources("bucket", tenant_id=mine, after_id=one.id, limit=1)) == [two]
        assert list(await storage.list_resources("bucket", after_id=three.id)) == [theirs]
        assert list(await storage.list_resources("bucket", limit=0)) == []
        assert list(await storage.list_resources("nothing")) == []

    async def test_two_resources_of_a_kind_cannot_have_one_name(self, world: World) -> None:
        await world.make_resource("taken")
        before = await world.state()

        outcomes = await world.do(world.resource("taken"), world.resource("x", tenant_id=NOBODYS))

        assert outcomes == [Outcome.NAME_TAKEN, Outcome.GONE]
        assert await world.state() == before

    async def test_names_are_free_in_other_kinds_and_tenants(self, world: World, other_world: World) -> None:
        await world.make_resource("taken")

        assert await world.do(world.resource("taken", kind="dashboard")) == [Outcome.DONE]
        assert await world.do(other_world.resource("taken")) == [Outcome.DONE]

    @pytest.mark.parametrize("keep_existing", [True, False])
    async def test_resources_in_a_batch_see_each_other(self, world: World, keep_existing: bool) -> None:
        same = world.resource("same", keep_existing=keep_existing)

        results = await world.storage.write(
            [same, world.resource("x", tenant_id=NOBODYS), same, world.resource("other"), same], world.chain
        )

        again = Outcome.DONE if keep_existing else Outcome.NAME_TAKEN
        outcomes = [result.outcome for result in results]
        assert outcomes == [Outcome.DONE, Outcome.GONE, again, Outcome.DONE, again]
        assert [result.version for result in results] == [1, 0, 0, 1, 0]
        assert len({result.id for result in results if result.id}) == 2
        details = [row.entry.detail for row in await world.audit() if row.entry.event == "resource-created"]
        assert details == ["same", "other"]

    async def test_one_that_exists_may_be_kept_as_it_is(self, world: World) -> None:
        made = await world.make_resource("readings", document={"by": "hand"})
        before = await world.state()

        (kept,) = await world.storage.write(
            [world.resource("readings", keep_existing=True, document={"by": "machine"})], world.chain
        )

        assert (kept.outcome, kept.id, kept.version) == (Outcome.DONE, made.id, 0)
        assert await world.state() == before

    async def test_of_rivals_over_two_storages_one_makes_the_resource(
        self, world: World, other_storage: Storage
    ) -> None:
        other = replace(world, storage=other_storage)

        outcomes = await self.rivals([world, other], [world.resource() for _ in range(10)])

        assert outcomes == {Outcome.DONE: 1, Outcome.NAME_TAKEN: 9}

    async def test_many_resources_are_made_in_one_batch_in_order(self, world: World) -> None:
        names = [f"bucket {number}" for number in range(MANY)]

        results = await world.storage.write([world.resource(name) for name in names], world.chain)

        listed = await world.storage.list_resources("bucket", tenant_id=world.tenant.id)
        assert [resource.name for resource in listed] == names
        assert [result.id for result in results] == [resource.id for resource in listed]

    async def test_a_document_is_replaced_and_its_version_counted_up(self, world: World) -> None:
        made = await world.make_resource("readings", document={"old": 1})

        results = await world.storage.write(
            [update(made, {"new": [1]}), update(made, {"new": [2]}, expected_version=2)], world.chain
        )

        assert [(each.outcome, each.version) for each in results] == [(Outcome.DONE, 2), (Outcome.DONE, 3)]
        assert await world.storage.resource(made.id) == replace(
            made, document={"new": [2]}, version=3, updated_at_ms=NOW_MS + 5
        )

    async def test_an_update_replaces_the_document_and_nothing_else(self, world: World) -> None:
        made = await world.make_resource("readings")

        await world.do(update(replace(made, name="other", kind="other", created_at_ms=1), {}))

        stored = await world.storage.resource(made.id)
        assert stored is not None
        assert (stored.name, stored.kind, stored.created_at_ms) == (made.name, made.kind, made.created_at_ms)

    async def test_an_update_that_cannot_be_done_changes_nothing(self, world: World, other_world: World) -> None:
        made = await world.make_resource()
        before = await world.state()

        outcomes = await world.do(
            update(made, {}, expected_version=2),
            update(replace(made, id=NOBODYS), {}),
            update(replace(made, tenant_id=other_world.tenant.id), {}),
        )

        assert outcomes == [Outcome.STALE, Outcome.GONE, Outcome.GONE]
        assert await world.state() == before

    async def test_a_deleted_resource_is_gone_with_its_rows_and_its_name_is_free(self, world: World) -> None:
        made = await world.make_resource()
        await world.do(AppendRows(made.id, [ResourceRow(NOW_MS, 1)]))

        assert await world.do(delete(made.id), delete(made.id)) == [Outcome.DONE, Outcome.GONE]

        assert await world.storage.resource(made.id) is None
        assert await rows(world.storage, made.id) == []
        again = await world.make_resource()
        assert again.id != made.id
        assert await rows(world.storage, again.id) == []

    async def test_others_are_told_the_kind_of_what_is_made_replaced_and_deleted(self, world: World) -> None:
        (created,) = await changes(world, world.resource(kind="dashboard"), world.resource("x", tenant_id=NOBODYS))
        made = await world.storage.find_resource(world.tenant.id, "dashboard", "readings")
        assert made is not None
        after = await changes(
            world,
            world.resource(kind="dashboard"),
            world.resource(kind="dashboard", keep_existing=True),
            AppendRows(made.id, [ResourceRow(NOW_MS, 1)]),
            update(made, {}, expected_version=7),
            update(made, {}),
            delete(made.id),
        )

        told = [(each.kind, each.ref, each.detail) for each in (created, *after)]
        assert told == [(ChangeKind.RESOURCE, made.id, "dashboard")] * 3


class RowTests(StorageSuite):
    """Adding, reading and deleting rows."""

    async def test_values_come_back_as_they_were_added(self, world: World) -> None:
        made = await world.make_resource()

        await world.do(AppendRows(made.id, [ResourceRow(NOW_MS + n, value) for n, value in enumerate(VALUES)]))

        assert await rows(world.storage, made.id, oldest_first=True) == [
            (NOW_MS + n, value) for n, value in enumerate(VALUES)
        ]

    async def test_rows_come_newest_first_and_those_of_one_moment_in_the_order_of_their_arrival(
        self, world: World
    ) -> None:
        made = await world.make_resource()

        await world.do(
            AppendRows(made.id, [ResourceRow(3, "a"), ResourceRow(1, "b")]),
            AppendRows(made.id, [ResourceRow(3, "c")]),
        )
        await world.do(AppendRows(made.id, [ResourceRow(2, "d"), ResourceRow(3, "a")]))

        in_order = [(1, "b"), (2, "d"), (3, "a"), (3, "c"), (3, "a")]
        assert await rows(world.storage, made.id, oldest_first=True) == in_order
        assert await rows(world.storage, made.id) == in_order[::-1]

    async def test_rows_are_read_between_two_moments_both_included(self, world: World) -> None:
        made = await world.make_resource()
        await world.do(AppendRows(made.id, [ResourceRow(at_ms, at_ms) for at_ms in range(10)]))

        async def moments(**fields: Any) -> list[int]:
            return [at_ms for at_ms, _ in await rows(world.storage, made.id, **fields)]

        assert await moments(from_ms=7) == [9, 8, 7]
        assert await moments(until_ms=2) == [2, 1, 0]
        assert await moments(from_ms=3, until_ms=5, oldest_first=True) == [3, 4, 5]
        assert await moments(from_ms=0, until_ms=0) == [0]
        assert await moments(from_ms=5, until_ms=4) == []
        assert await moments(limit=2) == [9, 8]
        assert await moments(limit=2, oldest_first=True, from_ms=1) == [1, 2]
        assert await moments(limit=0) == []

    @pytest.mark.parametrize("oldest_first", [True, False])
    async def test_reading_goes_on_behind_a_row_even_when_that_is_gone(
        self, world: World, oldest_first: bool
    ) -> None:
        made = await world.make_resource()
        moments = [2, 1, 2, 3, 2, 1]
        await world.do(AppendRows(made.id, [ResourceRow(at_ms, n) for n, at_ms in enumerate(moments)]))
        query = RowQuery(resource_id=made.id, limit=2, oldest_first=oldest_first)

        found = list(await world.storage.resource_rows(query))
        found += await world.storage.resource_rows(replace(query, after=found[-1]))
        await world.do(DeleteRows(resource_id=made.id, before_ms=2))
        if oldest_first:
            await world.do(AppendRows(made.id, [ResourceRow(0, "too late")]))
        found += await world.storage.resource_rows(replace(query, after=found[3]))

        in_order = [(1, 1), (1, 5), (2, 0), (2, 2), (2, 4), (3, 3)]
        expected = in_order if oldest_first else in_order[:1:-1]
        assert [(row.at_ms, row.value) for row in found] == expected

    async def test_so_many_rows_are_deleted_as_wanted_the_oldest_first(self, world: World) -> None:
        made = await world.make_resource()
        await world.do(AppendRows(made.id, [ResourceRow(at_ms, n) for n, at_ms in enumerate([3, 1, 2, 1, 9])]))
        delete_two = DeleteRows(resource_id=made.id, before_ms=4, limit=2)

        results = await world.storage.write([delete_two, delete_two], world.chain)
        assert [result.id for result in results] == [2, 2]
        assert await rows(world.storage, made.id) == [(9, 4)]
        (result,) = await world.storage.write([replace(delete_two, before_ms=None)], world.chain)
        assert result.id == 1

    async def test_each_resource_has_rows_of_its_own(self, world: World) -> None:
        one, two = await world.make_resource("one"), await world.make_resource("two")

        outcomes = await world.do(
            AppendRows(one.id, [ResourceRow(1, "one")]),
            AppendRows(NOBODYS, [ResourceRow(1, "nobody's")]),
            AppendRows(two.id, [ResourceRow(1, "two")]),
            AppendRows(two.id, []),
        )

        assert outcomes == [Outcome.DONE, Outcome.GONE, Outcome.DONE, Outcome.DONE]
        assert await rows(world.storage, one.id) == [(1, "one")]
        assert await rows(world.storage, two.id) == [(1, "two")]
        assert await rows(world.storage, NOBODYS) == []

    async def test_many_rows_of_many_resources_are_added_in_one_batch(self, world: World) -> None:
        ids = [(await world.make_resource(f"bucket {number}")).id for number in range(3)]

        outcomes = await world.do(
            *(AppendRows(ids[n % 3], [ResourceRow(NOW_MS, n), ResourceRow(NOW_MS, -n)]) for n in range(MANY))
        )

        assert set(outcomes) == {Outcome.DONE}
        for number, id_ in enumerate(ids):
            expected = [(NOW_MS, value) for n in range(number, MANY, 3) for value in (n, -n)]
            assert await rows(world.storage, id_, oldest_first=True, limit=MANY) == expected

    async def test_rows_are_deleted_before_a_moment_or_all_and_counted(self, world: World) -> None:
        one, two = await world.make_resource("one"), await world.make_resource("two")
        added = [ResourceRow(at_ms, at_ms) for at_ms in range(5)]
        await world.do(AppendRows(one.id, added), AppendRows(two.id, added))

        results = await world.storage.write(
            [
                DeleteRows(resource_id=one.id, before_ms=2, audit=an_audit_entry("resource-cleared")),
                DeleteRows(resource_id=two.id),
                DeleteRows(resource_id=two.id, before_ms=9),
                DeleteRows(resource_id=NOBODYS),
            ],
            world.chain,
        )

        assert [(result.outcome, result.id) for result in results] == [
            (Outcome.DONE, 2),
            (Outcome.DONE, 5),
            (Outcome.DONE, 0),
            (Outcome.DONE, 0),
        ]
        assert await rows(world.storage, one.id) == [(4, 4), (3, 3), (2, 2)]
        assert await rows(world.storage, two.id) == []
        assert [row.entry.event for row in await world.audit()][-1:] == ["resource-cleared"]
