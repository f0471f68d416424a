"""Tortoise's PostgreSQL engine, told how to connect by one URL, with every option that asyncpg knows."""

from __future__ import annotations

from typing import Any

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient


class Client(AsyncpgDBClient):
    """A pool that connects as the writer does."""

    def __init__(self, connect: dict[str, Any], max_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Not among Tortoise's own parameters: those are logged, and the URL has a password in it.
        self._connect = connect
        self._max_size = max_size

    async def create_pool(self, **kwargs: Any) -> Any:
        """Make the pool; Tortoise calls this when a connection is first needed."""
        return await asyncpg.create_pool(**self._connect, min_size=1, max_size=self._max_size)


client_class = Client
