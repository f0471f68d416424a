"""Contract section 6 over HTTP, on both databases: a whole life of a device."""

from __future__ import annotations

import asyncio

import httpx2
from tests.harness import TestServer
from tests.integration.thingsboard_device.board import Answers, Board

from firstboot.model import Scope


async def test_6_a_device_reports_and_asks(
    stored: TestServer, client: httpx2.AsyncClient, plugin: Answers
) -> None:
    board = await Board.make(stored)
    await board.set(Scope.SHARED, {"c": 2, "d": 3})

    for path, body in (
        ("telemetry", {"t": "5"}),
        ("telemetry", [{"ts": 1_600_000_000_000, "values": {"u": 1}}]),
        ("attributes", {"a": 1, "b": "x"}),
    ):
        answer = await client.post(f"{board.url}/{path}", json=body)
        assert (answer.status_code, answer.content) == (200, b"")

    assert (await board.latest())["t"][1] == 5
    assert (await board.latest())["u"] == (1_600_000_000_000, 1)
    for query, found in (
        ("clientKeys=a,b&sharedKeys=c", {"client": {"a": 1, "b": "x"}, "shared": {"c": 2}}),
        ("sharedKeys=c&sharedKeys=d", {"shared": {"c": 2, "d": 3}}),
        ("clientKeys=nope", {}),
        ("", {"client": {"a": 1, "b": "x"}, "shared": {"c": 2, "d": 3}}),
    ):
        answer = await client.get(f"{board.url}/attributes?{query}")
        assert (answer.status_code, answer.json()) == (200, found)

    answer = await client.post(f"{board.url}/rpc", json={"method": "echo", "params": [1]})
    assert (answer.status_code, answer.json()) == (200, {"echo": [1]})
    assert plugin.asked_by(board) == [("echo", [1])]


async def test_6_a_device_is_told_and_called_while_it_polls(
    stored: TestServer, client: httpx2.AsyncClient
) -> None:
    board = await Board.make(stored)

    polls = [asyncio.create_task(client.get(f"{board.url}/attributes/updates?timeout=20000")) for _ in range(2)]
    await board.waits(2)
    await board.set(Scope.SHARED, {"c": 2})
    assert [(poll.status_code, poll.json()) for poll in await asyncio.gather(*polls)] == [(200, {"c": 2})] * 2

    poll = asyncio.create_task(client.get(f"{board.url}/attributes/updates?timeout=20000"))
    await board.waits()
    await board.delete(Scope.SHARED, "c")
    assert (await poll).json() == {"deleted": ["c"]}

    poll = asyncio.create_task(client.get(f"{board.url}/rpc?timeout=20000"))
    await board.waits()
    call = asyncio.create_task(board.called("blink", {"n": 1}))
    got = (await poll).json()
    assert (got["method"], got["params"]) == ("blink", {"n": 1})
    answer = await client.post(f"{board.url}/rpc/{got['id']}", json={"done": True})
    assert (answer.status_code, answer.content) == (200, b"")
    assert await call == {"done": True}
