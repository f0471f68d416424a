"""The schema is brought to this program's version, all or nothing, on databases that are in use."""

from __future__ import annotations

import re
import sqlite3
import stat
from contextlib import closing

import pytest
from tests.integration.storage.databases import Database, world_in

from firstboot.errors import StorageRefused
from firstboot.storage import Outcome
from firstboot.testing.storage_base import IS_PROVISIONED, World
from firstboot_plugins.storage_tortoise.migrations import Migration, migrations

# Rebuilds a table that others refer to: done carelessly, this deletes all credentials.
REBUILD = {
    "sqlite": """
        CREATE TABLE device_new (
            id INTEGER PRIMARY KEY AUTOINCREMENT, public_id BLOB NOT NULL UNIQUE,
            tenant_id INTEGER NOT NULL REFERENCES tenant (id),
            profile_id INTEGER NOT NULL REFERENCES device_profile (id), name TEXT NOT NULL, label TEXT,
            additional_info TEXT, created_at_ms INTEGER NOT NULL, provisioned_at_ms INTEGER,
            delivered_at_ms INTEGER, first_login_at_ms INTEGER, reopened_at_ms INTEGER, request_digest BLOB,
            customer_id INTEGER REFERENCES customer (id) ON DELETE SET NULL, enabled INTEGER NOT NULL DEFAULT 1,
            details TEXT, version INTEGER NOT NULL DEFAULT 1,
            gateway_id INTEGER REFERENCES device (id) ON DELETE SET NULL, hardware_id TEXT,
            colour TEXT NOT NULL DEFAULT 'green; really', UNIQUE (tenant_id, name)
        );
        INSERT INTO device_new SELECT *, 'blue' FROM device;
        DROP TABLE device;
        ALTER TABLE device_new RENAME TO device;
    """,
    "postgres": """
        ALTER TABLE device ADD COLUMN colour TEXT NOT NULL DEFAULT 'green; really';
        UPDATE device SET colour = 'blue';
    """,
}


def next_step(database: Database, sql: str | None = None) -> Migration:
    return Migration(database.steps[-1].version + 1, sql or REBUILD[database.kind])


async def filled(database: Database) -> tuple[World, object]:
    storage = await database.open()
    world = await world_in(storage)
    await world.make_device("meter-1", attributes=(IS_PROVISIONED,))
    await world.make_device("meter-2")
    state = await world.state()
    await storage.close()
    return world, state


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_steps_are_numbered_from_one_without_gaps(kind: str) -> None:
    steps = migrations(kind)

    assert [step.version for step in steps] == list(range(1, len(steps) + 1))


async def test_a_filled_database_keeps_everything(database: Database) -> None:
    world, before = await filled(database)

    world.storage = await database.open([*database.steps, next_step(database)])
    after = await world.state()
    made = await world.do(world.device("meter-3"))
    await world.storage.close()

    assert after == before
    assert made == [Outcome.DONE]
    assert await database.sql("SELECT name, colour FROM device ORDER BY id") == [
        ("meter-1", "blue"),
        ("meter-2", "blue"),
        ("meter-3", "green; really"),
    ]


async def test_a_step_is_done_once(database: Database) -> None:
    await filled(database)
    steps = [*database.steps, next_step(database)]

    for _ in range(2):
        await (await database.open(steps)).close()

    assert await database.sql("SELECT version FROM schema_version ORDER BY version") == [
        (step.version,) for step in steps
    ]


async def test_a_step_that_breaks_off_changes_nothing_and_can_be_done_later(database: Database) -> None:
    world, before = await filled(database)
    broken = next_step(database, REBUILD[database.kind] + "INSERT INTO no_such_table VALUES (1);")

    with pytest.raises(StorageRefused):
        await database.open([*database.steps, broken])
    world.storage = await database.open()
    unchanged = await world.state()
    await world.storage.close()
    await (await database.open([*database.steps, next_step(database)])).close()

    assert unchanged == before
    assert await database.sql("SELECT DISTINCT colour FROM device") == [("blue",)]


async def test_a_database_of_a_newer_program_is_refused(database: Database) -> None:
    await filled(database)
    step = next_step(database)
    await (await database.open([*database.steps, step])).close()

    with pytest.raises(StorageRefused, match=rf"version {step.version}.*newer program"):
        await database.open()


async def test_a_database_with_tables_of_another_program_is_refused(database: Database) -> None:
    await (await database.open()).close()
    await database.sql("ALTER TABLE schema_version RENAME TO something_else")

    with pytest.raises(StorageRefused, match="another program"):
        await database.open()


async def test_sqlite_makes_a_private_backup_before_it_migrates(sqlite_database: Database) -> None:
    world, before = await filled(sqlite_database)
    step = next_step(sqlite_database)

    await (await sqlite_database.open([*sqlite_database.steps, step])).close()

    (backup,) = sqlite_database.path.parent.glob("*.bak*")
    assert backup.name == f"firstboot.db.before-{step.version}.bak"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    world.storage = await Database(f"sqlite://{backup}").open()
    assert await world.state() == before
    await world.storage.close()


async def test_a_new_sqlite_database_needs_no_backup(sqlite_database: Database) -> None:
    await (await sqlite_database.open()).close()

    assert [path.name for path in sqlite_database.path.parent.iterdir()] == ["firstboot.db"]


async def test_sqlite_refuses_a_step_that_leaves_rows_without_what_they_refer_to(
    sqlite_database: Database,
) -> None:
    world, before = await filled(sqlite_database)
    careless = next_step(sqlite_database, "DELETE FROM device WHERE name = 'meter-1';")

    with pytest.raises(StorageRefused, match=re.escape("without what they refer to")):
        await sqlite_database.open([*sqlite_database.steps, careless])

    world.storage = await sqlite_database.open()
    assert await world.state() == before
    await world.storage.close()


def test_a_migration_that_is_cut_off_leaves_no_half_written_backup(sqlite_database: Database) -> None:
    path = sqlite_database.path
    step = next_step(sqlite_database, "CREATE TABLE extra (x);")
    unfinished = path.with_name(f"firstboot.db.before-{step.version}.bak.unfinished")
    unfinished.write_bytes(b"what a killed process left")
    with closing(sqlite3.connect(path)) as connection:
        from firstboot_plugins.storage_tortoise.migrations import migrate_sqlite

        connection.isolation_level = None
        migrate_sqlite(connection, path, sqlite_database.steps)
        migrate_sqlite(connection, path, [*sqlite_database.steps, step])

    assert not unfinished.exists()
    assert path.with_name(f"firstboot.db.before-{step.version}.bak").exists()
