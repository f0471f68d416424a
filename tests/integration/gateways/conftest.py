"""Servers and gateways for the tests of contract 4.6."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.harness import TestServer, running
from tests.integration.clients.conftest import tb_paho
from tests.integration.gateways.gateway import Gateway, Sessions

__all__ = ["tb_paho"]

GENEROUS = {"messages_per_second": 10_000, "burst": 10_000}


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    """Return the plugin that keeps who was connected."""
    return Sessions()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, sessions: Sessions) -> AsyncIterator[TestServer]:
    """Run one server for the tests of a module: what they ask does not depend on what others did."""
    async with running(
        tmp_path_factory.mktemp("server"), plugins={"sessions": sessions}, mqtt=GENEROUS
    ) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(shared: TestServer, request: pytest.FixtureRequest) -> Gateway:
    """Return a gateway that is named after its test."""
    return await Gateway.make(shared, f"gw {request.node.name[-150:]}")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a device name that no other test has."""
    return f"dev {request.node.name[-150:]}"


@pytest.fixture
async def stored(tmp_path: Path, database: str | None) -> AsyncIterator[TestServer]:
    """Run a server on each kind of database."""
    async with running(tmp_path, database=database, mqtt=GENEROUS) as started:
        yield started
