"""Bytes that are no MQTT, thrown at a live door (threats MQ-5, MQ-6, MQ-15)."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from tests.harness import REQUEST_TOPIC, MqttPeer, Profile, TestServer, login, running
from tests.integration.mqtt.conftest import demo, quiet_log, shared
from tests.integration.mqtt.probe import (
    LEVELS,
    connected,
    door_of,
    emptied,
    request_packet,
    rest,
    token_device,
    until,
)
from tests.unit.mqtt.test_packets import CONNECT, PROTOCOL, bad_connects, bad_packets, frame, text

from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Pingreq, Pingresp, Publish

__all__ = ["demo", "quiet_log", "shared"]

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet_log")]

levels = pytest.mark.parametrize("level", LEVELS)
CONCURRENT = 32


async def thrown(server: TestServer, data: bytes) -> bytes:
    """Send bytes on a new connection; return what comes before the close."""
    peer = await MqttPeer.open(server.mqtt_port)
    await peer.send(data)
    return await rest(peer)


async def each(server: TestServer, cases: list[tuple[str, bytes, bytes]]) -> list[str]:
    """Throw every case's bytes, and return the cases that were answered in another way than expected."""
    places = asyncio.Semaphore(CONCURRENT)
    wrong: list[str] = []

    async def one(name: str, data: bytes, expected: bytes) -> None:
        async with places:
            answer = await thrown(server, data)
        if answer != expected:
            wrong.append(f"{name}: {answer.hex()} instead of {expected.hex()}")

    await asyncio.gather(*(one(*case) for case in cases))
    return wrong


def connect_answer(data: bytes, reason: int) -> bytes:
    """Return how a CONNECT that breaks a rule is refused."""
    header = 2 if len(data) < 130 else 3
    names = {level: data[:1] == b"\x10" and data[header:].startswith(name) for level, name in PROTOCOL.items()}
    if names[5]:
        return b"\x20\x03\0%c\0" % reason
    # Version 3 has codes for a client id and for credentials; after other faults the connection just closes.
    code = {0x85: 2, 0x86: 5}.get(reason)
    return b"" if code is None or not any(names.values()) else b"\x20\x02\0%c" % code


async def test_mq5_a_malformed_connect_is_refused_and_closed(shared: TestServer) -> None:
    cases = [(name, data, connect_answer(data, reason)) for name, data, reason in bad_connects()]

    assert await each(shared, cases) == []
    await emptied(shared, door_of(shared))


@pytest.mark.parametrize("kind", ["provision", "device"])
async def test_mq5_a_malformed_packet_ends_the_session_and_version_5_is_told_why(
    shared: TestServer, demo: Profile, kind: str
) -> None:
    wrong: list[str] = []
    for number, (name, level, data, reason) in enumerate(bad_packets()):
        username = "provision"
        if kind == "device":
            if not number:
                token = await token_device(shared, demo, "malformed")
            username = token
        peer = await connected(shared, Connect(level, "c", username=username))
        await peer.send(data)
        answer = await rest(peer)
        if answer != (b"\xe0\x01%c" % reason if level == 5 else b""):
            wrong.append(f"{name} [{level}]: {answer.hex()}")

    assert wrong == []
    await emptied(shared, door_of(shared))


@levels
async def test_mq5_a_second_connect_ends_the_session(shared: TestServer, level: int) -> None:
    peer = await shared.provision_peer(level)

    await peer.send(CONNECT[level])

    assert await rest(peer) == (b"\xe0\x01\x82" if level == 5 else b"")


async def test_mq5_every_first_byte_but_that_of_connect_closes_without_a_word(shared: TestServer) -> None:
    cases = [(f"{first:#04x}", bytes((first,)), b"") for first in range(256) if first != 0x10]

    assert await each(shared, cases) == []


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 32,
        b"GET / HTTP/1.1\r\nHost: iot\r\n\r\n",
        b"\0" * 100,
        b"\xff" * 100,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x10\xff\xff\xff\xff\x01",
        b"\x10\x80\x80\x80\x80\x80",
        b"\x10\xff\xff\xff\x7f",
    ],
    ids=["TLS", "HTTP", "zeros", "ones", "SSH", "length of five bytes", "endless length", "256 MiB"],
)
async def test_mq4_mq5_another_protocol_is_closed_at_once(shared: TestServer, data: bytes) -> None:
    assert await thrown(shared, data) == b""


async def test_mq15_every_unknown_level_is_told_so(shared: TestServer) -> None:
    rest_of_connect = b"\x02\0\x3c\0\x01c"
    cases = []
    for level in range(256):
        # Whoever speaks a later version reads version 5's answer, the others 3.1.1's.
        answer = b"\x20\x03\0\x84\0" if level > 5 else b"\x20\x02\0\x01"
        known = {b"MQTT": (4, 5), b"MQIsdp": (3,), b"MQTt": ()}
        for name, levels_ in known.items():
            if level not in levels_:
                data = frame(0x10, text(name), bytes((level,)), rest_of_connect)
                cases.append((f"{name!r} {level}", data, answer))

    assert await each(shared, cases) == []


