"""The models name the columns that the migrations make."""

from __future__ import annotations

import pytest
from tests.integration.storage.databases import Database
from tortoise import fields
from tortoise.models import Model

from firstboot.storage import Storage
from firstboot_plugins.storage_tortoise import postgres_models, sqlite_models

KINDS: dict[type, set[str]] = {
    fields.BigIntField: {"integer", "bigint"},
    fields.IntField: {"integer"},
    fields.SmallIntField: {"integer", "smallint"},
    fields.TextField: {"text"},
    fields.CharField: {"text"},
    fields.BinaryField: {"blob", "bytea"},
}
Columns = dict[str, tuple[str, bool]]
"""Type, and whether NULL is allowed."""


async def columns_of(database: Database, table: str) -> Columns:
    if database.kind == "sqlite":
        rows = await database.sql(f"PRAGMA table_info({table})")
        return {name: (type_.lower(), not (required or key)) for _, name, type_, required, _, key in rows}
    rows = await database.sql(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
        f" WHERE table_name = '{table}' AND table_schema = 'public'"
    )
    return {name: (type_, nullable == "YES") for name, type_, nullable in rows}


@pytest.mark.parametrize("number", range(len(sqlite_models.MODELS.all())))
async def test_models_and_tables_are_equal(database: Database, storage: Storage, number: int) -> None:
    models = {"sqlite": sqlite_models, "postgres": postgres_models}[database.kind].MODELS
    model: type[Model] = models.all()[number]

    columns = await columns_of(database, model._meta.db_table)

    assert set(model._meta.fields_db_projection.values()) == set(columns)
    for name, field in model._meta.fields_map.items():
        type_, nullable = columns[name]
        assert (type_ in KINDS[type(field)], field.null) == (True, nullable), name


async def test_both_kinds_can_be_open_in_one_process(sqlite_database: Database, pg_database: Database) -> None:
    postgres = await pg_database.open()
    sqlite = await sqlite_database.open()

    found = [await storage.find_tenant("default") for storage in (postgres, sqlite)]

    await sqlite.close()
    await postgres.close()
    assert all(found)
