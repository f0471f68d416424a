"""One server for the tests of a module; everybody has left it when a test begins."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.harness import TestServer
from tests.integration.mqtt.probe import quiet_log
from tests.integration.pubsub.people import everybody_leaves, people

__all__ = ["quiet_log"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestServer]:
    async with people(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def server(shared: TestServer) -> AsyncIterator[TestServer]:
    yield shared
    await everybody_leaves()