# -- nothing in the bytes is executed --------------------------------------------------------------


@levels
async def test_mq6_nothing_is_run_that_follows_a_refused_publish(
    shared: TestServer, demo: Profile, level: int
) -> None:
    smuggled = request_packet(demo.request(f"smuggled-{level}")).encode(level)
    property_length = b"\0" if level == 5 else b""
    carriers = {
        "in the payload of a topic with a wildcard": frame(0x30, text("x/#"), property_length, smuggled),
        "in the payload of another topic": frame(0x30, text("x"), property_length, smuggled),
        "behind another topic": Publish("x", b"").encode(level) + smuggled,
        "behind another topic that is acknowledged": Publish("x", b"", 1, packet_id=1).encode(level) + smuggled,
        "in a PINGREQ": frame(0xC0, smuggled),
        "behind a frame that is too short": b"\x30\x02\0\x05" + smuggled,
        "in a DISCONNECT": frame(0xE0, smuggled),
        "behind a DISCONNECT": b"\xe0\0" + smuggled,
        "in a SUBSCRIBE": frame(0x82, b"\0\1", property_length, text("/provision/response"), b"\0", smuggled),
        "in front of garbage": smuggled + b"\xff\xff",
        "in the payload of a request": frame(0x30, text(REQUEST_TOPIC), property_length, smuggled),
    }

    for name, data in carriers.items():
        peer = await shared.provision_peer(level)
        await peer.send(data)
        # What closes closes for the packet that carries; the request in the payload is refused as unreadable.
        answer = await rest(peer)
        assert b"SUCCESS" not in answer, name

    door = door_of(shared)
    await until(lambda: not door._tasks)
    assert await shared.device(f"smuggled-{level}") is None


@levels
async def test_mq6_nothing_is_run_that_hangs_on_a_connect(shared: TestServer, demo: Profile, level: int) -> None:
    smuggled = request_packet(demo.request(f"hanging-{level}")).encode(level)
    connect = Connect(level, "", username="provision").encode(level)
    body = connect[2:]

    await thrown(shared, frame(0x10, body, smuggled))  # within the frame, behind the last field
    await thrown(shared, CONNECT[level] + smuggled)  # behind a CONNECT that is refused

    door = door_of(shared)
    await until(lambda: not door._tasks)
    assert await shared.device(f"hanging-{level}") is None


# -- what the operator sees ------------------------------------------------------------------------


async def test_mq5_a_violation_is_one_line_without_the_bytes(
    shared: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    door = door_of(shared)
    door._log_throttle._windows.clear()  # type: ignore[union-attr]
    peer = await connected(shared, Connect(5, "hush\r\nforged line", username="provision"))
    caplog.clear()

    await peer.send(b"\x30\x07\0\x05s\r\n#!")
    await rest(peer)

    lines = [record for record in caplog.records if record.name.startswith("firstboot_plugins")]
    assert [record.getMessage() for record in lines] == ["an MQTT peer broke the protocol"]
    assert lines[0].address == "127.0.0.1"  # type: ignore[attr-defined]
    assert not any("hush" in str(vars(record)) or "\r" in str(vars(record)) for record in lines)


async def test_se6_many_violations_are_a_few_lines_and_one_summary(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as server:
        for _ in range(50):
            await thrown(server, b"\0")
        door = door_of(server)
        throttle = door._log_throttle
        assert throttle is not None
        for window in throttle._windows.values():
            window.ends_at = 0.0
        await until(lambda: not throttle._windows)  # the door looks after it by itself

    lines = [record for record in caplog.records if "broke the protocol" in record.getMessage()]
    summaries = [record for record in caplog.records if "not reported one by one" in record.getMessage()]
    assert len(lines) == 10
    assert [record.levelno for record in summaries] == [logging.WARNING]


async def test_mq5_the_server_still_serves_after_all_that(shared: TestServer, demo: Profile) -> None:
    token = await token_device(shared, demo, "after-all-that")

    assert await login(shared, username=token) == 0
    peer = await shared.provision_peer()
    assert (await peer.provision(demo.request("after-all-that-2")))["status"] == "SUCCESS"
    await peer.close()
    await emptied(shared, door_of(shared))


async def test_mq5_good_packets_before_the_bad_one_are_answered(shared: TestServer) -> None:
    peer = await shared.peer(Connect(5, "provision"))
    assert (await peer.expect(Connack)).reason == 0

    await peer.send(Pingreq().encode(5) * 3 + b"\0")

    assert await rest(peer) == Pingresp().encode(5) * 3 + b"\xe0\x01\x81"
