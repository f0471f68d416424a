"""A database of each kind, and a world to write in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.storage.databases import Database, world_in

from firstboot.storage import Storage
from firstboot.testing.storage_base import World


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Database:
    return Database(f"sqlite://{tmp_path}/firstboot.db")


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    if request.param == "sqlite":
        found: Database = request.getfixturevalue("sqlite_database")
        return found
    return Database(request.getfixturevalue("postgres_database"))


@pytest.fixture
async def storage(database: Database) -> AsyncIterator[Storage]:
    storage = await database.open()
    yield storage
    await storage.close()


@pytest.fixture
async def world(storage: Storage) -> World:
    return await world_in(storage)
