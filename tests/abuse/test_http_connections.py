"""Bounds on connections and on requests in flight (threat HT-1), and what may not occupy them (PV-2)."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

from tests.abuse.gate import Gate
from tests.harness import Profile, running
from tests.integration.http.raw_http import HttpPeer, http_peer, http_request


def encoded(demo: Profile, name: str, **more: object) -> bytes:
    return http_request(json.dumps({**demo.request(name), **more}).encode())


async def peers(stack: AsyncExitStack, port: int, count: int) -> list[HttpPeer]:
    return [await stack.enter_async_context(http_peer(port)) for _ in range(count)]


async def test_ht_1_above_the_bound_of_an_address_the_connection_that_waited_longest_is_closed(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, http={"max_idle_per_address": 3}) as server, AsyncExitStack() as stack:
        oldest, *others = await peers(stack, server.http_port, 4)

        assert await oldest.expect_closed() == b""
        assert [(await peer.ask(http_request())).status for peer in others] == [400, 400, 400]


async def test_ht_1_above_the_bound_of_all_the_connection_that_waited_longest_is_closed(tmp_path: Path) -> None:
    async with running(tmp_path, http={"max_connections": 3}) as server, AsyncExitStack() as stack:
        first, second, third = await peers(stack, server.http_port, 3)
        for peer in (second, third, first):
            assert (await peer.ask(http_request())).status == 400

        (fourth,) = await peers(stack, server.http_port, 1)

        assert await second.expect_closed() == b""
        assert [(await peer.ask(http_request())).status for peer in (fourth, third, first)] == [400, 400, 400]


async def test_ht_1_a_peer_that_sends_its_body_slowly_is_closed_to_make_room(tmp_path: Path) -> None:
    async with running(tmp_path, http={"max_connections": 1}) as server, AsyncExitStack() as stack:
        (slow,) = await peers(stack, server.http_port, 1)
        await slow.send(b"POST /api/v1/provision HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n")

        (real,) = await peers(stack, server.http_port, 1)

        assert (await real.ask(http_request())).status == 400
        assert await slow.expect_closed() == b""


async def test_ht_1_a_request_that_is_worked_on_is_never_closed_to_make_room(tmp_path: Path) -> None:
    gate = Gate()
    async with running(tmp_path, plugins={"gate": gate}, http={"max_connections": 1}) as server:
        demo = await server.profile()
        async with http_peer(server.http_port) as busy:
            await busy.send(encoded(demo, "meter"))
            await gate.entered(1)

            async with http_peer(server.http_port) as newcomer:
                assert await newcomer.expect_closed() == b""
            gate.open()

            assert (await busy.answer()).json()["status"] == "SUCCESS"


async def test_above_the_bound_of_requests_in_flight_a_device_is_asked_to_come_again(tmp_path: Path) -> None:
    gate = Gate()
    async with running(tmp_path, plugins={"gate": gate}, http={"max_in_flight": 2}) as server:
        demo = await server.profile()
        async with AsyncExitStack() as stack:
            one, two, three = await peers(stack, server.http_port, 3)
            await one.send(encoded(demo, "meter-1"))
            await two.send(encoded(demo, "meter-2"))
            await gate.entered(2)

            refused = await three.ask(encoded(demo, "meter-3"))
            gate.open()

            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert refused.json() == {"status": 503, "message": "Service Unavailable"}
            assert (await one.answer()).json()["status"] == "SUCCESS"
            assert (await two.answer()).json()["status"] == "SUCCESS"
            assert (await three.ask(encoded(demo, "meter-3"))).json()["status"] == "SUCCESS"


async def test_above_the_bound_of_provisioning_a_device_is_asked_to_come_again(tmp_path: Path) -> None:
    gate = Gate()
    async with running(tmp_path, plugins={"gate": gate}, provisioning={"max_in_flight": 1}) as server:
        demo = await server.profile()
        async with http_peer(server.http_port) as one, http_peer(server.http_port) as two:
            await one.send(encoded(demo, "meter-1"))
            await gate.entered(1)

            refused = await two.ask(encoded(demo, "meter-2"))
            gate.open()

            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert list(refused.json()) == ["status", "message", "errorCode", "timestamp"]
            assert (await one.answer()).json()["status"] == "SUCCESS"


async def test_pv_2_a_refusal_that_is_held_back_occupies_no_place_in_flight(tmp_path: Path) -> None:
    async with running(
        tmp_path, http={"max_in_flight": 1}, provisioning={"failures_per_minute": 1, "failure_delay": "2s"}
    ) as server:
        demo = await server.profile()
        async with AsyncExitStack() as stack:
            guessers = await peers(stack, server.http_port, 30)
            guess = encoded(demo, "meter", provisionDeviceSecret="wrong")
            await guessers[0].ask(guess)
            held = []
            for guesser in guessers[1:]:
                await guesser.send(guess)
                held.append(asyncio.create_task(guesser.answer()))
            (honest,) = await peers(stack, server.http_port, 1)

            answer = await honest.ask(encoded(demo, "meter"))

            assert answer.json()["status"] == "SUCCESS"
            assert not held[-1].done()
            assert {(await task).json()["status"] for task in held} == {"NOT_FOUND"}


async def test_pipelined_requests_without_end_are_cut_off(tmp_path: Path) -> None:
    gate = Gate()
    async with running(tmp_path, plugins={"gate": gate}) as server:
        demo = await server.profile()
        async with http_peer(server.http_port) as peer:
            await peer.send(encoded(demo, "meter"))
            await gate.entered(1)
            await peer.send(http_request() * 1000)
            gate.open()

            said = await peer.expect_closed()

        assert said.count(b"HTTP/1.1 ") < 20
        assert said.startswith(b"HTTP/1.1 200 OK")
