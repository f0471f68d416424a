"""A storage in a PostgreSQL database, which any number of nodes share: one connection writes, Tortoise reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

from firstboot.errors import InvalidValue, StorageRefused
from firstboot.storage import AuditChain, Write, WriteResult
from firstboot_plugins.storage_tortoise import postgres_models
from firstboot_plugins.storage_tortoise.migrations import Migration, migrate_postgres, migrations
from firstboot_plugins.storage_tortoise.postgres_writer import (
    PATIENCE_S,
    SETTINGS,
    Writer,
    connect,
    rendered,
    why_unreachable,
)
from firstboot_plugins.storage_tortoise.reading import TortoiseReads
from firstboot_plugins.storage_tortoise.statements import Algorithm, Many, Rejected, Rows, Run
from firstboot_plugins.storage_tortoise.writer import set_meta, write_batch, write_each

T = TypeVar("T")

_MAX_READERS = 5
_ENCODINGS = ("UTF8", "SQL_ASCII")


def _dsn(url: str) -> str:
    return f"postgresql://{url.partition('://')[2]}"


def _place(url: str) -> str:
    # Never the URL: there is a password in it, and in a badly written one it may be at any place.
    try:
        parts = urlsplit(_dsn(url))
        if "@" in parts.path + parts.query + parts.fragment:
            return "PostgreSQL"
        return f"PostgreSQL at {parts.hostname}:{parts.port or 5432}, database {parts.path[1:]!r}"
    except ValueError:
        return "PostgreSQL"


async def _collation(connection: Any, encoding: str) -> str | None:
    found = await connection.fetchval("SELECT collname FROM pg_collation WHERE collname = 'und-x-icu'")
    return str(found) if found and encoding == "UTF8" else None


async def _bring_up_to_date(url: str, steps: Sequence[Migration]) -> str | None:
    """Check and migrate the database; return the name of a collation that knows all letters, if it has one.

    Raises: `StorageRefused`.
    """
    place = _place(url)
    try:
        # Without the time limits: a migration of many rows takes as long as it takes.
        connection = await connect(_dsn(url), {"application_name": "firstboot"})
        try:
            encoding = await connection.fetchval("SHOW server_encoding")
            if encoding not in _ENCODINGS:
                raise StorageRefused(
                    f"{place} has the encoding {encoding}. "
                    "Create the database with: CREATE DATABASE firstboot ENCODING 'UTF8' TEMPLATE template0;"
                )
            await migrate_postgres(connection, steps)
            return await _collation(connection, encoding)
        finally:
            await connection.close(timeout=PATIENCE_S)
    except StorageRefused:
        raise
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
        remedy = "it refused the user name or the password. Put the right ones into [storage] url."
    except asyncpg.InvalidCatalogNameError:
        remedy = "there is no such database. Create it, or put the right name into [storage] url."
    except asyncpg.InsufficientPrivilegeError:
        remedy = "the user may not make tables there. Make it the owner of the database."
    except asyncpg.DuplicateTableError:
        remedy = "it holds tables of another program. Use a database of its own."
    except TimeoutError:
        remedy = "it did not answer in time. Start it, or put the right host and port into [storage] url."
    except OSError as error:
        reason = error.strerror or "it cannot be reached"
        remedy = f"{reason}. Start it, or put the right host and port into [storage] url."
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        remedy = f"{type(error).__name__}. Check [storage] url and the log of the server."
    raise StorageRefused(f"{place} cannot be used: {remedy}")


class PostgresStorage(TortoiseReads):
    """An open PostgreSQL database."""

    tables = postgres_models.MODELS
    tables_module = postgres_models.__name__
    ids_from_json = "SELECT value::bigint FROM json_array_elements_text(?::json)"

    def __init__(self, dsn: str, collation: str | None) -> None:
        super().__init__()
        self.upper = f'upper({{}} COLLATE "{collation}")' if collation else "upper({})"
        self._writer = Writer(dsn)

    @classmethod
    async def open(cls, url: str, steps: Sequence[Migration] | None = None) -> PostgresStorage:
        """Connect to a database that exists."""
        if steps is None:
            steps = migrations("postgres")
        collation = await _bring_up_to_date(url, steps)
        storage = cls(_dsn(url), collation)
        connect = {
            "dsn": _dsn(url),
            "timeout": PATIENCE_S,
            "command_timeout": PATIENCE_S,
            "server_settings": SETTINGS,
        }
        await storage._open_tortoise(
            f"{__package__}.postgres_engine", {"connect": connect, "max_size": _MAX_READERS}
        )
        return storage

    def why_unreachable(self, error: Exception) -> str | None:
        """See `TortoiseReads`."""
        return why_unreachable(error)

    async def close(self) -> None:
        """See `firstboot.storage.Storage`."""
        await self._writer.close()
        await self._close_tortoise()

    async def write(self, batch: Sequence[Write], chain: AuditChain) -> Sequence[WriteResult]:
        """See `firstboot.storage.Storage`."""
        if not batch:
            return []
        try:
            return await self._transact(lambda: write_batch(batch, chain))
        except Rejected:
            return await self._transact(lambda: write_each(batch, chain))

    async def write_meta(self, name: str, value: bytes, expected: bytes | None) -> bool:
        """See `firstboot.storage.Storage`."""
        return await self._transact(lambda: set_meta(name, value, expected))

    async def _transact(self, algorithm: Callable[[], Algorithm[T]]) -> T:
        with self._translated():
            return await self._writer.transact(algorithm)

    async def _fetch(self, request: Run | Many) -> Rows:
        return await self._run_in_tortoise(*rendered(request))

    async def search(self, request: Run) -> Rows:
        """See `Reader`."""
        return await self._fetch(request)

    async def backup(self, path: str) -> None:
        """See `firstboot.storage.Storage`."""
        raise InvalidValue(
            "PostgreSQL has its own tool for backups: pg_dump --format=custom --file=FILE DATABASE."
        )
