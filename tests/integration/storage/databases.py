"""What the storage tests share."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
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
    opened: list[Storage] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return "sqlite" if self.url.startswith("sqlite") else "postgres"

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix("sqlite://"))

    @property
    def steps(self) -> Sequence[Migration]:
        return migrations(self.kind)

    async def open(self, steps: Sequence[Migration] | None = None, busy_timeout_ms: int = 5000) -> Storage:
        storage: Storage
        if self.kind == "sqlite":
            storage = await SqliteStorage.open(self.url, busy_timeout_ms, steps)
        else:
            storage = await PostgresStorage.open(self.url, steps)
        self.opened.append(storage)
        return storage

    async def close(self) -> None:
        """Close what a test opened and did not live to close: threads that wait would keep pytest from ending."""
        for storage in self.opened:
            with suppress(Exception):
                await storage.close()

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
