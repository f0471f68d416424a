"""Both databases of the storage plugin keep the promises of a storage."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from firstboot.model import Tenant
from firstboot.storage import Storage, StorageBackend
from firstboot.testing import StorageConformance
from firstboot.testing.storage_base import OpenStorage
from firstboot_plugins.storage_tortoise.plugin import PostgresBackend, SqliteBackend


def opener(backend: Callable[[], StorageBackend], url: str) -> OpenStorage:
    async def open_() -> Storage:
        return await backend().open(url)

    return open_


class TestSqlite(StorageConformance):
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "firstboot.db"

    @pytest.fixture
    def open_storage(self, path: Path) -> OpenStorage:
        self._path = path
        return opener(SqliteBackend, f"sqlite://{path}")

    async def add_tenant(self, storage: Storage, name: str) -> Tenant:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            (row,) = connection.execute("INSERT INTO tenant (name) VALUES (?) RETURNING id", (name,)).fetchall()
        return Tenant(row[0], name)


class TestPostgres(StorageConformance):
    @pytest.fixture
    def open_storage(self, postgres_database: str) -> OpenStorage:
        self._url = postgres_database
        return opener(PostgresBackend, postgres_database)

    async def add_tenant(self, storage: Storage, name: str) -> Tenant:
        connection = await asyncpg.connect(self._url)
        try:
            made = await connection.fetchval("INSERT INTO tenant (name) VALUES ($1) RETURNING id", name)
        finally:
            await connection.close()
        return Tenant(made, name)
