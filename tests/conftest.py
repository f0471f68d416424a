"""Fixtures that every test may ask for."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from tests.harness import TestServer, running
from tests.services import postgres_database, postgres_server, postgres_url, pytest_terminal_summary

# How long an example may take depends on what else the machine does.
settings.register_profile("firstboot", deadline=None)
settings.load_profile("firstboot")

__all__ = ["postgres_database", "postgres_server", "postgres_url", "pytest_terminal_summary"]


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str | None:
    """Return the URL of an empty database of each kind; None is the SQLite file of the data directory."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[TestServer]:
    """Run a server in this process, on SQLite."""
    async with running(tmp_path) as started:
        yield started


@pytest.fixture
async def two_servers(tmp_path: Path, postgres_database: str) -> AsyncIterator[Sequence[TestServer]]:
    """Run two servers on one PostgreSQL database, which hold no answer back."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                running(
                    tmp_path / name,
                    database=postgres_database,
                    server={"key": "ab" * 32},
                    provisioning={"failures_per_minute": 100_000},
                )
            )
            for name in ("one", "other")
        ]
