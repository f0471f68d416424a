"""Databases of versions 1 and 2 get claim windows and gateways, and keep all that is in them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.integration.storage.databases import Database
from tests.integration.storage.version_1 import KEYRING
from tests.integration.storage.version_2 import NEW_TABLES, OLD_SECRET

from firstboot.model import CLAIMING_DATA, Device, Scope
from firstboot.storage import DeleteDevice, Outcome, Storage, UpdateDevice, Write
from firstboot.testing.samples import NOW_MS, an_audit_entry
from firstboot.testing.storage_base import digest
from firstboot.testing.storage_claims import open_window
from firstboot.testing.storage_owners import change_owner


@pytest.fixture
def storage(upgraded_2: Storage) -> Storage:
    return upgraded_2


async def read(storage: Storage, name: str) -> Device:
    device = await storage.find_device(1, name)
    assert device is not None
    return device


async def test_every_value_of_version_2_is_still_there(database: Database, storage: Storage) -> None:
    for table, (columns, rows) in NEW_TABLES.items():
        kept = await database.sql(f"SELECT {columns} FROM {table}")
        if table == "attribute":
            assert {row[:3] for row in rows} < {row[:3] for row in kept}
        else:
            assert sorted(kept) == sorted(rows), table


async def test_devices_and_profiles_get_defaults_for_what_is_new(upgraded: Storage) -> None:
    for profile in await upgraded.all_profiles():
        assert (profile.claim_with_gateway, profile.release_by_device) == (False, False)
    for name in ("m-7", "m-8"):
        device = await read(upgraded, name)
        assert device.gateway_id is None
        assert list(await upgraded.claim_windows(device.id)) == []
        assert list(await upgraded.devices_behind(device.id)) == []


async def test_a_device_keeps_its_owner_and_version(storage: Storage) -> None:
    device = await read(storage, "m-7")

    assert (device.customer_id, device.version, device.enabled, device.details) == (3, 4, False, {"a": 1})
    user = await storage.user_by_email("ada@example.org")
    assert user is not None
    assert user.customer_id == 3


async def test_secrets_that_were_written_in_the_clear_are_gone(database: Database, storage: Storage) -> None:
    """CL-7 as section 7 of the contract corrects it; nothing could be claimed with them before either."""
    (attribute,) = await storage.device_attributes(8, Scope.SERVER, [CLAIMING_DATA])

    assert set(attribute.value) == {"invalid"}
    assert attribute.updated_at_ms == 77
    (rest,) = await database.sql(f"SELECT count(*) FROM attribute WHERE value LIKE '%{OLD_SECRET}%'")
    assert rest == (0,)


async def test_devices_of_an_upgraded_database_are_claimed_like_those_of_a_new_one(upgraded: Storage) -> None:
    gateway, device = await read(upgraded, "m-7"), await read(upgraded, "m-8")

    async def do(*writes: Write) -> list[Outcome]:
        return [result.outcome for result in await upgraded.write(writes, KEYRING.link)]

    behind = UpdateDevice(device=replace(device, gateway_id=gateway.id), audit=an_audit_entry())
    opened = open_window(device, secret="secret")
    claim = change_owner(device, None, expected=None, window_digest=digest("secret"), at_ms=NOW_MS)

    assert await do(behind, opened, claim, claim) == [Outcome.DONE] * 3 + [Outcome.STALE]
    assert [each.id for each in await upgraded.devices_behind(gateway.id)] == [device.id]
    assert await do(DeleteDevice(device_id=gateway.id, audit=an_audit_entry())) == [Outcome.DONE]
    assert (await read(upgraded, "m-8")).gateway_id is None
