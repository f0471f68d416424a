"""Resources: named documents beside devices, what they collect, and their copy in memory."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.memory_services import MemoryServices

from firstboot.changes import ChangeFollower
from firstboot.downlink import Downlinks
from firstboot.errors import AlreadyExists, InvalidValue, NotFound, VersionConflict
from firstboot.model import Resource, ResourceDraft, ResourceRow
from firstboot.profile_directory import ProfileDirectory
from firstboot.resource_mirror import ResourceMirror
from firstboot.resources import ResourceService
from firstboot.sessions import Sessions
from firstboot.storage import RowQuery

KIND = "test-bucket"


class World(MemoryServices):
    def __init__(self) -> None:
        super().__init__()
        self.resources = ResourceService(self.storage, self.commits, self.clock)

    async def make(self, name: str = "one", tenant_id: int = 1, kind: str = KIND, **document: object) -> Resource:
        draft = ResourceDraft(kind=kind, name=name, document=document)
        return await self.resources.create(tenant_id, draft, actor="test")

    async def follower(self) -> ChangeFollower:
        profiles = ProfileDirectory(self.storage, self.keyring, self.clock)
        follower = ChangeFollower(self.storage, profiles, Sessions(), Downlinks(self.storage), asyncio.Event())
        await follower.start()
        return follower


async def test_a_resource_is_found_as_it_was_made() -> None:
    world = World()
    made = await world.make(colour="red")

    assert await world.resources.get(1, KIND, "one") == made
    assert (made.document, made.version, made.created_at_ms) == ({"colour": "red"}, 1, world.now_ms)
    with pytest.raises(NotFound, match="two"):
        await world.resources.get(1, KIND, "two")
    (audited,) = await world.audit("resource-created")
    assert (audited.actor, audited.detail) == ("test", f"{KIND} one")


async def test_names_are_unique_in_a_tenant_and_a_kind() -> None:
    world = World()
    other = world.storage.add_tenant("other")
    await world.make()
    await world.make(kind="test-dashboard")
    await world.make(tenant_id=other.id)

    with pytest.raises(AlreadyExists):
        await world.make()
    assert [each.name for each in await world.resources.list(1, KIND)] == ["one"]


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb"])
async def test_a_name_that_nobody_can_see_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="name"):
        await World().make(name)


async def test_a_document_that_is_too_large_is_refused() -> None:
    world = World()
    with pytest.raises(InvalidValue):
        await world.make(text=["x" * 60_000] * 5)
    made = await world.make(text=["x" * 60_000] * 4)
    with pytest.raises(InvalidValue):
        await world.resources.update(made, {"text": ["x" * 60_000] * 5}, actor="test")


async def test_who_changes_what_somebody_else_has_changed_is_told() -> None:
    world = World()
    made = await world.make(a=1)
    world.now_ms += 5
    changed = await world.resources.update(made, {"a": 2}, actor="test", expected_version=1)

    assert (changed.version, changed.updated_at_ms) == (2, world.now_ms)
    assert await world.resources.get(1, KIND, "one") == changed
    with pytest.raises(VersionConflict):
        await world.resources.update(made, {"a": 3}, actor="test", expected_version=1)
    await world.resources.delete(changed, actor="test")
    with pytest.raises(NotFound):
        await world.resources.update(changed, {"a": 3}, actor="test")
    with pytest.raises(NotFound):
        await world.resources.delete(changed, actor="test")


async def test_rows_are_kept_until_they_are_cleared() -> None:
    world = World()
    made = await world.make()
    await world.resources.append(made, [ResourceRow(1, {"t": 20}), ResourceRow(3, 7), ResourceRow(2, "x")])

    query = RowQuery(resource_id=made.id)
    assert [row.at_ms for row in await world.resources.rows(query)] == [3, 2, 1]
    assert await world.resources.clear(made, before_ms=2) == 1
    assert await world.audit("resource-cleared") == []
    assert await world.resources.clear(made, actor="test") == 2
    assert len(await world.audit("resource-cleared")) == 1
    assert await world.resources.rows(query) == []


@pytest.mark.parametrize("row", [ResourceRow(-1, 1), ResourceRow(1, float("nan")), ResourceRow(1, None)])
async def test_rows_that_are_none_are_refused_and_nothing_is_kept(row: ResourceRow) -> None:
    world = World()
    made = await world.make()
    with pytest.raises(InvalidValue):
        await world.resources.append(made, [ResourceRow(1, 1), row])
    assert await world.resources.rows(RowQuery(resource_id=made.id)) == []


async def test_rows_of_a_resource_that_is_gone_are_refused() -> None:
    world = World()
    made = await world.make()
    await world.resources.delete(made, actor="test")
    with pytest.raises(NotFound):
        await world.resources.append(made, [ResourceRow(1, 1)])


@pytest.mark.parametrize("oldest_first", [True, False])
async def test_every_row_is_gone_through_once_although_old_ones_go_meanwhile(oldest_first: bool) -> None:
    world = World()
    made = await world.make()
    # Of each moment there are more than are read at once.
    await world.resources.append(made, [ResourceRow(n // 600, n) for n in range(1800)])

    found = []
    async for row in world.resources.every_row(RowQuery(resource_id=made.id, limit=1, oldest_first=oldest_first)):
        if len(found) == 700:
            await world.resources.clear(made, before_ms=1)
        found.append(row.value)

    # What was read already when it was deleted is told: the reading is by 500.
    assert found == (list(range(1800)) if oldest_first else [*range(1799, 599, -1)])


async def test_every_row_of_a_span_is_gone_through_and_no_others() -> None:
    world = World()
    made = await world.make()
    await world.resources.append(made, [ResourceRow(n, n) for n in range(1000)])

    span = RowQuery(resource_id=made.id, from_ms=100, until_ms=899, oldest_first=True)
    assert [row.value async for row in world.resources.every_row(span)] == list(range(100, 900))


async def test_more_rows_than_go_in_one_commit_are_cleared_and_audited_once() -> None:
    world = World()
    made = await world.make()
    await world.resources.append(made, [ResourceRow(n, n) for n in range(12_000)])

    assert await world.resources.clear(made, before_ms=11_000, actor="test") == 11_000
    assert len(await world.audit("resource-cleared")) == 1
    assert [row.value async for row in world.resources.every_row(RowQuery(resource_id=made.id))][-1] == 11_000
    await world.resources.delete(made, actor="test")
    assert len(await world.audit("resource-cleared")) == 1


async def test_a_row_is_added_to_each_resource_that_is_there() -> None:
    world = World()
    one, two, gone = [await world.make(name) for name in ("one", "two", "gone")]
    await world.resources.delete(gone, actor="test")

    await world.resources.append_to_each([one, gone, two], ResourceRow(1, {"t": 20}))

    for each in (one, two):
        assert await world.resources.rows(RowQuery(resource_id=each.id)) == [ResourceRow(1, {"t": 20})]
    with pytest.raises(InvalidValue):
        await world.resources.append_to_each([one], ResourceRow(1, None))


async def test_a_mirror_knows_a_name_that_was_given_up_and_taken_between_two_looks() -> None:
    world = World()
    follower = await world.follower()
    mirror = ResourceMirror(KIND, world.storage, follower)
    first = await world.make()
    await mirror.load()
    await world.resources.delete(first, actor="test")
    # Ids whose order in a set is not that of their numbers.
    others = [await world.make(f"other {n}") for n in range(20)]
    for each in others:
        await world.resources.delete(each, actor="test")
    second = await world.make()

    await follower.catch_up()

    assert mirror.find(1, "one") == second


async def test_a_mirror_reads_what_was_made_together_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    before = await world.make("before")
    follower = await world.follower()
    mirror = ResourceMirror(KIND, world.storage, follower)
    await mirror.load()
    made = [await world.make(f"new {n}") for n in range(20)]
    changed = await world.resources.update(before, {"n": 2}, actor="test")
    await world.resources.delete(made[7], actor="test")
    reads: list[int] = []
    read = world.storage.resource

    async def counted(id_: int) -> Resource | None:
        reads.append(id_)
        return await read(id_)

    monkeypatch.setattr(world.storage, "resource", counted)
    await follower.catch_up()

    assert {each.id for each in mirror.all()} == {each.id for each in (changed, *made)} - {made[7].id}
    assert mirror.get(before.id) == changed
    assert sorted(reads) == [before.id, made[7].id]


async def test_a_mirror_shows_what_others_have_changed() -> None:
    world = World()
    before = await world.make("before", n=1)
    await world.make("another kind", kind="test-dashboard")
    follower = await world.follower()
    mirror = ResourceMirror(KIND, world.storage, follower)
    told: list[tuple[str | None, str | None]] = []
    mirror.on_change(lambda was, now: told.append((was and was.name, now and now.name)))
    await mirror.load()
    assert mirror.find(1, "before") == before
    assert mirror.find(1, "another kind") is None

    after = await world.make("after")
    changed = await world.resources.update(before, {"n": 2}, actor="test")
    await follower.catch_up()

    assert mirror.find(1, "before") == changed
    assert list(mirror.of_tenant(1)) == [after, changed]
    await world.resources.delete(after, actor="test")
    await follower.catch_up()
    assert mirror.find(1, "after") is None
    assert list(mirror.of_tenant(1)) == [changed]
    assert told[0] == (None, "before")
    assert set(told[1:3]) == {("before", "before"), (None, "after")}
    assert told[3:] == [("after", None)]


async def test_a_mirror_that_is_being_loaded_keeps_what_changes_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    before = await world.make(n=1)
    gone = await world.make("gone")
    follower = await world.follower()
    mirror = ResourceMirror(KIND, world.storage, follower)
    read = world.storage.list_resources

    async def slow(kind: str) -> object:
        found = await read(kind)
        await world.resources.update(before, {"n": 2}, actor="test")
        await world.resources.delete(gone, actor="test")
        await follower.catch_up()
        return found

    monkeypatch.setattr(world.storage, "list_resources", slow)
    await mirror.load()

    assert [(each.name, each.document) for each in mirror.all()] == [("one", {"n": 2})]
