"""A server with an account of thinger.io's kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tests.harness import running
from tests.integration.thinger.account import Account


@pytest.fixture
async def thinger(tmp_path: Path, database: str | None) -> AsyncIterator[Account]:
    """Run a server with the account ``alice``; tests may ask it faster than devices may."""
    fast = {"provisioning_burst": 100_000, "failed_tokens_per_minute": 1000}
    async with running(tmp_path, database=database, thinger=fast) as server, httpx2.AsyncClient() as client:
        tenant = await server.services.tenants.create("alice", actor="test")
        yield Account(server, tenant, client)


@pytest.fixture
async def sqlite_thinger(tmp_path: Path) -> AsyncIterator[Account]:
    """Run the same on SQLite only, for what has nothing to do with the database."""
    fast = {"provisioning_burst": 100_000, "failed_tokens_per_minute": 1000}
    async with running(tmp_path, thinger=fast) as server, httpx2.AsyncClient() as client:
        tenant = await server.services.tenants.create("alice", actor="test")
        yield Account(server, tenant, client)
