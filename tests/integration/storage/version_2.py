"""A database as version 2 of the schema left it: all of `version_1`, and something in every table that is new."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from uuid import UUID

import asyncpg
from tests.integration.storage.databases import Database
from tests.integration.storage.version_1 import Value, make_version_1

from firstboot_plugins.storage_tortoise.migrations import migrate_postgres
from firstboot_plugins.storage_tortoise.sqlite import bring_up_to_date

OLD_SECRET = "written-before-secrets-were-kept-as-digests"
NEW_TABLES: dict[str, tuple[str, Sequence[tuple[Value, ...]]]] = {
    "customer": (
        "id, public_id, tenant_id, title, details, version, created_at_ms",
        [
            (3, UUID(int=3).bytes, 1, "Größe", '{"city":"Gießen"}', 2, 71),
            (4, UUID(int=4).bytes, 5, "b", "{}", 1, 72),
        ],
    ),
    "app_user": (
        "id, public_id, tenant_id, customer_id, email, authority, details, enabled, password_hash, must_change,"
        " version, created_at_ms",
        [(6, UUID(int=6).bytes, 1, 3, "ada@example.org", "CUSTOMER_USER", "{}", 1, "hash", 0, 1, 73)],
    ),
    "user_session": (
        "public_id, user_id, refresh_digest, created_at_ms, expires_at_ms",
        [(UUID(int=8).bytes, 6, b"refresh", 74, 2**41)],
    ),
    "api_token": (
        "id, public_id, tenant_id, name, scopes, digest, created_by, created_at_ms",
        [(9, UUID(int=9).bytes, 1, "dashboard", '["devices:read"]', b"token", "cli:root", 75)],
    ),
    "telemetry": ("device_id, key, at_ms, value", [(7, "t", 76, "21.5")]),
    "attribute": (
        "device_id, scope, key, value, updated_at_ms",
        [(8, 1, "claimingData", f'{{"secretKey":"{OLD_SECRET}","expirationTime":99}}', 77)],
    ),
}
CHANGES = (
    "UPDATE device SET customer_id = 3, enabled = 0, details = '{\"a\":1}', version = 4 WHERE id = 7",
    "UPDATE device_profile SET is_default = 1, version = 3 WHERE id = 1",
)


async def make_version_2(database: Database) -> None:
    """Make the tables of version 2 and fill them."""
    await make_version_1(database)
    steps = [step for step in database.steps if step.version <= 2]
    if database.kind == "sqlite":
        bring_up_to_date(database.path, steps, busy_timeout_ms=5000)
        with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
            for table, (columns, rows) in NEW_TABLES.items():
                marks = ", ".join("?" for _ in rows[0])
                connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
            for statement in CHANGES:
                connection.execute(statement)
        return
    connection = await asyncpg.connect(database.url)
    try:
        await migrate_postgres(connection, steps)
        for table, (columns, rows) in NEW_TABLES.items():
            marks = ", ".join(f"${number}" for number, _ in enumerate(rows[0], 1))
            await connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(rows))
        for statement in CHANGES:
            await connection.execute(statement)
        for table in ("customer", "app_user", "api_token"):
            newest = f"(SELECT max(id) FROM {table})"
            await connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {newest})")
    finally:
        await connection.close()
