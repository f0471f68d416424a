"""Each limit of the door at its bound and one above (threats, section 5; MQ-4, MQ-11, MQ-12, MQ-13, MQ-17)."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.harness import REQUEST_TOPIC, RESPONSE_TOPIC, MqttPeer, TestServer, login, running
from tests.integration.mqtt.probe import (
    LEVELS,
    NOT_FOUND,
    ProbeDialect,
    answers,
    connected,
    door_of,
    echo,
    emptied,
    quiet_log,
    request_packet,
    rest,
    token_device,
    until,
)
from tests.unit.mqtt.test_packets import CONNECT, frame, text

from firstboot_plugins.transports.mqtt.connection import HIGH_WATER, Phase
from firstboot_plugins.transports.mqtt.dialect import Reply
from firstboot_plugins.transports.mqtt.door import Door
from firstboot_plugins.transports.mqtt.packets import (
    Connack,
    Connect,
    Pingreq,
    Pingresp,
    Property,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)

__all__ = ["quiet_log"]

pytestmark = pytest.mark.usefixtures("quiet_log")

levels = pytest.mark.parametrize("level", LEVELS)
generations = pytest.mark.parametrize("level", [4, 5])
UNKNOWN = {"provisionDeviceKey": "x", "provisionDeviceSecret": "y"}
NO_PENALTY = {"failure_delay": "0ms"}
OTHER_ADDRESS = "127.0.0.2"


async def alive(*peers: MqttPeer) -> None:
    for peer in peers:
        await peer.send(Pingreq())
        await peer.expect(Pingresp)


def farewell(level: int, reason: int) -> bytes:
    return b"\xe0\x01%c" % reason if level == 5 else b""


async def opened(server: TestServer, address: str = "127.0.0.1") -> MqttPeer:
    """Connect from an address without a word."""
    streams = await asyncio.open_connection("127.0.0.1", server.mqtt_port, local_addr=(address, 0))
    return MqttPeer(*streams)


async def admitted(door: Door, count: int) -> None:
    """Wait until the door has seen so many connections; it may have dropped some of them."""
    await until(lambda: len(door._connections) == count)


def checked(door: Door, later_s: float) -> None:
    """Let the door look at its connections as if so many seconds had passed."""
    now = door.now()
    for connection in list(door._connections):
        connection.check(now + later_s)


# -- sizes -----------------------------------------------------------------------------------------


@levels
@pytest.mark.parametrize(
    ("longest", "too_long", "codes"),
    [
        ({"client_id": "é" * 128}, {"client_id": "é" * 128 + "e"}, (2, 0x85)),
        ({"username": "u" * 512}, {"username": "u" * 513}, (5, 0x86)),
        ({"username": "u", "password": b"p" * 4096}, {"username": "u", "password": b"p" * 4097}, (5, 0x86)),
    ],
    ids=["client id", "user name", "password"],
)
async def test_the_longest_names_are_judged_and_longer_ones_are_refused(
    server: TestServer, level: int, longest: dict[str, Any], too_long: dict[str, Any], codes: tuple[int, int]
) -> None:
    provision = {"client_id": "c", **longest}
    if "username" not in longest:
        provision["username"] = "provision"
        await (await connected(server, Connect(level, **provision))).close()
    else:
        assert await login(server, level=level, **longest) == (0x86 if level == 5 else 5)

    answer = await rest(await server.peer(Connect(level, **{"client_id": "c", **too_long})))

    assert answer == (b"\x20\x03\0%c\0" % codes[1] if level == 5 else b"\x20\x02\0%c" % codes[0])


@levels
async def test_a_connect_above_its_size_is_refused_by_its_header_alone(tmp_path: Path, level: int) -> None:
    async with running(tmp_path, mqtt={"max_connect_size": 100}) as server:
        overhead = len(Connect(level, "", username="provision", password=b"").encode(level))
        largest = Connect(level, "", username="provision", password=b"p" * (100 - overhead))
        assert len(largest.encode(level)) == 100

        peer = await connected(server, largest)
        await peer.close()
        above = await opened(server)
        await above.send(b"\x10\x63")

        # 99 bytes and 2 of header: nothing of the body is waited for.
        assert await rest(above) == b""


@levels
async def test_a_packet_above_its_size_ends_the_session_by_its_header_alone(tmp_path: Path, level: int) -> None:
    async with running(tmp_path, mqtt={"max_packet_size": 300}) as server:
        peer = await server.provision_peer(level)
        head = frame(0x30, text(REQUEST_TOPIC), b"\0" if level == 5 else b"")
        request = b'{"provisionDeviceKey":"x","provisionDeviceSecret":"y","more":"'
        room = 300 - len(head) - 1  # the header has three bytes now
        payload = request + b"m" * (room - len(request) - 2) + b'"}'
        packet = Publish(REQUEST_TOPIC, payload).encode(level)
        assert len(packet) == 300

        await peer.send(packet)
        assert (await peer.expect(Publish)).payload == NOT_FOUND
        await peer.send(b"\x30\xaa\x02")  # 298 bytes and 3 of header

        assert await rest(peer) == farewell(level, 0x95)


@levels
async def test_topics_above_length_and_depth_end_the_session(server: TestServer, level: int) -> None:
    none = b"\0" if level == 5 else b""
    for topic, reason in (("t" * 513, 0x90), ("/" * 16, 0x90)):
        peer = await server.provision_peer(level)
        await peer.send(frame(0x30, text(topic), none))
        assert await rest(peer) == farewell(level, reason)

        peer = await server.provision_peer(level)
        await peer.send(frame(0x82, b"\0\1", none, text(topic), b"\0"))
        assert await rest(peer) == farewell(level, 0x8F)

    peer = await server.provision_peer(level)
    await peer.send(Subscribe(1, [("t" * 512, 0), ("/" * 15, 0)]))
    assert len((await peer.expect(Suback)).reasons) == 2
    await peer.close()


@levels
async def test_mq17_filters_in_one_subscribe_are_bounded(server: TestServer, level: int) -> None:
    peer = await server.provision_peer(level)

    await peer.send(Subscribe(1, [(RESPONSE_TOPIC, 0)] * 32))
    assert (await peer.expect(Suback)).reasons == [0] * 32
    await peer.send(Subscribe(1, [(RESPONSE_TOPIC, 0)] * 33))

    assert await rest(peer) == farewell(level, 0x97)


@generations
async def test_mq17_filters_of_a_session_are_bounded_and_count_once(tmp_path: Path, level: int) -> None:
    refused = 0x97 if level == 5 else 0x80
    async with running(tmp_path, plugins={"probe": ProbeDialect()}, mqtt={"max_filters": 3}) as server:
        peer = await connected(server, Connect(level, "probe"))

        await peer.send(Subscribe(1, [("a", 0), ("b", 1), ("a", 2), ("a", 0), ("c", 0), ("d", 0), ("a", 1)]))
        assert (await peer.expect(Suback)).reasons == [0, 1, 1, 0, 0, refused, 1]
        await peer.send(Unsubscribe(2, ["a", "a"]), Subscribe(3, [("d", 0), ("e", 0)]))

        await peer.expect(Unsuback)
        assert (await peer.expect(Suback)).reasons == [0, refused]
        await peer.close()


# -- messages in flight ----------------------------------------------------------------------------


@levels
async def test_mq17_messages_under_way_are_bounded(tmp_path: Path, level: int) -> None:
    gate = asyncio.Event()

    async def wait(message: Publish) -> Reply:
        await gate.wait()
        return Reply()

    async with running(tmp_path, plugins={"probe": ProbeDialect(wait)}, mqtt={"max_in_flight": 3}) as server:
        peer, greedy = [await connected(server, Connect(level, f"probe{n}")) for n in range(2)]

        await peer.send(*(Publish("t", b"", 1, packet_id=n) for n in (1, 2, 3)))
        await greedy.send(*(Publish("t", b"", 1, packet_id=n) for n in (1, 2, 3, 4)))

        assert await rest(greedy) == farewell(level, 0x93)
        await alive(peer)
        gate.set()
        assert await answers(peer, 3) == [Puback(1), Puback(2), Puback(3)]
        await peer.close()


@levels
async def test_bytes_of_an_unproven_peer_that_wait_to_be_served_are_bounded(tmp_path: Path, level: int) -> None:
    gate = asyncio.Event()

    async def wait(message: Publish) -> Reply:
        await gate.wait()
        return Reply()

    async with running(tmp_path, plugins={"probe": ProbeDialect(wait)}, mqtt={"max_packet_size": 1000}) as server:
        peer, greedy = [await connected(server, Connect(level, f"probe{n}")) for n in range(2)]

        await peer.send(Publish("t", b"x" * 500), Publish("t", b"x" * 500))
        await greedy.send(Publish("t", b"x" * 500), Publish("t", b"x" * 501))

        assert await rest(greedy) == farewell(level, 0x97)
        await alive(peer)
        gate.set()
        await peer.close()


async def test_what_follows_a_connect_that_is_being_judged_is_left_in_the_socket(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger must not make the server hold megabytes for the time that its refusal takes."""
    judging, gate = asyncio.Event(), asyncio.Event()
    find = server.services.logins.find

    async def slow(*ids: str) -> Any:
        judging.set()
        await gate.wait()
        return await find(*ids)

    monkeypatch.setattr(server.services.logins, "find", slow)
    peer = await server.peer(Connect(4, "c", username="nobody"))
    await judging.wait()
    (connection,) = door_of(server)._connections
    flood = asyncio.create_task(peer.send(Publish("t", b"x" * 60_000).encode(4) * 200))

    await until(lambda: not connection._transport.is_reading())
    assert connection.phase is Phase.JUDGED
    held = len(connection._reader._data)
    gate.set()

    assert held <= 1 << 20
    # The refusal may be lost with what it did not wait for.
    assert await rest(peer) in (b"", b"\x20\x02\0\x05")
    await asyncio.gather(flood, return_exceptions=True)


