"""The storage plugin keeps the promises of a plugin, and both of its databases those of a storage."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from firstboot.config import Config
from firstboot.errors import StorageRefused
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
        return opener(SqliteBackend, f"sqlite://{path}")


class TestPostgres(StorageConformance):
    @pytest.fixture
    def open_storage(self, postgres_database: str) -> OpenStorage:
        return opener(PostgresBackend, postgres_database)


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
