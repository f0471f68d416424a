"""A database as version 1 of the schema left it, with something in every table."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any
from uuid import UUID

import asyncpg
from tests.integration.storage.databases import Database

from firstboot.keyring import Keyring
from firstboot.storage import AuditEntry
from firstboot_plugins.storage_tortoise.migrations import migrate_postgres
from firstboot_plugins.storage_tortoise.sqlite import bring_up_to_date, prepare_file

KEYRING = Keyring.generate()
METER = UUID(int=7)
PROFILE = UUID(int=1)
SETTINGS = (
    '{"reprovision":"rotate","retry_window_us":600000000,"rotation_grace_us":86400000000,"description":"Keller",'
    '"weak_secret":true,"limits":{"expires_at_ms":5,"max_devices":9,"max_per_minute":4,"name_pattern":"m.*",'
    '"allowed_networks":["192.0.2.0/24"]}}'
)
ENTRIES = (
    AuditEntry(at_ms=1, event="profile-created", tenant_id=1, profile="sensor", actor="cli:root"),
    AuditEntry(at_ms=2, event="device-provisioned", tenant_id=1, profile="sensor", device="m-7", device_id=METER),
    AuditEntry(at_ms=3, event="provisioning-refused", code="unknown-key", address="192.0.2.7"),
    AuditEntry(at_ms=4, event="provisioning-refused", code="name-taken", tenant_id=2, device="Größe \U0001f600"),
    AuditEntry(at_ms=5, event="provisioning-refused", code="odd", tenant_id=2, device="\0 and \ud800"),
)
FORGED = ("not JSON", '{"an":"object"}', '[9,"short"]', '[9,"e","ok","not a number","p","d","i","a"]')
"""What somebody who could write to the database may have put there."""

Value = int | str | bytes | None


def tables() -> dict[str, tuple[str, Sequence[tuple[Value, ...]]]]:
    """Return the columns and rows of each table, in an order in which they can be inserted."""
    audit: list[tuple[Value, ...]] = []
    link = b""
    for number, entry in enumerate(ENTRIES, 1):
        link = KEYRING.link(link, entry.canonical())
        audit.append((number, entry.at_ms, entry.canonical().decode(), link))
    forged = [(len(audit) + number, 9, text, b"forged") for number, text in enumerate(FORGED, 1)]
    profile = "id, public_id, tenant_id, name, strategy, provision_key, secret_digest, secret_sealed,"
    device = (
        "id, public_id, tenant_id, profile_id, name, label, additional_info, created_at_ms, provisioned_at_ms,"
    )
    return {
        "meta": ("name, value", [("keyring", b"\0\xff")]),
        "tenant": ("id, name", [(5, "other")]),
        "device_profile": (
            f"{profile} previous_secret_digest, previous_secret_until_ms, enabled, settings, created_at_ms",
            [
                (1, PROFILE.bytes, 1, "sensor", "allow-create-new", "key", b"d", b"s", b"p", 8, 1, SETTINGS, 11),
                (2, UUID(int=2).bytes, 5, "sensor", "disabled", None, None, None, None, None, 0, SETTINGS, 12),
            ],
        ),
        "profile_usage": ("profile_id, devices", [(1, 2), (2, 1)]),
        "device": (
            f"{device} delivered_at_ms, first_login_at_ms, reopened_at_ms, request_digest",
            [
                (7, METER.bytes, 1, 1, "m-7", "Größe", '{"gateway":true}', 21, 22, 23, 24, None, b"r" * 16),
                (8, UUID(int=8).bytes, 1, 1, "m-8", None, None, 31, None, None, None, 35, None),
                (9, UUID(int=9).bytes, 5, 2, "m-7", None, None, 41, None, None, None, None, None),
            ],
        ),
        "credentials": (
            "id, device_id, type, digest, sealed, valid_until_ms",
            [
                (1, 7, "ACCESS_TOKEN", b"old", b"sealed old", 99),
                (2, 7, "ACCESS_TOKEN", b"new", b"sealed new", None),
                (3, 8, "MQTT_BASIC", b"basic", b"sealed basic", None),
                (4, 9, "ACCESS_TOKEN", b"theirs", b"sealed theirs", None),
            ],
        ),
        "attribute": (
            "device_id, scope, key, value, updated_at_ms",
            [(7, 1, "provisionState", '"provisioned"', 22), (7, 2, "a", "[1]", 51), (8, 3, "a", "null", 52)],
        ),
        "audit": ("id, at_ms, entry, link", [*audit, *forged]),
        "change": ("id, kind, ref, at_ms", [(1, "profile", 1, 61), (2, "device-deleted", 6, 62)]),
    }


async def make_version_1(database: Database) -> None:
    """Make the tables of version 1 and fill them."""
    steps = [step for step in database.steps if step.version == 1]
    if database.kind == "sqlite":
        prepare_file(database.path)
        bring_up_to_date(database.path, steps, busy_timeout_ms=5000)
        with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
            for statement, rows in _inserts("?"):
                connection.executemany(statement, rows)
        return
    connection = await asyncpg.connect(database.url)
    try:
        await migrate_postgres(connection, steps)
        for statement, rows in _inserts("${}"):
            await connection.executemany(statement, rows)
        for table in ("tenant", "device_profile", "device", "credentials", "audit", "change"):
            newest = f"(SELECT max(id) FROM {table})"
            await connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {newest})")
    finally:
        await connection.close()


def _inserts(mark: str) -> list[tuple[str, list[tuple[Any, ...]]]]:
    found = []
    for table, (columns, rows) in tables().items():
        marks = ", ".join(mark.format(number + 1) for number in range(columns.count(",") + 1))
        found.append((f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(rows)))
    return found
