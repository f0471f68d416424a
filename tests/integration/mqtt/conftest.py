"""One server for the tests of a module: what they ask does not depend on what others did."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.harness import Profile, TestServer, running
from tests.integration.mqtt.probe import quiet_log

__all__ = ["quiet_log"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestServer]:
    """A server without penalties for failures, which is what most tests provoke."""
    async with running(
        tmp_path_factory.mktemp("server"),
        provisioning={"failure_delay": "0ms", "allow_weak_secrets": True},
        mqtt={"messages_per_second": 10_000, "burst": 10_000},
    ) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(shared: TestServer) -> Profile:
    """A profile that creates devices."""
    return await shared.profile("demo")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prepared(shared: TestServer) -> Profile:
    """A profile for devices that were created beforehand."""
    return await shared.profile("prepared", strategy="check-pre-provisioned")
