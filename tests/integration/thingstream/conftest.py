"""A server for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thingstream.fleet import Fleet, fleet_of


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def fleet(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Fleet]:
    """Run a server on SQLite whose clock stands still."""
    async with fleet_of(tmp_path, clock=clock.clock) as made:
        yield made


@pytest.fixture
async def each_fleet(tmp_path: Path, clock: FakeClock, database: str | None) -> AsyncIterator[Fleet]:
    """Run a server on each kind of database."""
    async with fleet_of(tmp_path, database=database, clock=clock.clock) as made:
        yield made
