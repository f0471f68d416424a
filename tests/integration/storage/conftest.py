"""A database of each kind, and a world to write in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.storage.databases import Database, world_in

from firstboot.storage import Storage
from firstboot.testing.storage_base import World


@pytest.fixture
async def sqlite_database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite://{tmp_path}/firstboot.db")
    yield database
    await database.close()


@pytest.fixture
async def pg_database(postgres_database: str) -> AsyncIterator[Database]:
    database = Database(postgres_database)
    yield database
    await database.close()


@pytest.fixture(params=["sqlite_database", "pg_database"], ids=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def storage(database: Database) -> AsyncIterator[Storage]:
    storage = await database.open()
    yield storage
    await storage.close()


@pytest.fixture
async def world(storage: Storage) -> World:
    return await world_in(storage)
