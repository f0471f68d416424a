"""Whatever a peer does to its connection, nothing of it stays (threats MQ-5, MQ-14), on both event loops."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.harness import WAIT_S, MqttPeer, Profile, TestServer, login, provision_over_mqtt, running
from tests.integration.mqtt.probe import (
    connected,
    door_of,
    emptied,
    insides,
    quiet_log,
    request_packet,
    reset,
    token_device,
    until,
)

from firstboot_plugins.transports.mqtt.door import Door
from firstboot_plugins.transports.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Publish,
    Subscribe,
    Unsubscribe,
)

__all__ = ["quiet_log"]

pytestmark = pytest.mark.usefixtures("quiet_log")

EVERYTHING_GOES = {"messages_per_second": 1_000_000, "burst": 1_000_000}


class Live:
    """A server on an event loop of its own, for tests that are no coroutines."""

    def __init__(self, runner: asyncio.Runner, server: TestServer, demo: Profile, token: str) -> None:
        self.runner = runner
        self.server = server
        self.demo = demo
        self.token = token
        self.door: Door = door_of(server)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.runner.run(work)

    def conversations(self, level: int) -> list[bytes]:
        """Return what a device that provisions and one that logs in would send."""
        requests = [self.demo.request("leaks"), {"provisionDeviceKey": "x", "provisionDeviceSecret": "y"}]
        provision = [
            Connect(level, "", True, 60, "provision"),
            Subscribe(1, [("/provision/response", 1)]),
            request_packet(requests[0], 1, 2),
            request_packet(requests[1], 0),
            Unsubscribe(3, ["/provision/response"]),
            Disconnect(),
        ]
        device = [
            Connect(level, "c", True, 60, self.token),
            Pingreq(),
            Publish("t", b"x" * 20, 2, packet_id=1),
            Disconnect(),
        ]
        return [b"".join(packet.encode(level) for packet in packets) for packets in (provision, device)]  # type: ignore[attr-defined]

    async def still_serves(self) -> None:
        """Fail unless devices are served as ever, and nothing is left of anybody."""
        assert await login(self.server, username=self.token) == 0
        request = {"provisionDeviceKey": "x", "provisionDeviceSecret": "y"}
        assert (await provision_over_mqtt(self.server, request))["status"] == "NOT_FOUND"
        await emptied(self.server, self.door)


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    factory: Callable[[], asyncio.AbstractEventLoop] | None = (
        uvloop.new_event_loop if request.param == "uvloop" else None
    )
    with asyncio.Runner(loop_factory=factory) as runner:
        context = running(
            tmp_path_factory.mktemp("live"), provisioning={"failure_delay": "0ms"}, mqtt=EVERYTHING_GOES
        )
        server: TestServer = runner.run(context.__aenter__())
        demo = runner.run(server.profile())
        token = runner.run(token_device(server, demo, "steady"))
        try:
            yield Live(runner, server, demo, token)
        finally:
            runner.run(context.__aexit__(None, None, None))


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))


def finish(peer: MqttPeer) -> None:
    peer.writer.close()


async def cut(live: Live, data: bytes, drop: Callable[[MqttPeer], None]) -> None:
    peer = await MqttPeer.open(live.server.mqtt_port)
    peer.writer.write(data)
    drop(peer)
    await peer.close()


@pytest.mark.parametrize("drop", [reset, finish], ids=["RST", "FIN"])
@pytest.mark.parametrize("level", [4, 5])
def test_mq14_a_connection_that_is_cut_at_any_byte_leaves_nothing(
    live: Live, level: int, drop: Callable[[MqttPeer], None]
) -> None:
    async def attack() -> None:
        await live.still_serves()
        tasks, files = len(asyncio.all_tasks()), descriptors()
        for conversation in live.conversations(level):
            for end in range(len(conversation) + 1):
                await cut(live, conversation[:end], drop)

        await live.still_serves()
        await until(lambda: (len(asyncio.all_tasks()), descriptors()) == (tasks, files))

    live.run(attack())


@pytest.mark.parametrize("kind", ["provision", "device"])
def test_mq14_a_reset_at_each_step_of_a_conversation_leaves_nothing(live: Live, kind: str) -> None:
    """Unlike above the server has answered the steps before."""

    async def attack() -> None:
        steps: list[Any] = [
            Pingreq(),
            Subscribe(1, [("/provision/response", 1)]),
            Publish("/provision/request", b"", 1, packet_id=2),
        ]
        username = "provision" if kind == "provision" else live.token
        for count in range(len(steps) + 1):
            for _ in range(5):
                peer = await connected(live.server, Connect(4, "c", username=username))
                for step in steps[:count]:
                    await peer.send(step)
                    assert await peer.receive() is not None
                reset(peer)
                await peer.close()

        await live.still_serves()

    live.run(attack())


def test_mq14_a_reset_while_credentials_are_looked_up_leaves_nothing(live: Live) -> None:
    async def attack() -> None:
        logins = live.server.services.logins
        find, gate = logins.find, asyncio.Event()

        async def slow(*ids: str) -> Any:
            await gate.wait()
            return await find(*ids)

        logins.find = slow  # type: ignore[method-assign]
        try:
            peers = [await live.server.peer(Connect(4, "c", username=live.token)) for _ in range(10)]
            await until(lambda: len(live.door._tasks) == 10)
            for peer in peers:
                reset(peer)
                await peer.close()
            await until(lambda: not live.door._connections)
        finally:
            gate.set()
            logins.find = find  # type: ignore[method-assign]
        await live.still_serves()

    live.run(attack())


def test_a_client_that_sends_on_while_it_is_judged_is_served_afterwards(live: Live) -> None:
    async def attack() -> None:
        logins = live.server.services.logins
        find, gate = logins.find, asyncio.Event()

        async def slow(*ids: str) -> Any:
            await gate.wait()
            return await find(*ids)

        logins.find = slow  # type: ignore[method-assign]
        try:
            peer = await live.server.peer(Connect(4, "c", username=live.token))
            await until(lambda: len(live.door._tasks) == 1)
            (connection,) = live.door._connections
            for _ in range(3):
                await peer.send(Pingreq())
            await until(lambda: not connection._transport.is_reading())
        finally:
            gate.set()
            logins.find = find  # type: ignore[method-assign]

        assert (await peer.expect(Connack)).reason == 0
        assert await peer.reader.readexactly(6) == b"\xd0\0" * 3
        await peer.send(Pingreq())
        assert await peer.reader.readexactly(2) == b"\xd0\0"
        await peer.close()
        await live.still_serves()

    live.run(attack())


# -- random streams --------------------------------------------------------------------------------

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"\xc0\0", b"\xe0\0", b"\x82\x06\0\1\0\1a\0", b"\x30\3\0\1t", b"\x40\2\0\1", b"\x62\2\0\1"]),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[int, int, list[tuple[int, int]], list[bytes], int]:
    """Which conversation at which level, which of its bytes are changed, what is appended, how it is cut."""
    return (
        draw(st.integers(0, 1)),
        draw(st.sampled_from([3, 4, 5])),
        draw(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)),
        draw(st.lists(PIECES, max_size=5)),
        draw(st.integers(1, 400)),
    )


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(stream=streams())
def test_mq5_mutated_conversations_leave_nothing_and_stop_nobody(live: Live, stream: Any) -> None:
    which, level, changes, appended, chunk = stream
    data = bytearray(live.conversations(level)[which])
    for position, value in changes:
        data[position % len(data)] = value
    data += b"".join(appended)

    live.run(throw(live, bytes(data), chunk))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.binary(max_size=300), chunk=st.integers(1, 300))
def test_mq5_random_bytes_leave_nothing_and_stop_nobody(live: Live, data: bytes, chunk: int) -> None:
    live.run(throw(live, data, chunk))
    live.run(throw(live, Connect(4, "provision").encode(4) + data, chunk))


async def throw(live: Live, data: bytes, chunk: int) -> None:
    peer = await MqttPeer.open(live.server.mqtt_port)
    try:
        for start in range(0, len(data), chunk):
            peer.writer.write(data[start : start + chunk])
            await peer.writer.drain()
        peer.writer.write_eof()
        async with asyncio.timeout(WAIT_S):
            await peer.reader.read()
    except OSError:  # closed before all was sent
        pass
    finally:
        await peer.close()
    await live.still_serves()


def test_mq5_many_mutants_at_once_leave_nothing(live: Live) -> None:
    """Seeded, so that a failure comes again."""
    dice = random.Random(20260707)
    originals = [conversation for level in (3, 4, 5) for conversation in live.conversations(level)]

    async def mutant(places: asyncio.Semaphore) -> None:
        data = bytearray(dice.choice(originals))
        for _ in range(dice.randint(0, 3)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        del data[dice.randrange(len(data)) :]
        async with places:
            await cut(live, bytes(data), reset if dice.random() < 0.5 else finish)

    async def attack() -> None:
        places = asyncio.Semaphore(50)
        await asyncio.gather(*(mutant(places) for _ in range(1000)))
        await live.still_serves()
        assert not any(insides(live.server, live.door))

    live.run(attack())
