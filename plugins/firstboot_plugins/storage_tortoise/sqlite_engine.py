"""Tortoise's SQLite engine with one function more: capitals of all letters, where SQLite knows ASCII only."""

from __future__ import annotations

from tortoise.backends.sqlite.client import SqliteClient


class Client(SqliteClient):
    """A connection that knows ``firstboot_upper``."""

    async def create_connection(self, with_db: bool) -> None:
        """Connect; Tortoise calls this when the connection is first needed."""
        fresh = self._connection is None
        await super().create_connection(with_db)
        if fresh and self._connection is not None:
            await self._connection.create_function("firstboot_upper", 1, str.upper, deterministic=True)


client_class = Client
