"""A database of version 1 is upgraded with all that is in it, and is then as good as a new one."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.integration.storage.databases import Database
from tests.integration.storage.version_1 import ENTRIES, FORGED, KEYRING, METER, PROFILE, tables

from firstboot.model import (
    PROVISIONED,
    Device,
    DeviceProfile,
    ProfileLimits,
    ReprovisionPolicy,
    Scope,
    StoredAttribute,
)
from firstboot.storage import (
    AuditQuery,
    Change,
    ChangeKind,
    CreateTenant,
    DeleteDevice,
    DevicePageQuery,
    Outcome,
    Storage,
    UpdateDevice,
)
from firstboot.testing.samples import a_tenant, an_audit_entry

FOREIGN_KEYS = {
    "sqlite": "PRAGMA foreign_key_check",
    "postgres": "SELECT conname FROM pg_constraint WHERE contype = 'f' AND NOT convalidated",
}


@pytest.fixture
def storage(upgraded_1: Storage) -> Storage:
    return upgraded_1


async def test_every_value_of_version_1_is_still_there(database: Database, storage: Storage) -> None:
    for table, (columns, rows) in tables().items():
        names = [name.strip() for name in columns.split(",")]
        kept = await database.sql(f"SELECT {columns} FROM {table} ORDER BY {names[0]}, {names[1]}")
        if table == "tenant":
            assert kept.pop(0)[1] == "default"
        assert kept == sorted(rows, key=lambda row: row[:2]), table


async def test_nothing_refers_to_what_is_not_there(database: Database, upgraded: Storage) -> None:
    assert await database.sql(FOREIGN_KEYS[database.kind]) == []


async def test_tenants_get_public_ids_of_their_own(storage: Storage) -> None:
    default, other = await storage.all_tenants()

    assert (default.id, default.name, other.id, other.name) == (1, "default", 5, "other")
    assert len({default.public_id, other.public_id, UUID(int=0)}) == 3
    assert min(default.created_at_ms, other.created_at_ms) > 1_600_000_000_000


async def test_profiles_are_read_with_defaults_for_what_is_new(storage: Storage) -> None:
    first, second = await storage.all_profiles()

    assert first == DeviceProfile(
        id=1,
        public_id=PROFILE,
        tenant_id=1,
        name="sensor",
        strategy="allow-create-new",
        provision_key="key",
        secret_digest=b"d",
        secret_sealed=b"s",
        previous_secret_digest=b"p",
        previous_secret_until_ms=8,
        reprovision=ReprovisionPolicy.ROTATE,
        retry_window=timedelta(minutes=10),
        rotation_grace=timedelta(days=1),
        description="Keller",
        weak_secret=True,
        limits=ProfileLimits(
            expires_at_ms=5,
            max_devices=9,
            max_per_minute=4,
            name_pattern="m.*",
            allowed_networks=(ipaddress.ip_network("192.0.2.0/24"),),
        ),
        created_at_ms=11,
    )
    assert (second.tenant_id, second.enabled, second.is_default, second.version) == (5, False, False, 1)


async def test_devices_keep_credentials_and_attributes(storage: Storage) -> None:
    device = await storage.find_device(1, "m-7")

    assert device == Device(
        id=7,
        public_id=METER,
        tenant_id=1,
        profile_id=1,
        name="m-7",
        label="Größe",
        additional_info={"gateway": True},
        created_at_ms=21,
        provision_state=PROVISIONED,
        provisioned_at_ms=22,
        delivered_at_ms=23,
        first_login_at_ms=24,
        request_digest=b"r" * 16,
    )
    found = await storage.device_credentials(7)
    assert [(each.digest, each.valid_until_ms, each.device_enabled) for each in found] == [
        (b"new", None, True),
        (b"old", 99, True),
    ]
    assert await storage.device_attributes(7, Scope.SHARED) == [StoredAttribute(Scope.SHARED, "a", [1], 51)]
    assert await storage.count_devices(1) == 2
    assert (await storage.page_devices(DevicePageQuery(tenant_id=1))).total == 2


async def test_the_audit_chain_goes_on(storage: Storage) -> None:
    await storage.write([CreateTenant(tenant=a_tenant("new"), audit=an_audit_entry("after"))], KEYRING.link)

    rows = await storage.list_audit(AuditQuery())
    link = b""
    for row in rows[: len(ENTRIES)]:
        link = KEYRING.link(link, row.entry.canonical())
        assert row.link == link
    assert [row.entry for row in rows[: len(ENTRIES)]] == list(ENTRIES)
    assert [row.entry.detail for row in rows if row.entry.event == "unreadable"] == list(FORGED)
    assert rows[-1].link == KEYRING.link(b"forged", rows[-1].entry.canonical())


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"event": "provisioning-refused"}, [3, 4, 5]),
        ({"tenant_id": 1}, [1, 2]),
        ({"refusals": True, "tenant_id": 2}, [4, 5]),
        ({"code": "unknown-key"}, [3]),
        ({"device_id": METER}, [2]),
        ({"device": "m-7"}, [2]),
        ({"device": "Größe \U0001f600"}, [4]),
        ({"profile": "sensor"}, [1, 2]),
        ({"actor": "cli:root"}, [1]),
    ],
)
async def test_old_audit_entries_are_found_by_what_they_say(
    storage: Storage, asked: dict[str, Any], found: list[int]
) -> None:
    assert [row.id for row in await storage.list_audit(AuditQuery(**asked))] == found


async def test_changes_and_meta_are_still_there(storage: Storage) -> None:
    assert await storage.changes_since(0) == [
        Change(1, ChangeKind.PROFILE, 1),
        Change(2, ChangeKind.DEVICE_DELETED, 6),
    ]
    assert await storage.read_meta("keyring") == b"\0\xff"


async def test_an_upgraded_database_is_written_like_a_new_one(database: Database, storage: Storage) -> None:
    device = await storage.find_device(1, "m-8")
    assert device is not None
    made, updated, deleted = await storage.write(
        [
            CreateTenant(tenant=a_tenant("new"), audit=an_audit_entry("tenant-created")),
            UpdateDevice(device=device, expected_version=1, audit=an_audit_entry("device-updated")),
            DeleteDevice(device_id=7, audit=an_audit_entry("device-deleted")),
        ],
        KEYRING.link,
    )

    assert made.id > 5, "no id is used twice"
    assert (updated.outcome, updated.version, deleted.outcome) == (Outcome.DONE, 2, Outcome.DONE)
    assert await database.sql("SELECT id FROM credentials ORDER BY id") == [(3,), (4,)]
    assert await database.sql("SELECT DISTINCT device_id FROM attribute") == [(8,)]
    assert await database.sql("SELECT devices FROM profile_usage WHERE profile_id = 1") == [(1,)]
