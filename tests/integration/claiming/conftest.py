"""Servers and devices for the tests of what devices say so that they can be claimed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.harness import TestServer, running
from tests.integration.admin.thingsboard.conftest import rest_client
from tests.integration.claiming.buyers import Buyer
from tests.integration.clients.live import private_package
from tests.integration.thingsboard_device.board import Board

__all__ = ["rest_client"]


@pytest.fixture
async def stored(tmp_path: Path, database: str | None) -> AsyncIterator[TestServer]:
    """Run a server on each kind of database."""
    async with running(tmp_path, database=database) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestServer]:
    """Run one server for the tests of a module: what they ask does not depend on what others did."""
    async with running(
        tmp_path_factory.mktemp("server"),
        provisioning={"failure_delay": "0ms"},
        claiming={"address_failures_per_hour": 10_000},
    ) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def board(shared: TestServer, request: pytest.FixtureRequest) -> Board:
    """Return a device that is named after its test."""
    return await Board.make(shared, request.node.name[-200:])


@pytest_asyncio.fixture(loop_scope="module")
async def buyer(shared: TestServer, request: pytest.FixtureRequest) -> Buyer:
    """Return a customer that is named after its test."""
    return await Buyer.make(shared, request.node.name[-100:])


@pytest.fixture(scope="session")
def paho_mqtt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an unmixed paho-mqtt."""
    return private_package(tmp_path_factory.getbasetemp(), "paho-mqtt")


@pytest.fixture(scope="session")
def tb_paho(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the paho that tb-mqtt-client is made for."""
    return private_package(tmp_path_factory.getbasetemp(), "tb-paho-mqtt-client")
