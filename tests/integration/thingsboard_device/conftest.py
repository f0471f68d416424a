"""Servers with a plugin that answers calls, and devices on them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from tests.harness import TestServer, running
from tests.integration.thingsboard_device.board import Answers, Board


@pytest.fixture(scope="module")
def plugin() -> Answers:
    """Return the plugin that answers calls."""
    return Answers()


@pytest.fixture
async def stored(tmp_path: Path, database: str | None, plugin: Answers) -> AsyncIterator[TestServer]:
    """Run a server on each kind of database."""
    async with running(tmp_path, database=database, plugins={"answers": plugin}) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, plugin: Answers) -> AsyncIterator[TestServer]:
    """Run one server for the tests of a module: what they ask does not depend on what others did."""
    async with running(
        tmp_path_factory.mktemp("server"), plugins={"answers": plugin}, provisioning={"failure_delay": "0ms"}
    ) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def board(shared: TestServer, request: pytest.FixtureRequest) -> Board:
    """Return a device that is named after its test."""
    return await Board.make(shared, request.node.name[-200:])


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient() as opened:
        yield opened