@levels
async def test_mq17_a_client_that_does_not_acknowledge_is_sent_away(tmp_path: Path, level: int) -> None:
    async with running(tmp_path, provisioning=NO_PENALTY, mqtt={"max_in_flight": 2}) as server:
        peer = await server.provision_peer(level)

        for answered in (1, 2, None, None):  # two unacknowledged, two behind them
            await peer.send(request_packet(UNKNOWN, 1, 9))
            await peer.expect(Puback)
            if answered is not None:
                assert (await peer.expect(Publish)).packet_id == answered
        await peer.send(Puback(2))  # room for one
        assert (await peer.expect(Publish)).packet_id == 3
        await peer.send(request_packet(UNKNOWN, 1, 9))
        await peer.expect(Puback)
        await peer.send(request_packet(UNKNOWN, 0))

        assert await rest(peer) == farewell(level, 0x97)


async def test_a_version_5_client_gets_no_more_at_once_than_it_takes(tmp_path: Path) -> None:
    async with running(tmp_path, provisioning=NO_PENALTY) as server:
        properties = {Property.RECEIVE_MAXIMUM: 1}
        peer = await connected(server, Connect(5, "", username="provision", properties=properties))

        await peer.send(request_packet(UNKNOWN, 1, 5), request_packet(UNKNOWN, 1, 6))
        first, answer, second = await answers(peer, 3)
        await alive(peer)  # the second answer waits
        await peer.send(Puback(1))

        assert (first, second) == (Puback(5), Puback(6))
        assert isinstance(answer, Publish)
        assert (await peer.expect(Publish)).packet_id == 2
        await peer.close()


