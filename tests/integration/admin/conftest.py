"""Fixtures of the administrators' REST API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tests.integration.admin.world import House, World, world_of


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Run a server on SQLite."""
    async with world_of(tmp_path) as made:
        yield made


@pytest.fixture
async def house(world: World) -> House:
    """Return a furnished tenant."""
    return await world.house("aardvark")


@pytest.fixture
async def admin(world: World, house: House) -> httpx2.AsyncClient:
    """Ask as an administrator of the tenant."""
    return await world.person(house.admin)
