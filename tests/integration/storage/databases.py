"""What the storage tests share."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from firstboot.keyring import Keyring
from firstboot.model import DEFAULT_TENANT
from firstboot.storage import Storage
from firstboot.testing.storage_base import World
from firstboot_plugins.storage_tortoise.migrations import Migration, migrations
from firstboot_plugins.storage_tortoise.postgres import PostgresStorage
from firstboot_plugins.storage_tortoise.sqlite import SqliteStorage


@dataclass
class Database:
    """A database that can be opened any number of times, and asked in SQL."""

    url: str

    @property
    def kind(self) -> str:
        return "sqlite" if self.url.startswith("sqlite") else "postgres"

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix("sqlite://"))

    @property
    def steps(self) -> Sequence[Migration]:
        return migrations(self.kind)

    async def open(self, steps: Sequence[Migration] | None = None) -> Storage:
        if self.kind == "sqlite":
            return await SqliteStorage.open(self.url, busy_timeout_ms=5000, steps=steps)
        return await PostgresStorage.open(self.url, steps=steps)

    async def sql(self, statement: str) -> list[tuple[Any, ...]]:
        if self.kind == "sqlite":
            with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
                return [tuple(row) for row in connection.execute(statement).fetchall()]
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()


async def world_in(storage: Storage) -> World:
    tenant = await storage.find_tenant(DEFAULT_TENANT)
    assert tenant is not None
    return await World.begin(storage, Keyring.generate().link, tenant)
