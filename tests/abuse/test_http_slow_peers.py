"""HT-1: peers that send slowly, or nothing, or without end. The time-outs are short, their order is the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.harness import Profile, TestServer, running
from tests.integration.http.raw_http import Answer, HttpPeer, http_peer, http_request

HEAD = b"POST /api/v1/provision HTTP/1.1\r\nhost: a\r\n"
LONG = "1h"


async def quick(tmp_path: Path, **http: object) -> AsyncIterator[TestServer]:
    settings = {"header_timeout": LONG, "body_timeout": LONG, "keep_alive": LONG, **http}
    async with running(tmp_path, http=settings) as server:
        yield server


@pytest.fixture
async def impatient_with_headers(tmp_path: Path) -> AsyncIterator[TestServer]:
    async for server in quick(tmp_path, header_timeout="200ms"):
        yield server


@pytest.fixture
async def impatient_with_bodies(tmp_path: Path) -> AsyncIterator[TestServer]:
    async for server in quick(tmp_path, body_timeout="200ms"):
        yield server


def last_answer(said: bytes) -> tuple[int, object]:
    head, _, body = said.rpartition(b"\r\n\r\n")
    status = int(head[head.rindex(b"HTTP/1.1 ") :].split()[1])
    return status, json.loads(body)


async def drip(peer: HttpPeer, data: bytes) -> None:
    """Send byte by byte until the server has had enough."""
    for number in range(len(data)):
        await peer.send(data[number : number + 1])
        await asyncio.sleep(0.02)


TIMED_OUT = (408, {"status": 408, "message": "Request Timeout"})


async def test_ht_1_headers_that_do_not_come_are_408(
    impatient_with_headers: TestServer, subtests: pytest.Subtests
) -> None:
    for sent in (b"", b"P", HEAD, HEAD + b"x: y"):
        with subtests.test(sent=sent):
            async with http_peer(impatient_with_headers.http_port) as peer:
                await peer.send(sent)

                assert last_answer(await peer.expect_closed()) == TIMED_OUT


async def test_ht_1_dripping_headers_does_not_prolong_their_time(impatient_with_headers: TestServer) -> None:
    async with http_peer(impatient_with_headers.http_port) as peer:
        dripping = asyncio.create_task(drip(peer, HEAD + b"x: " + b"y" * 10_000))

        assert last_answer(await peer.expect_closed()) == TIMED_OUT
        dripping.cancel()


async def test_ht_1_the_headers_of_a_second_request_have_a_time_too(impatient_with_headers: TestServer) -> None:
    async with http_peer(impatient_with_headers.http_port) as peer:
        assert (await peer.ask(http_request())).status == 400

        await peer.send(HEAD)

        assert last_answer(await peer.expect_closed()) == TIMED_OUT


@pytest.mark.parametrize("length", [b"content-length: 1000", b"transfer-encoding: chunked"])
async def test_ht_1_a_body_that_does_not_come_is_408(impatient_with_bodies: TestServer, length: bytes) -> None:
    async with http_peer(impatient_with_bodies.http_port) as peer:
        await peer.send(HEAD + length + b"\r\n\r\n")

        assert last_answer(await peer.expect_closed()) == TIMED_OUT


async def test_ht_1_dripping_a_body_does_not_prolong_its_time(impatient_with_bodies: TestServer) -> None:
    async with http_peer(impatient_with_bodies.http_port) as peer:
        await peer.send(HEAD + b"content-length: 10000\r\n\r\n")
        dripping = asyncio.create_task(drip(peer, b" " * 10_000))

        assert last_answer(await peer.expect_closed()) == TIMED_OUT
        dripping.cancel()


async def test_ht_1_an_endless_chunked_body_is_413_and_the_connection_ends(server: TestServer) -> None:
    async with http_peer(server.http_port) as peer:
        sending = asyncio.create_task(send_without_end(peer, b"1000\r\n" + b" " * 0x1000 + b"\r\n"))
        answer = await peer.answer()

        assert answer.status == 413
        assert await peer.expect_closed() == b""
        sending.cancel()


async def send_without_end(peer: HttpPeer, piece: bytes) -> None:
    await peer.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    while not peer.writer.is_closing():
        await peer.send(piece)
        await asyncio.sleep(0)


async def test_ht_1_a_declared_body_that_is_too_large_is_refused_before_it_comes(server: TestServer) -> None:
    async with http_peer(server.http_port) as peer:
        answer = await peer.ask(HEAD + b"content-length: 1000000000\r\nexpect: 100-continue\r\n\r\n")

        assert answer.status == 413
        assert await peer.expect_closed() == b""


@pytest.mark.parametrize("piece", [b"x: " + b"y" * 4000, b"0" * 4000], ids=["trailer", "chunk size"])
async def test_ht_3_what_never_becomes_body_is_bounded_too(server: TestServer, piece: bytes) -> None:
    start = b"0\r\n" if piece.startswith(b"x") else b""
    async with http_peer(server.http_port) as peer:
        await peer.send(HEAD + b"transfer-encoding: chunked\r\n\r\n" + start)

        for _ in range(100):  # more than the server reads in one go
            await peer.send(piece)

        assert last_answer(await peer.expect_closed())[0] in (400, 431)


async def test_ht_1_an_idle_connection_is_closed_after_its_keep_alive(tmp_path: Path) -> None:
    async for server in quick(tmp_path, keep_alive="100ms"):
        async with http_peer(server.http_port) as peer:
            assert (await peer.ask(http_request())).status == 400

            assert await peer.expect_closed() == b""


async def test_ht_1_a_connection_answered_before_its_body_came_does_not_stay(server: TestServer) -> None:
    async with http_peer(server.http_port) as peer:
        answer = await peer.ask(HEAD + b"content-length: 70000\r\n\r\n")
        await peer.send(b" " * 70_000)

        assert answer.status == 413
        assert await peer.expect_closed() == b""


LINE = b"GET /%b HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.mark.parametrize("pieces", [1, 7], ids=["in one piece", "in pieces"])
async def test_a_request_line_above_8_kib_is_414(server: TestServer, pieces: int) -> None:
    line = LINE % (b"x" * 8192)
    async with http_peer(server.http_port) as peer:
        for start in range(0, len(line), size := len(line) // pieces):
            await peer.send(line[start : start + size])

        assert last_answer(await peer.expect_closed())[0] == 414


async def test_a_request_line_of_8_kib_is_read(server: TestServer) -> None:
    line = LINE % (b"x" * (8192 - len(b"GET / HTTP/1.1\r")))

    async with http_peer(server.http_port) as peer:
        assert (await peer.ask(line)).status == 404


@pytest.mark.parametrize("header", [b"x: " + b"y" * 16_384, b"\r\n".join([b"x: y"] * 4096)], ids=["one", "many"])
async def test_headers_above_16_kib_are_431(server: TestServer, header: bytes) -> None:
    async with http_peer(server.http_port) as peer:
        await peer.send(HEAD + header + b"\r\n\r\n")

        assert last_answer(await peer.expect_closed())[0] == 431


async def test_headers_below_16_kib_are_read(server: TestServer) -> None:
    async with http_peer(server.http_port) as peer:
        assert (await peer.ask(HEAD + b"x: " + b"y" * 16_000 + b"\r\ncontent-length: 0\r\n\r\n")).status == 400


async def test_a_body_is_no_header_wherever_the_pieces_are_cut(server: TestServer) -> None:
    demo = await server.profile()

    answers = []
    for cut in range(1, 5):
        request = http_request(json.dumps(demo.request(f"meter-{cut}")).encode().ljust(60_000))
        at = request.index(b"\r\n\r\n") + cut
        async with http_peer(server.http_port) as peer:
            await peer.send(request[:at])
            await server_has_read(server)
            answers.append(await peer.ask(request[at:]))

    assert [answer.json()["status"] for answer in answers] == ["SUCCESS"] * 4


async def server_has_read(server: TestServer) -> None:
    """Return when the server has read what was sent before: it answers others in between."""
    async with http_peer(server.http_port) as other:
        await other.ask(http_request())


async def served(server: TestServer, demo: Profile, name: str) -> Answer:
    async with http_peer(server.http_port) as peer:
        return await peer.ask(http_request(json.dumps(demo.request(name)).encode()))


@pytest.mark.parametrize(
    "held",
    [b"", HEAD, HEAD + b"content-length: 10\r\n\r\n", HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nab"],
    ids=["silent", "in headers", "in body", "in chunk"],
)
async def test_ht_1_a_hundred_held_connections_do_not_hold_up_a_real_request(tmp_path: Path, held: bytes) -> None:
    async for server in quick(tmp_path, max_in_flight=5):
        demo = await server.profile()
        async with AsyncExitStack() as stack:
            for _ in range(100):
                peer = await stack.enter_async_context(http_peer(server.http_port))
                await peer.send(held)
            await server_has_read(server)

            answers = [await served(server, demo, f"meter-{number}") for number in range(10)]

        assert [answer.json()["status"] for answer in answers] == ["SUCCESS"] * 10
