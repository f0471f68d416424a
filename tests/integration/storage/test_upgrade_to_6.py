"""Databases of older versions get pools and the ids of hardware, and keep all that is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.integration.storage.databases import Database
from tests.integration.storage.version_1 import KEYRING
from tests.integration.storage.version_2 import make_version_2

from firstboot.model import Device, DeviceProfile
from firstboot.storage import (
    DeleteDevice,
    DeleteProfile,
    DeviceQuery,
    LeaseMember,
    Outcome,
    PoolOrder,
    Rebind,
    Storage,
    UpdateDevice,
    Write,
    WriteResult,
)
from firstboot.testing.samples import NOW_MS, an_audit_entry
from firstboot.testing.storage_base import World
from firstboot.testing.storage_pools import member

TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    "postgres": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
}


async def contents(database: Database) -> Mapping[str, list[tuple[Any, ...]]]:
    tables = [name for (name,) in await database.sql(TABLES[database.kind]) if name != "schema_version"]
    return {name: sorted(await database.sql(f"SELECT * FROM {name}"), key=repr) for name in tables}


async def do(storage: Storage, *writes: Write) -> list[WriteResult]:
    return list(await storage.write(writes, KEYRING.link))


async def world_of(storage: Storage) -> World:
    tenant = await storage.find_tenant("default")
    profile = next(each for each in await storage.all_profiles() if each.tenant_id == 1)
    assert tenant is not None
    return World(storage, KEYRING.link, tenant, profile)


async def test_every_value_of_version_5_is_still_there(database: Database) -> None:
    await make_version_2(database)
    await (await database.open([step for step in database.steps if step.version <= 5])).close()
    before = dict(await contents(database))

    await (await database.open([step for step in database.steps if step.version <= 6])).close()

    after = dict(await contents(database))
    assert after.pop("pool_member") == []
    assert [row[:-1] for row in after.pop("device")] == before.pop("device")
    assert after == before
    assert await database.sql("SELECT DISTINCT hardware_id FROM device") == [(None,)]


async def test_devices_that_were_there_are_in_no_pool_and_can_be_told_their_hardware(upgraded: Storage) -> None:
    world = await world_of(upgraded)
    devices = await upgraded.list_devices(DeviceQuery(tenant_id=1))
    assert devices
    assert {each.hardware_id for each in devices} == {None}
    assert list(await upgraded.pool_members(world.profile.id)) == []

    known = replace(devices[0], hardware_id="HW")
    (result,) = await do(upgraded, UpdateDevice(device=known, audit=an_audit_entry()))

    assert list(await upgraded.devices_of_hardware(1, "HW")) == [replace(known, version=result.version)]


async def test_an_upgraded_database_has_pools_like_a_new_one(database: Database, upgraded: Storage) -> None:
    world = await world_of(upgraded)

    def leased(hardware_id: str) -> LeaseMember:
        return LeaseMember(
            profile_id=world.profile.id,
            hardware_id=hardware_id,
            order=PoolOrder.FIFO,
            rebind=Rebind.ALWAYS,
            at_ms=NOW_MS,
            until_ms=None,
        )

    results = await do(
        upgraded, member(world, "new-1"), member(world, "new-2", "B"), leased("A"), leased("C"), leased("B")
    )

    done, empty = Outcome.DONE, Outcome.POOL_EMPTY
    assert [each.outcome for each in results] == [done, done, done, empty, done]
    assert [results[2].id, results[4].id] == [results[0].id, results[1].id]
    await _delete_all(upgraded, await upgraded.list_devices(DeviceQuery(tenant_id=1)), world.profile)
    assert await database.sql("SELECT count(*) FROM pool_member") == [(0,)]


async def _delete_all(storage: Storage, devices: Any, profile: DeviceProfile) -> None:
    own: list[Device] = [each for each in devices if each.profile_id == profile.id]
    deletions = [DeleteDevice(device_id=each.id, audit=an_audit_entry()) for each in own]
    results = await do(storage, *deletions, DeleteProfile(profile_id=profile.id, audit=an_audit_entry()))
    assert {each.outcome for each in results} == {Outcome.DONE}
