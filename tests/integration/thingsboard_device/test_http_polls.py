"""HTTP requests that wait for news: how many there may be, and what ends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from tests.harness import TestServer, running
from tests.integration.http.raw_http import http_peer, http_request
from tests.integration.mqtt.probe import until
from tests.integration.thingsboard_device.board import Board

from firstboot.model import Credentials, Scope

WAIT = timedelta(seconds=10)


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[TestServer]:
    """Run a server that works on two requests at a time, and lets two of a device and three in all wait."""
    async with running(
        tmp_path,
        http={"max_in_flight": 2},
        thingsboard={"max_polls": 3, "max_polls_per_device": 2, "longest_poll": "5s"},
    ) as started:
        yield started


async def changed(board: Board) -> None:
    await board.server.services.devices.change_credentials(
        board.device, Credentials("ACCESS_TOKEN", "another-token-0123456"), actor="test"
    )


async def disabled(board: Board) -> None:
    await board.server.services.devices.set_enabled(board.device, False, actor="test")


async def deleted(board: Board) -> None:
    await board.server.services.devices.delete(board.device, actor="test")


@pytest.mark.parametrize("end", [changed, disabled, deleted])
@pytest.mark.parametrize("path", ["rpc", "attributes/updates"])
async def test_au_6_a_waiting_request_ends_within_a_second_with_the_credentials(
    stored: TestServer, client: httpx2.AsyncClient, path: str, end: Callable[[Board], Awaitable[None]]
) -> None:
    board = await Board.make(stored)
    poll = asyncio.create_task(client.get(f"{board.url}/{path}?timeout=20000"))
    await board.waits()

    await end(board)
    ended_at = time.monotonic()
    answer = await poll

    assert (answer.status_code, answer.content) == (401, b"")
    assert time.monotonic() - ended_at < 1
    assert (await client.get(f"{board.url}/{path}")).status_code == 401
    assert not stored.services.downlinks.is_listening(board.device.id)


async def test_a_waiting_request_ends_when_the_server_stops(tmp_path: Path, client: httpx2.AsyncClient) -> None:
    async with running(tmp_path) as server:
        board = await Board.make(server)
        poll = asyncio.create_task(client.get(f"{board.url}/rpc?timeout=20000"))
        await board.waits()

    assert (await poll).status_code == 503


async def test_au_5_polls_and_an_mqtt_session_live_side_by_side(
    stored: TestServer, client: httpx2.AsyncClient
) -> None:
    board = await Board.make(stored)
    async with board.session():
        await board.subscribe("v2/a")
        polls = [asyncio.create_task(client.get(f"{board.url}/attributes/updates")) for _ in range(2)]
        await board.waits(3)

        await board.set(Scope.SHARED, {"c": 1})

        assert [(await poll).json() for poll in polls] == [{"c": 1}] * 2
        assert await board.told() == ("v2/a", {"c": 1}, 1)


async def test_waiting_requests_are_bounded_and_leave_room_for_others(
    narrow: TestServer, client: httpx2.AsyncClient
) -> None:
    one, two = await Board.make(narrow, "one"), await Board.make(narrow, "two")
    polls = [asyncio.create_task(client.get(f"{one.url}/rpc?timeout=60000")) for _ in range(2)]
    await one.waits(2)

    of_device = await client.get(f"{one.url}/attributes/updates")
    assert (of_device.status_code, of_device.headers["retry-after"]) == (429, "1")
    polls.append(asyncio.create_task(client.get(f"{two.url}/rpc?timeout=60000")))
    await two.waits()
    in_all = await client.get(f"{two.url}/rpc")
    assert (in_all.status_code, in_all.headers["retry-after"]) == (503, "1")
    # Three wait, where only two may be worked on.
    assert (await client.post(f"{one.url}/telemetry", json={"t": 1})).status_code == 200

    for board in (one, one, two):
        await board.server.services.rpc.call(board.device.ref, "m", None, timeout=WAIT, one_way=True, actor="test")
    assert [(await poll).status_code for poll in polls] == [200, 200, 200]
    again = asyncio.create_task(client.get(f"{one.url}/rpc?timeout=1"))
    assert (await again).status_code == 408


async def test_a_client_that_leaves_makes_room(narrow: TestServer, client: httpx2.AsyncClient) -> None:
    board = await Board.make(narrow)
    path = f"/api/v1/{board.token}/rpc?timeout=60000"
    for _ in range(2):
        async with http_peer(narrow.http_port) as peer:
            await peer.send(http_request(method="GET", path=path))
            await board.waits()
        await until(lambda: not narrow.services.downlinks.is_listening(board.device.id))

    await until(lambda: not len(narrow.services.sessions))
    call = asyncio.create_task(board.called("m", None))
    got = (await client.get(f"{board.url}/rpc?timeout=5000")).json()
    await client.post(f"{board.url}/rpc/{got['id']}", json=1)
    assert await call == 1  # the requests that are gone have not swallowed it


async def test_no_request_waits_longer_than_the_longest(tmp_path: Path, client: httpx2.AsyncClient) -> None:
    async with running(tmp_path, thingsboard={"longest_poll": "50ms", "poll_timeout": "40ms"}) as server:
        board = await Board.make(server)
        for query in ("?timeout=9999999999", "", "?timeout=0", "?timeout="):
            assert (await client.get(f"{board.url}/rpc{query}")).status_code == 408


async def test_hundreds_of_polls_that_come_and_go_leave_nothing(narrow: TestServer) -> None:
    board = await Board.make(narrow)

    async def one(number: int) -> None:
        async with http_peer(board.server.http_port) as peer:
            await peer.send(http_request(method="GET", path=f"/api/v1/{board.token}/rpc?timeout={number % 3 + 1}"))
            if number % 2:
                assert (await peer.answer()).status in (408, 429, 503)

    for start in range(0, 200, 20):
        await asyncio.gather(*(one(start + number) for number in range(20)))

    await until(lambda: not len(board.server.services.sessions))
    assert not board.server.services.downlinks.is_listening(board.device.id)
