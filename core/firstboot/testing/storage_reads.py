"""Storage suite: lists and searches, the audit log, changes, meta, durability, backups."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from firstboot.errors import InvalidValue
from firstboot.model import DEFAULT_TENANT, Attribute, Scope
from firstboot.storage import (
    AppendAudit,
    AuditChain,
    AuditEntry,
    AuditQuery,
    AuditRow,
    ChangeKind,
    DeleteDevice,
    DeviceQuery,
    Storage,
    UpdateProfile,
)
from firstboot.testing.samples import NOW_MS, an_audit_entry
from firstboot.testing.storage_base import (
    ALL,
    OpenStorage,
    StorageSuite,
    World,
    digest,
    hand_out,
    replace_credentials,
)


class ReadTests(StorageSuite):
    """Everything that is asked of a storage."""

    # -- tenants and devices -----------------------------------------------------------------------

    async def test_the_default_tenant_is_there_from_the_start(self, storage: Storage) -> None:
        tenant = await storage.find_tenant(DEFAULT_TENANT)

        assert tenant is not None
        assert tenant.name == DEFAULT_TENANT
        assert await storage.find_tenant("nobody") is None

    async def test_a_new_storage_has_no_profiles_and_no_changes(self, storage: Storage) -> None:
        assert list(await storage.all_profiles()) == []
        assert await storage.last_change() == 0
        assert list(await storage.changes_since(0)) == []
        assert list(await storage.list_audit(AuditQuery())) == []

    async def test_what_is_not_there_is_not_found(self, world: World) -> None:
        assert await world.storage.find_device(world.tenant.id, "nobody") is None
        assert await world.storage.find_device(world.tenant.id + 1000, "meter-7") is None
        assert await world.storage.count_devices(987_654) == 0
        assert list(await world.storage.device_credentials(987_654)) == []
        assert list(await world.storage.device_attributes(987_654)) == []
        assert list(await world.storage.list_devices(DeviceQuery(tenant_id=world.tenant.id + 1000))) == []

    async def test_devices_are_listed_page_by_page(self, world: World) -> None:
        await world.do(*(world.device(f"meter-{number}") for number in range(25)))

        pages, after = [], 0
        for _ in range(4):
            page = await world.storage.list_devices(
                DeviceQuery(tenant_id=world.tenant.id, after_id=after, limit=10)
            )
            pages.append([device.name for device in page])
            after = page[-1].id if page else after

        assert [len(page) for page in pages] == [10, 10, 5, 0]
        assert {name for page in pages for name in page} == {f"meter-{number}" for number in range(25)}

    async def test_devices_are_listed_in_the_order_of_their_ids(self, world: World) -> None:
        for name in ("c", "a", "b"):
            await world.make_device(name)

        ids = [each.id for each in await world.storage.list_devices(DeviceQuery(tenant_id=world.tenant.id))]

        assert ids == sorted(ids)

    async def test_devices_are_listed_by_profile(self, world: World) -> None:
        other = await world.make_profile("other")
        await world.make_device("mine")
        await world.make_device("theirs", profile_id=other.id)

        query = DeviceQuery(tenant_id=world.tenant.id, profile_id=other.id)

        assert [device.name for device in await world.storage.list_devices(query)] == ["theirs"]

    async def test_devices_are_listed_by_customer(self, world: World) -> None:
        customer, other = await world.make_customer(), await world.make_customer("other")
        for number, owner in enumerate((customer, other, None, customer, customer)):
            await world.make_device(f"meter-{number}", customer_id=owner.id if owner else None)

        query = DeviceQuery(tenant_id=world.tenant.id, customer_id=customer.id, limit=2)
        first = await world.storage.list_devices(query)
        rest = await world.storage.list_devices(replace(query, after_id=first[-1].id))

        assert [device.name for device in (*first, *rest)] == ["meter-0", "meter-3", "meter-4"]

    async def test_a_listed_device_is_as_complete_as_a_found_one(self, world: World) -> None:
        device = await world.make_device(
            label="label", additional_info={"gateway": True}, request_digest=digest("request")
        )
        await world.do(hand_out(device.id, request_digest=digest("request")))

        (listed,) = await world.storage.list_devices(DeviceQuery(tenant_id=world.tenant.id))

        assert listed == await world.read("meter-7")

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("meter", {"Meter-1", "METER-2", "sub-meter"}),
            ("METER-", {"Meter-1", "METER-2"}),
            ("%", {"100%"}),
            ("_", {"a_b"}),
            ("a_b", {"a_b"}),
            ("\\", {"back\\slash"}),
            ("'", {"o'hara"}),
            ("*", set()),
            ("\N{GRINNING FACE}", {"smile \N{GRINNING FACE}"}),
            ("größe", {"GRÖßE"}),
            ("насос", {"НАСОС-3"}),
            ("nothing like it", set()),
        ],
    )
    async def test_text_is_searched_literally_and_whatever_the_case(
        self, world: World, text: str, found: set[str]
    ) -> None:
        names = ["Meter-1", "METER-2", "sub-meter", "100%", "a_b", "axb", "back\\slash", "o'hara"]
        names += ["smile \N{GRINNING FACE}", "GRÖßE", "НАСОС-3"]
        await world.do(*(world.device(name) for name in names))

        query = DeviceQuery(tenant_id=world.tenant.id, text=text)

        assert {device.name for device in await world.storage.list_devices(query)} == found

    async def test_a_search_is_paged_too(self, world: World) -> None:
        await world.do(*(world.device(f"{'meter' if number % 2 else 'pump'}-{number}") for number in range(20)))
        query = DeviceQuery(tenant_id=world.tenant.id, text="PUMP", limit=6)

        first = await world.storage.list_devices(query)
        second = await world.storage.list_devices(replace(query, after_id=first[-1].id))

        assert [len(first), len(second)] == [6, 4]
        assert {device.name for device in (*first, *second)} == {f"pump-{number}" for number in range(0, 20, 2)}

    # -- audit log ---------------------------------------------------------------------------------

    async def test_an_audit_entry_comes_back_as_it_was_written(self, world: World) -> None:
        entry = AuditEntry(
            at_ms=NOW_MS,
            event="provisioning-refused",
            code="name-taken",
            tenant_id=world.tenant.id,
            profile="sensor '\"%",
            device="Größe \N{GRINNING FACE}",
            device_id=uuid4(),
            actor="cli:root",
            address="2001:db8::7",
            transport="mqtt",
            dialect="thingsboard",
            detail="x" * 256,
        )

        await world.do(AppendAudit(entry), AppendAudit(an_audit_entry()))

        full, bare = (await world.audit())[-2:]
        assert (full.entry, bare.entry) == (entry, an_audit_entry())

    async def test_the_audit_chain_holds(self, world: World) -> None:
        await _some_history(world)

        rows = await world.audit()

        assert [row.id for row in rows] == sorted({row.id for row in rows})
        assert _holds(rows, world.chain)

    async def test_the_audit_chain_breaks_where_an_entry_is_changed(self, world: World) -> None:
        await _some_history(world)
        rows = await world.audit()

        for number, row in enumerate(rows):
            forged = replace(row, entry=replace(row.entry, actor="nobody"))
            assert not _holds([*rows[:number], forged, *rows[number + 1 :]], world.chain)

    async def test_the_audit_chain_breaks_where_an_entry_is_missing(self, world: World) -> None:
        await _some_history(world)
        rows = await world.audit()

        for number in range(len(rows) - 1):
            assert not _holds([*rows[:number], *rows[number + 1 :]], world.chain)

    async def test_the_audit_chain_holds_when_many_write_at_once(self, world: World) -> None:
        await asyncio.gather(*(world.do(world.device(f"meter-{number}")) for number in range(20)))

        rows = await world.audit()

        assert len(rows) == 21
        assert _holds(rows, world.chain)

    async def test_the_audit_chain_holds_over_two_storages_on_the_data(
        self, world: World, other_storage: Storage
    ) -> None:
        other = replace(world, storage=other_storage)

        await asyncio.gather(
            *((world, other)[number % 2].do(world.device(f"meter-{number}")) for number in range(20))
        )

        assert _holds(await world.audit(), world.chain)

    async def test_the_audit_log_is_listed_page_by_page(self, world: World) -> None:
        await world.do(*(AppendAudit(an_audit_entry(f"event {number}")) for number in range(10)))
        rows = await world.audit()

        first = await world.storage.list_audit(AuditQuery(limit=4))
        second = await world.storage.list_audit(AuditQuery(after_id=first[-1].id, limit=4))

        assert [*first, *second] == rows[:8]

    async def test_the_newest_of_the_audit_log_can_come_first(self, world: World) -> None:
        await world.do(*(AppendAudit(an_audit_entry(f"event {number}")) for number in range(10)))

        newest = await world.storage.list_audit(AuditQuery(limit=3, newest_first=True))

        assert [row.entry.event for row in newest] == ["event 9", "event 8", "event 7"]

    # -- changes -----------------------------------------------------------------------------------

    async def test_changes_are_told_in_order_and_after_a_moment(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")
        start = await world.storage.last_change()
        await world.do(replace_credentials(device.id, "old", "new"))
        middle = await world.storage.last_change()
        await world.do(UpdateProfile(profile=world.profile, audit=an_audit_entry()))

        all_of_them = await world.storage.changes_since(start)
        later = await world.storage.changes_since(middle)

        kinds = [each.kind for each in all_of_them]
        assert kinds.index(ChangeKind.CREDENTIALS) < kinds.index(ChangeKind.PROFILE)
        assert start < middle < all_of_them[-1].id == await world.storage.last_change()
        assert list(later) == [each for each in all_of_them if each.id > middle]
        assert list(await world.storage.changes_since(all_of_them[-1].id)) == []

    async def test_changes_are_told_to_the_other_storage_on_the_data(
        self, world: World, other_storage: Storage
    ) -> None:
        before = await other_storage.last_change()

        await world.do(UpdateProfile(profile=world.profile, audit=an_audit_entry()))

        changes = await other_storage.changes_since(before)
        assert (ChangeKind.PROFILE, world.profile.id) in [(each.kind, each.ref) for each in changes]

    # -- meta --------------------------------------------------------------------------------------

    async def test_meta_that_was_never_written_is_none(self, storage: Storage) -> None:
        assert await storage.read_meta("test name") is None

    async def test_meta_is_set_only_from_what_is_expected(self, storage: Storage) -> None:
        everything = bytes(range(256))

        assert not await storage.write_meta("test name", b"one", b"not there")
        assert await storage.read_meta("test name") is None
        assert await storage.write_meta("test name", b"one", None)
        assert not await storage.write_meta("test name", b"two", None)
        assert not await storage.write_meta("test name", b"two", b"other")
        assert await storage.read_meta("test name") == b"one"
        assert await storage.write_meta("test name", everything, b"one")
        assert await storage.read_meta("test name") == everything

    async def test_empty_meta_is_not_the_same_as_none(self, storage: Storage) -> None:
        assert await storage.write_meta("test name", b"", None)

        assert await storage.read_meta("test name") == b""
        assert not await storage.write_meta("test name", b"one", None)

    async def test_one_of_many_sets_meta(self, storage: Storage) -> None:
        done = await asyncio.gather(
            *(storage.write_meta("test name", b"%d" % number, None) for number in range(20))
        )

        assert done.count(True) == 1
        assert await storage.read_meta("test name") == b"%d" % done.index(True)

    # -- for good ----------------------------------------------------------------------------------

    async def test_everything_is_there_after_closing_and_opening(
        self, open_storage: OpenStorage, chain: AuditChain
    ) -> None:
        first = await open_storage()
        tenant = await first.find_tenant(DEFAULT_TENANT)
        assert tenant is not None
        world = await World.begin(first, chain, tenant)
        await _some_history(world)
        await first.write_meta("test name", b"value", None)
        before = await world.state()
        await first.close()

        second = await open_storage()
        try:
            assert await replace(world, storage=second).state() == before
            assert await second.read_meta("test name") == b"value"
        finally:
            await second.close()

    async def test_what_was_written_is_seen_at_once_by_the_other_storage_on_the_data(
        self, world: World, other_storage: Storage
    ) -> None:
        await _some_history(world)

        assert await replace(world, storage=other_storage).state() == await world.state()

    async def test_the_chain_goes_on_after_opening_again(
        self, open_storage: OpenStorage, chain: AuditChain
    ) -> None:
        for _ in range(2):
            storage = await open_storage()
            await storage.write([AppendAudit(an_audit_entry())] * 2, chain)
            rows = await storage.list_audit(AuditQuery(limit=ALL))
            await storage.close()

        assert len(rows) == 4
        assert _holds(rows, chain)

    async def test_a_backup_is_written_or_refused(self, world: World, tmp_path: Path) -> None:
        await world.make_device()
        copy = tmp_path / "copy"

        try:
            await world.storage.backup(str(copy))
        except InvalidValue as refusal:
            told = str(refusal)
        else:
            told = f"{copy.stat().st_size} bytes"

        # A refusal tells the operator what to use; a copy has something in it.
        assert told not in ("", "0 bytes")
        assert (await world.read("meter-7")).name == "meter-7"


async def _some_history(world: World) -> None:
    one = await world.make_device("one", "first", attributes=(Attribute(Scope.SHARED, "a", {"b": [1]}),))
    two = await world.make_device("two", label="zwei", additional_info={"gateway": True})
    three = await world.make_device("three")
    await world.do(
        hand_out(two.id, request_digest=digest("request")),
        replace_credentials(one.id, "first", "second", keep_old_until_ms=NOW_MS + 1),
        DeleteDevice(device_id=three.id, audit=an_audit_entry("device-deleted", device="three")),
        world.device("two", "taken"),
    )


def _holds(rows: Sequence[AuditRow], chain: AuditChain) -> bool:
    """Return whether each row's link follows from the one before."""
    link = b""
    for row in rows:
        link = chain(link, row.entry.canonical())
        if link != row.link:
            return False
    return True