async def test_an_answer_that_is_too_large_for_the_client_takes_no_room(tmp_path: Path) -> None:
    async with running(tmp_path, provisioning=NO_PENALTY) as server:
        demo = await server.profile()
        # The refusal has 93 bytes on the wire, this success far more.
        properties = {Property.RECEIVE_MAXIMUM: 1, Property.MAXIMUM_PACKET_SIZE: 100}
        peer = await connected(server, Connect(5, "", username="provision", properties=properties))

        await peer.send(request_packet(demo.request("large", token="t" * 200), 1, 5))
        assert await peer.expect(Puback) == Puback(5)
        await peer.send(request_packet(UNKNOWN, 1, 6))

        assert await peer.expect(Puback) == Puback(6)
        answer = await peer.expect(Publish)
        assert (answer.packet_id, answer.payload) == (1, NOT_FOUND)
        await peer.close()


# -- rates -----------------------------------------------------------------------------------------


@levels
async def test_mq17_packets_above_the_burst_end_the_session(tmp_path: Path, level: int) -> None:
    async with running(tmp_path, mqtt={"burst": 10, "messages_per_second": 1}) as server:
        door = door_of(server)
        now = 1000.0
        door.now = lambda: now
        patient, greedy = await server.provision_peer(level), await server.provision_peer(level)

        await patient.send(*[Pingreq()] * 9)  # and the CONNECT
        await answers(patient, 9)
        await greedy.send(Pingreq().encode(level) * 10)

        assert await rest(greedy) == Pingresp().encode(level) * 9 + farewell(level, 0x97)
        now += 2.0
        await patient.send(Pingreq(), Pingreq())
        await answers(patient, 2)
        await patient.send(Pingreq())
        assert await rest(patient) == farewell(level, 0x97)


