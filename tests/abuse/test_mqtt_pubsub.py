"""Clients that take too much or too little of ordinary publish and subscribe (threats MQ-11, MQ-17)."""

from __future__ import annotations

import asyncio
import random
import socket
from pathlib import Path

import pytest
from tests.harness import TestServer
from tests.integration.mqtt.probe import door_of, emptied, quiet_log, reset, rest, until
from tests.integration.pubsub.people import LEVELS, Person, people

from firstboot.sessions import Owner
from firstboot_plugins.transports.mqtt.broker.message import BrokerMessage
from firstboot_plugins.transports.mqtt.packets import (
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscribe,
    Will,
)

__all__ = ["quiet_log"]

pytestmark = pytest.mark.usefixtures("quiet_log")

levels = pytest.mark.parametrize("level", LEVELS)


def farewell(level: int, reason: int) -> bytes:
    return b"\xe0\x01%c" % reason if level == 5 else b""


# -- slow readers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("qos", [0, 1])
async def test_mq11_a_subscriber_that_stops_reading_is_dropped_and_harms_nobody(tmp_path: Path, qos: int) -> None:
    async with people(tmp_path) as server:
        door = door_of(server)
        speaker = await Person.come(server, "app-1", client_id="speaker")
        listener = await Person.come(server, "app-1", client_id="listener")
        await listener.listen("t")
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", server.mqtt_port))
        hello = Connect(4, "deaf", True, 60, "app-1").encode(4) + Subscribe(1, [("t", qos)]).encode(4)
        await loop.sock_sendall(deaf, hello)
        await until(lambda: any(c._client and c._client.client_id == "deaf" and c._client.filters
                                for c in door._connections))  # fmt: skip
        (connection,) = [c for c in door._connections if c._client and c._client.client_id == "deaf"]
        most = 0

        # 24 MB towards the deaf one; it must not hold up anybody, nor much memory.
        for _ in range(400):
            await speaker.say("t", b"x" * 60_000, 1)
            await listener.hear()
            assert connection._client is not None
            held = connection._client.outgoing.held_bytes + connection._transport.get_write_buffer_size()
            most = max(most, held)

        window = door.config.max_in_flight * 60_100 if qos else 0
        assert most <= door.config.max_queued_bytes + window + 2 * 65_536
        await until(lambda: connection not in door._connections)
        deaf.close()


@levels
async def test_mq11_a_subscriber_that_does_not_acknowledge_is_sent_away(tmp_path: Path, level: int) -> None:
    limits = {"max_in_flight": 2, "max_queued_messages": 3}
    async with people(tmp_path, **limits) as server:
        speaker = await Person.come(server, "app-1", level=level, client_id="speaker")
        listener = await Person.come(server, "app-1", level=level, client_id="listener")
        await listener.listen("t", qos=1)

        for number in range(6):
            await speaker.say("t", b"%d" % number, 1)

        heard = Publish("t", b"0", 1, packet_id=1).encode(level) + Publish("t", b"1", 1, packet_id=2).encode(level)
        assert await rest(listener) == heard + farewell(level, 0x97)
        await speaker.say("t")


@levels
async def test_what_was_queued_for_a_client_that_was_dropped_is_kept_with_its_session(
    tmp_path: Path, level: int
) -> None:
    limits = {"max_in_flight": 1, "max_queued_messages": 3, "max_stored_messages": 2}
    async with people(tmp_path, **limits) as server:
        speaker = await Person.come(server, "app-1", level=level, client_id="speaker")
        listener = await Person.come(server, "app-1", level=level, client_id="listener", stays=True)
        await listener.listen("t", qos=1)
        for number in range(5):
            await speaker.say("t", b"%d" % number, 1)
        await rest(listener)

        back = await Person.come(server, "app-1", level=level, client_id="listener", stays=True)

        assert [(await back.hear()).payload for _ in range(3)] == [b"0", b"1", b"2"]


# -- too much --------------------------------------------------------------------------------------


@levels
async def test_mq17_messages_with_qos_2_that_are_never_released_are_bounded(tmp_path: Path, level: int) -> None:
    async with people(tmp_path, max_in_flight=3) as server:
        person = await Person.come(server, "app-1", level=level)
        for packet_id in (1, 2, 3):
            await person.send(Publish("t", b"", 2, packet_id=packet_id))
            assert await person.expect(Pubrec) == Pubrec(packet_id)
        await person.send(Publish("t", b"", 2, dup=True, packet_id=3))  # not one more
        assert await person.expect(Pubrec) == Pubrec(3)

        await person.send(Publish("t", b"", 2, packet_id=4))

        assert await rest(person) == farewell(level, 0x93)


