"""A database of each kind, and a world to write in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.integration.storage.databases import Database, world_in
from tests.integration.storage.version_1 import make_version_1
from tests.integration.storage.version_2 import make_version_2

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


@asynccontextmanager
async def _opened(database: Database) -> AsyncIterator[Storage]:
    storage = await database.open()
    try:
        yield storage
    finally:
        await storage.close()


@pytest.fixture
async def storage(database: Database) -> AsyncIterator[Storage]:
    async with _opened(database) as storage:
        yield storage


@pytest.fixture
async def upgraded_1(database: Database) -> AsyncIterator[Storage]:
    """Open what was a database of version 1."""
    await make_version_1(database)
    async with _opened(database) as storage:
        yield storage


@pytest.fixture
async def upgraded_2(database: Database) -> AsyncIterator[Storage]:
    """Open what was a database of version 2."""
    await make_version_2(database)
    async with _opened(database) as storage:
        yield storage


@pytest.fixture(params=["upgraded_1", "upgraded_2"], ids=["1", "2"])
def upgraded(request: pytest.FixtureRequest, database: Database) -> Storage:
    """Open what was a database of version 1, or of version 2, of each kind."""
    found: Storage = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def world(storage: Storage) -> World:
    return await world_in(storage)
