"""The storage plugin keeps the promises of a plugin, and both of its databases those of a storage."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from firstboot.config import Config
from firstboot.errors import StorageRefused
from firstboot.model import Tenant
from firstboot.storage import Storage, StorageBackend
from firstboot.testing import PluginConformance, StorageConformance
from firstboot.testing.storage_base import OpenStorage
from firstboot_plugins.storage_tortoise import plugin
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


class TestPlugin(PluginConformance):
    @pytest.fixture
    def plugin(self) -> object:
        return plugin

    def test_it_offers_both_kinds_of_database(self) -> None:
        schemes = [
            scheme for backend in plugin.firstboot_storage_backends(Config({})) for scheme in backend.schemes
        ]

        assert schemes == ["sqlite", "postgres", "postgresql", "asyncpg"]

    def test_no_database_library_is_imported_before_one_is_opened(self) -> None:
        program = (
            f"import sys; import {plugin.__name__};"
            "print([name for name in ('tortoise', 'asyncpg', 'aiosqlite') if name in sys.modules])"
        )

        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

        assert done.stdout.strip() == "[]"

    async def test_postgres_without_its_driver_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "asyncpg", None)
        monkeypatch.delitem(sys.modules, "firstboot_plugins.storage_tortoise.postgres", raising=False)
        monkeypatch.delitem(sys.modules, "firstboot_plugins.storage_tortoise.postgres_writer", raising=False)

        with pytest.raises(StorageRefused, match=r"pip install firstboot\[postgres\]"):
            await PostgresBackend().open("postgres://app@127.0.0.1/firstboot")
