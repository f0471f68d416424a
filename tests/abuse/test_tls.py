"""What strangers may do to listeners that encrypt, before and after the handshake (threats MQ-4, MQ-14, HT-1)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.harness import WAIT_S, MqttPeer
from tests.integration.mqtt.probe import door_of, emptied, quiet_log, reset, token_device, until
from tests.integration.tls.making import authority, issue
from tests.integration.tls.secured import Secured, secured

from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Pingreq, Pingresp, Puback, Publish

__all__ = ["quiet_log"]
pytestmark = pytest.mark.usefixtures("quiet_log")

CA = authority()
SERVER = issue("server", by=CA, hosts=["localhost"])
LISTENERS = ["mqtts", "mqttwss", "https"]
every_listener = pytest.mark.parametrize("listener", LISTENERS)


@contextlib.asynccontextmanager
async def live_server(tmp_path: Path, **more: Any) -> AsyncIterator[Secured]:
    async with secured(tmp_path, CA, SERVER, **more) as live:
        yield live


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Secured]:
    async with live_server(tmp_path) as started:
        yield started


async def raw(live: Secured, listener: str) -> MqttPeer:
    """Open a TCP connection to a listener that waits for TLS."""
    return await MqttPeer.open(live.port(listener))


async def closed(peer: MqttPeer) -> bytes:
    """Wait until the server closes; return what it said."""
    said = b""
    async with asyncio.timeout(WAIT_S):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while more := await peer.reader.read(65_536):
                said += more
    peer.writer.transport.abort()
    return said


async def device_token(live: Secured) -> str:
    return await token_device(live.server, await live.server.profile(), "meter-7")


def hello(context: ssl.SSLContext | None = None) -> bytes:
    """Return a ClientHello."""
    context = context or ssl._create_unverified_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


ALERT, HANDSHAKE = b"\x15", b"\x16"
NO_HANDSHAKES = {
    "MQTT": Connect(4, "c", True, 60, "provision").encode(4),
    "HTTP": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "zeros": bytes(1000),
    "noise": bytes(range(256)) * 40,
    "a record that lies about its length": b"\x16\x03\x01\xff\xff" + bytes(100),
    "an endless hello": b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(16_380),
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "data without a handshake": b"\x17\x03\x03\x00\x05hello",
    "SSL 2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37),
    "a hello twice": hello() * 2,
}


@every_listener
async def test_mq_4_what_is_no_handshake_is_cut_at_once(
    live: Secured, listener: str, subtests: pytest.Subtests
) -> None:
    for what, sent in NO_HANDSHAKES.items():
        with subtests.test(what):
            peer = await raw(live, listener)

            await peer.send(sent)

            said = await closed(peer)
            assert said[:1] in (b"", ALERT, HANDSHAKE)  # nothing that is no TLS
    await served(live)


async def served(live: Secured) -> None:
    """Fail unless devices are served as ever, and nothing is left of anybody else."""
    peer = await live.open()
    assert await live.connack(peer, username="provision") == 0
    await peer.close()
    await emptied(live.server, door_of(live.server))


@pytest.mark.parametrize("port", ["mqtt", "http", "mqttws"])
async def test_mq_4_tls_on_a_plain_port_is_cut(live: Secured, port: str) -> None:
    peer = await raw(live, port)

    await peer.send(hello())

    said = await closed(peer)
    assert said == b"" or said.startswith(b"HTTP/1.1 400")
    await served(live)


@every_listener
@pytest.mark.parametrize("said", [b"", b"\x16", hello()[:50], hello()], ids=["nothing", "a byte", "half", "hello"])
async def test_mq_4_a_handshake_that_does_not_go_on_is_dropped_in_time(
    tmp_path: Path, listener: str, said: bytes
) -> None:
    async with live_server(
        tmp_path, mqtt={"connect_timeout": "300ms"}, http={"header_timeout": "300ms"}
    ) as live:  # fmt: skip
        peer = await raw(live, listener)
        await peer.send(said)

        await closed(peer)
        await emptied(live.server, door_of(live.server))


@pytest.mark.parametrize("listener", ["mqtts", "mqttwss"])
async def test_mq_4_the_time_for_connect_begins_with_the_socket_and_not_with_the_handshake(
    tmp_path: Path, listener: str
) -> None:
    async with live_server(tmp_path, mqtt={"connect_timeout": "700ms"}) as live:
        peer = await live.open(listener=listener)

        assert await closed(peer) == b""
        await emptied(live.server, door_of(live.server))


async def test_mq_4_handshakes_are_counted_for_their_address(tmp_path: Path) -> None:
    async with live_server(tmp_path, mqtt={"max_unauthenticated_per_address": 3}) as live:
        door = door_of(live.server)
        idle = [await raw(live, "mqtts") for _ in range(3)]
        await until(lambda: len(door.crowd) == 3)

        newcomer = await live.open()
        assert await live.connack(newcomer, username="provision") == 0

        assert await closed(idle[0]) == b""  # who was quiet longest has made room
        assert len(door.crowd) == 3
        for peer in (*idle, newcomer):
            await peer.close()
        await emptied(live.server, door)


async def test_mq_4_strangers_never_crowd_out_a_device(tmp_path: Path) -> None:
    async with live_server(tmp_path, mqtt={"max_unauthenticated": 5}) as live:
        token = await device_token(live)
        device = await live.open()
        assert await live.connack(device, username=token) == 0

        strangers = [await raw(live, "mqtts") for _ in range(20)]
        for stranger in strangers[:15]:
            await closed(stranger)

        await device.send(Pingreq())
        assert isinstance(await device.receive(), Pingresp)
        for peer in (device, *strangers):
            await peer.close()


async def test_ht_1_https_counts_handshakes_and_requests_together(tmp_path: Path) -> None:
    async with live_server(tmp_path, http={"max_connections": 2}) as live:
        oldest = await raw(live, "https")
        plain = await raw(live, "http")
        await asyncio.sleep(0)

        newest = await live.open(listener="https")

        assert await closed(oldest) == b""
        await newest.send(b"GET /nothing HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert (await closed(newest)).startswith(b"HTTP/1.1 404")
        await plain.close()


@pytest.mark.parametrize("listener", ["mqtts", "mqttwss", "https"])
async def test_mq_14_a_reset_at_any_point_of_the_handshake_leaves_nothing(live: Secured, listener: str) -> None:
    door = door_of(live.server)
    first = hello()

    for cut in range(0, len(first) + 1, 16):
        peer = await raw(live, listener)
        await peer.send(first[:cut])
        reset(peer)

    await emptied(live.server, door)


async def test_mq_14_a_session_that_is_cut_in_a_record_ends(live: Secured) -> None:
    token = await device_token(live)
    peer = await live.open()
    assert await live.connack(peer, username=token) == 0
    assert len(live.server.services.sessions) == 1

    raw_socket = peer.writer.get_extra_info("socket")
    raw_socket = raw_socket.dup()
    raw_socket.setblocking(True)
    raw_socket.sendall(b"\x17\x03\x03\x00\x40" + bytes(64))  # no record of this session

    await closed(peer)
    raw_socket.close()
    await emptied(live.server, door_of(live.server))


async def test_the_first_packets_may_come_with_the_end_of_the_handshake(live: Secured) -> None:
    """As TLS 1.3 lets them, and small clients do it."""
    context = live.client(version=ssl.TLSVersion.TLSv1_3)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    peer = await raw(live, "mqtts")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    await peer.send(outgoing.read())
    while True:
        incoming.write(await peer.reader.read(65_536))
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
            break

    client.write(Connect(4, "c", True, 60, "provision").encode(4))
    client.write(Pingreq().encode(4))
    await peer.send(outgoing.read())

    received = b""
    while len(received) < len(Connack(False, 0).encode(4) + Pingresp().encode(4)):
        incoming.write(await peer.reader.read(65_536))
        with contextlib.suppress(ssl.SSLWantReadError):
            while True:
                received += client.read()
    assert received == Connack(False, 0).encode(4) + Pingresp().encode(4)
    await peer.close()


async def test_mq_11_a_device_that_does_not_read_is_dropped_over_tls_too(tmp_path: Path) -> None:
    async with live_server(tmp_path, mqtt={"burst": 10_000}) as live:
        token = await device_token(live)
        peer = await live.open()
        assert await live.connack(peer, username=token) == 0
        await peer.send(Publish("v1/devices/me/attributes", b'{"long":"' + b"x" * 60_000 + b'"}', 1, packet_id=7))
        assert isinstance(await peer.receive(), Puback)
        await peer.subscribe("v1/devices/me/attributes/response/+")
        peer.writer.transport.pause_reading()

        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for number in range(500):  # thirty megabytes: more than the operating system holds
                question = Publish(f"v1/devices/me/attributes/request/{number}", b'{"clientKeys":"long"}', 0)
                await peer.send(question)

        await emptied(live.server, door_of(live.server))
        peer.writer.transport.abort()


async def test_what_is_larger_than_a_record_arrives_whole(live: Secured) -> None:
    token = await device_token(live)
    peer = await live.open()
    assert await live.connack(peer, username=token) == 0

    payload = b'{"long":"' + b"x" * 60_000 + b'"}'
    await peer.send(Publish("v1/devices/me/attributes", payload, 1, packet_id=7))
    assert (await peer.expect(Puback)).packet_id == 7
    await peer.close()
    await emptied(live.server, door_of(live.server))


async def test_se_6_handshakes_that_fail_are_logged_within_bounds_and_without_bytes(
    live: Secured, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(40):
        peer = await raw(live, "mqtts")
        await peer.send(b"GET /secret-in-the-path HTTP/1.1\r\n\r\n")
        await closed(peer)

    lines = [record for record in caplog.records if "handshake failed" in record.getMessage()]
    assert 1 <= len(lines) <= 10
    assert {record.__dict__["reason"] for record in lines} == {"http request"}
    assert "secret" not in caplog.text


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_mq_14_a_server_stops_at_once_whatever_its_peers_are_doing(
    tmp_path: Path, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def run() -> float:
        loop = asyncio.get_running_loop()
        async with live_server(tmp_path) as live:
            door = door_of(live.server)
            peers = [await raw(live, listener) for listener in LISTENERS]
            half = await raw(live, "mqtts")
            await half.send(hello())
            session = await live.open()
            assert await live.connack(session, username="provision") == 0
            peers += [half, session, await live.open(listener="https"), await live.open(listener="mqttwss")]
            await until(lambda: len(door.crowd) >= 5)
            began = loop.time()
        took = loop.time() - began
        for peer in peers:
            await closed(peer)
        return took

    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(run()) < WAIT_S
