"""Offers the databases that Firstboot can keep its data in: SQLite and PostgreSQL.

Nothing of them is imported before one is opened: every command loads all plugins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from firstboot.errors import StorageRefused
from firstboot.hookspecs import hookimpl

if TYPE_CHECKING:
    from firstboot.config import Config
    from firstboot.storage import Storage, StorageBackend

FIRSTBOOT_API = 1


class SqliteBackend:
    """A file, for one Firstboot process."""

    schemes: Iterable[str] = ("sqlite",)

    def __init__(self, busy_timeout_ms: int = 5000) -> None:
        self._busy_timeout_ms = busy_timeout_ms

    async def open(self, url: str) -> Storage:
        """See `firstboot.storage.StorageBackend`."""
        from firstboot_plugins.storage_tortoise.sqlite import SqliteStorage

        return await SqliteStorage.open(url, self._busy_timeout_ms)


class PostgresBackend:
    """A PostgreSQL database, for any number of Firstboot nodes."""

    schemes: Iterable[str] = ("postgres", "postgresql", "asyncpg")

    async def open(self, url: str) -> Storage:
        """See `firstboot.storage.StorageBackend`."""
        try:
            from firstboot_plugins.storage_tortoise.postgres import PostgresStorage
        except ModuleNotFoundError as error:
            raise StorageRefused(
                f"PostgreSQL needs {error.name}, which is not installed. Run: pip install firstboot[postgres]"
            ) from None

        return await PostgresStorage.open(url)


@hookimpl
def firstboot_storage_backends(config: Config) -> Iterable[StorageBackend]:
    """Offer both kinds."""
    return [SqliteBackend(), PostgresBackend()]