async def test_a_full_burst_may_follow_a_connect_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, mqtt={"burst": 101, "messages_per_second": 1}) as server:
        token = await token_device(server, await server.profile(), "busy")
        peer = await MqttPeer.open(server.mqtt_port)

        await peer.send(Connect(4, "c", username=token).encode(4) + Pingreq().encode(4) * 100)

        await peer.expect(Connack)
        assert await answers(peer, 100) == [Pingresp()] * 100
        await peer.close()


# -- time ------------------------------------------------------------------------------------------


async def test_mq4_what_sends_no_whole_connect_is_dropped_in_time(tmp_path: Path) -> None:
    async with running(tmp_path, mqtt={"connect_timeout": "500ms"}) as server:
        door = door_of(server)
        token = await token_device(server, await server.profile(), "honest")
        silent = [await opened(server) for _ in range(10)]
        halves = [await opened(server) for _ in range(10)]
        for peer in halves:
            await peer.send(CONNECT[4][:-1])
        dripping = await opened(server)

        async def drip() -> None:
            for byte in Connect(4, "c" * 200, username="provision").encode(4):
                await dripping.send(bytes((byte,)))
                await asyncio.sleep(0.02)  # the attack itself: 200 bytes take it 4 s

        drops = asyncio.create_task(drip())
        assert await login(server, username=token) == 0
        received = await asyncio.gather(*(rest(peer) for peer in (*silent, *halves, dripping)))

        assert received == [b""] * 21
        drops.cancel()
        await asyncio.gather(drops, return_exceptions=True)
        await emptied(server, door)


@levels
async def test_mq12_a_silent_client_is_closed_after_one_and_a_half_keep_alives(
    server: TestServer, level: int
) -> None:
    door = door_of(server)
    peer = await connected(server, Connect(level, "", True, 60, username="provision"))

    checked(door, 90.0)
    await alive(peer)
    checked(door, 91.1)

    assert await rest(peer) == farewell(level, 0x8D)


@levels
async def test_mq12_also_in_the_middle_of_a_packet(server: TestServer, level: int) -> None:
    door = door_of(server)
    token = await token_device(server, await server.profile(), "half")
    peer = await connected(server, Connect(level, "c", True, 10, username=token))
    await alive(peer)
    (connection,) = door._connections
    quiet_since = connection._quiet_since

    await peer.send(Publish("t", b"x" * 1000).encode(level)[:-1])
    await until(lambda: len(connection._reader._data) > 1000)

    assert connection._quiet_since == quiet_since  # bytes are not packets
    checked(door, 16.1)
    assert await rest(peer) == farewell(level, 0x8D)
    assert not len(server.services.sessions)


@levels
async def test_mq12_no_keep_alive_is_the_longest_silence(tmp_path: Path, level: int) -> None:
    async with running(tmp_path, mqtt={"longest_silence": "1h"}) as server:
        door = door_of(server)
        peer = await connected(server, Connect(level, "", True, 0, username="provision"))

        checked(door, 3599.0)
        await alive(peer)
        checked(door, 3600.1)

        assert await rest(peer) == farewell(level, 0x8D)


async def test_mq12_the_door_looks_by_itself(server: TestServer) -> None:
    door = door_of(server)
    peer = await connected(server, Connect(5, "", True, 1, username="provision"))
    now = door.now
    door.now = lambda: now() + 3.0

    assert await rest(peer) == farewell(5, 0x8D)


# -- slow readers ----------------------------------------------------------------------------------


@generations
async def test_mq11_a_client_that_does_not_read_is_dropped(tmp_path: Path, level: int) -> None:
    waiting_bytes = [0]

    def echo_and_look(message: Publish) -> Reply:
        waiting_bytes.append(connection._transport.get_write_buffer_size())
        return echo(message)

    limits = {"max_write_buffer": 200_000, "max_packet_size": 1_000_000, "burst": 1_000_000}
    async with running(tmp_path, plugins={"probe": ProbeDialect(echo_and_look)}, mqtt=limits) as server:
        door = door_of(server)
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", server.mqtt_port))
        await loop.sock_sendall(deaf, Connect(level, "probe-deaf").encode(level))
        await until(lambda: any(connection.phase is Phase.OPEN for connection in door._connections))
        (connection,) = door._connections

        message = Publish("t", b"x" * 60_000).encode(level)
        while door._connections:
            with suppress(ConnectionResetError, BrokenPipeError):
                await loop.sock_sendall(deaf, message)

        # It grew up to the mark above which messages wait where they are counted.
        assert HIGH_WATER < max(waiting_bytes) <= HIGH_WATER + len(message)
        deaf.close()
        await emptied(server, door)