@levels
async def test_mq17_subscriptions_are_bounded(tmp_path: Path, level: int) -> None:
    async with people(tmp_path, max_filters=3) as server:
        person = await Person.come(server, "app-1", level=level)
        refused = 0x97 if level == 5 else 0x80

        assert await person.listen("a", "own/b", "c", "d", "own/e", "a") == [0, 0, 0, refused, refused, 0]


@levels
async def test_mq17_messages_above_the_rate_end_the_session(tmp_path: Path, level: int) -> None:
    async with people(tmp_path, messages_per_second=1, burst=10) as server:
        person = await Person.come(server, "app-1", level=level)

        await person.send(b"".join(Publish("t", b"").encode(level) for _ in range(20)))

        assert await rest(person) == farewell(level, 0x97)


@levels
@pytest.mark.parametrize("qos", [1, 2])
async def test_acknowledgements_that_a_client_owes_do_not_count_against_its_rate(
    tmp_path: Path, level: int, qos: int
) -> None:
    async with people(tmp_path, messages_per_second=1, burst=10) as server:
        listener = await Person.come(server, "app-1", level=level)
        await listener.listen("t", qos=qos)
        for _ in range(30):
            await door_of(server).pubsub.publish(BrokerMessage("1/t", b"x", qos), Owner("device", 1))
            message = await listener.expect(Publish)
            if qos == 1:
                await listener.send(Puback(message.packet_id or 0))
            else:
                await listener.send(Pubrec(message.packet_id or 0))
                await listener.expect(Pubrel)
                await listener.send(Pubcomp(message.packet_id or 0))

        await listener.send(Pingreq())
        assert isinstance(await listener.receive(), Pingresp)
        # Those that it does not owe do count.
        await listener.send(b"".join(Puback(1).encode(level) for _ in range(20)))
        assert await rest(listener) == farewell(level, 0x97)


# -- comings and goings ----------------------------------------------------------------------------


async def nothing_left(server: TestServer) -> None:
    door = door_of(server)
    await emptied(server, door)
    broker = door.pubsub._broker
    assert broker is not None
    await until(lambda: not broker.sessions and not broker._inner)
    assert (len(broker._index), len(door.stored), door.stored._bytes) == (0, 0, 0)


@levels
async def test_mq14_nothing_is_left_of_sessions_that_break_off_anywhere(tmp_path: Path, level: int) -> None:
    order = random.Random(level)
    async with people(tmp_path) as server:
        script = b"".join(
            packet.encode(level)
            for packet in (
                Subscribe(1, [("devices/me/#", 1), ("own/t", 1)]),
                Publish("devices/me/t", b"x" * 100, 2, packet_id=1),
                Publish("own/t", b"x"),
                Publish("devices/me/t", b"x" * 100, 1, packet_id=2),
                Disconnect(),
            )
        )
        for number in range(60):
            will = Will("devices/me/gone", b"") if number % 3 else None
            device = await Person.open(server.mqtt_port)
            device.level = level
            hello = Connect(level, "c", True, 60, f"device-{number % 7}", will=will).encode(level)
            everything = hello + script
            await device.send(everything[: order.randrange(len(hello), len(everything) + 1)])
            if number % 2:
                await device.reader.read(1)
            reset(device)

        await nothing_left(server)


@levels
async def test_a_server_that_stops_ends_everything_in_peace(tmp_path: Path, level: int) -> None:
    before = asyncio.all_tasks()
    async with people(tmp_path) as server:
        present = [await Person.come(server, f"device-{n}", level=level, stays=n > 2) for n in range(5)]
        for person in present:
            await person.listen("devices/me/#", qos=1)
        await present[4].send(Disconnect())
        await rest(present[4])
        busy = asyncio.create_task(present[0].send(Publish("devices/me/t", b"x" * 1000).encode(level) * 1000))
        await present[0].receive()

    assert [await rest(person) for person in present[1:4]] == [farewell(level, 0x8B)] * 3
    await asyncio.gather(busy, return_exceptions=True)
    assert asyncio.all_tasks() == before
