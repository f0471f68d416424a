"""Fixtures of the tests of Firstboot's own calls about claiming."""

from __future__ import annotations

import httpx2
import pytest
from tests.integration.admin.world import House, World


@pytest.fixture
async def ada(world: World, house: House) -> httpx2.AsyncClient:
    """Ask as a user of the house's customer."""
    return await world.person(house.user)


@pytest.fixture
async def bob(world: World, house: House) -> httpx2.AsyncClient:
    """Ask as a user of another customer of the same tenant."""
    return await world.person(house.other_user)