# -- crowds ----------------------------------------------------------------------------------------


@generations
async def test_mq4_mq13_strangers_crowd_out_each_other_and_never_a_device(tmp_path: Path, level: int) -> None:
    async with running(tmp_path, mqtt={"max_unauthenticated_per_address": 3}) as server:
        door = door_of(server)
        token = await token_device(server, await server.profile(), "device")
        device = await connected(server, Connect(level, "c", username=token))
        elsewhere = await opened(server, OTHER_ADDRESS)
        await admitted(door, 2)
        strangers = []
        for count in range(3):
            strangers.append(await opened(server))
            await admitted(door, 3 + count)

        newest = await opened(server)

        assert await rest(strangers[0]) == b""
        await newest.connect(Connect(level, "", username="provision"))
        assert (await newest.expect(Connack)).reason == 0
        await alive(device, newest)
        # The other address has a count of its own.
        await elsewhere.connect(Connect(level, "", username="provision"))
        assert (await elsewhere.expect(Connack)).reason == 0
        for peer in (device, elsewhere, newest, *strangers[1:]):
            await peer.close()
        await emptied(server, door)


async def test_mq4_the_crowd_of_all_addresses_is_bounded_too(tmp_path: Path) -> None:
    limits = {"max_unauthenticated": 2, "max_unauthenticated_per_address": 2}
    async with running(tmp_path, mqtt=limits) as server:
        door = door_of(server)
        first = await opened(server)
        await admitted(door, 1)
        second = await opened(server, OTHER_ADDRESS)
        await admitted(door, 2)

        third = await opened(server, "127.0.0.3")

        assert await rest(first) == b""
        for peer in (second, third):
            await peer.connect(Connect(4, "", username="provision"))
            assert (await peer.expect(Connack)).reason == 0
            await peer.close()


@generations
async def test_mq4_who_asks_for_something_is_dropped_after_those_who_are_quiet(tmp_path: Path, level: int) -> None:
    limits = {"max_unauthenticated_per_address": 2}
    async with running(tmp_path, provisioning=NO_PENALTY, mqtt=limits) as server:
        door = door_of(server)
        asking = await server.provision_peer(level)
        quiet = await server.provision_peer(level)
        await asking.subscribe()
        await asking.provision(UNKNOWN)

        newest = await server.provision_peer(level)

        # Whoever is dropped is cut off; what it is told may be lost with that.
        assert await rest(quiet) in (b"", farewell(level, 0x89))
        await alive(asking, newest)
        await asking.close()
        await newest.close()
        await emptied(server, door)


async def test_mq4_who_has_sent_its_connect_is_dropped_after_those_who_have_not(tmp_path: Path) -> None:
    async with running(tmp_path, mqtt={"max_unauthenticated_per_address": 2}) as server:
        door = door_of(server)
        early = await opened(server)
        await admitted(door, 1)
        silent = await opened(server)
        await admitted(door, 2)
        await early.connect(Connect(4, "", username="provision"))
        await early.expect(Connack)

        newest = await opened(server)

        assert await rest(silent) == b""
        await alive(early)
        await early.close()
        await newest.close()


async def test_mq13_a_device_that_logged_in_makes_room_for_another(tmp_path: Path) -> None:
    async with running(tmp_path, mqtt={"max_unauthenticated_per_address": 1}) as server:
        demo = await server.profile()
        peers = []
        for number in range(10):
            token = await token_device(server, demo, f"device {number}")
            peers.append(await connected(server, Connect(4, "c", username=token)))

        await alive(*peers)
        for peer in peers:
            await peer.close()


async def test_a_server_that_stops_tells_its_peers(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        token = await token_device(server, await server.profile(), "device")
        device = await connected(server, Connect(5, "c", username=token))
        session = await server.provision_peer(5)
        old = await server.provision_peer(4)
        silent = await opened(server)
        await admitted(door_of(server), 4)

    assert await rest(device) == await rest(session) == farewell(5, 0x8B)
    assert await rest(old) == await rest(silent) == b""


@generations
async def test_a_topic_alias_that_was_not_offered_ends_the_session(server: TestServer, level: int) -> None:
    peer = await server.provision_peer(level)
    properties = {Property.TOPIC_ALIAS: 1} if level == 5 else {}

    await peer.send(Publish(REQUEST_TOPIC if level == 4 else "", b"", properties=properties))

    if level == 5:
        assert await rest(peer) == farewell(5, 0x94)
    else:
        assert (await peer.expect(Publish)).payload == b"\x08\x02"
        await peer.close()
