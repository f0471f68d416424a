"""A device's socket, for the tests of CoAP."""

from collections.abc import AsyncIterator

import pytest
from tests.harness import Profile, TestServer
from tests.integration.coap.raw_coap import CoapPeer, coap_peer
from tests.integration.thingsboard_device.board import Board


@pytest.fixture
async def demo(server: TestServer) -> Profile:
    return await server.profile()


@pytest.fixture
async def peer(server: TestServer) -> AsyncIterator[CoapPeer]:
    async with coap_peer(server.coap_port) as opened:
        yield opened


@pytest.fixture
async def board(server: TestServer) -> Board:
    return await Board.make(server)
