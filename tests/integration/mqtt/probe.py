"""What the tests of the MQTT door look at it with: raw bytes, its insides, and a dialect of their own."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from tests.harness import REQUEST_TOPIC, WAIT_S, MqttPeer, Profile, TestServer

from firstboot.devices import DeviceDraft
from firstboot.hookspecs import hookimpl
from firstboot.model import Credentials, Origin
from firstboot_plugins.credentials.access_token import AccessTokens
from firstboot_plugins.credentials.mqtt_basic import MqttBasic
from firstboot_plugins.transports.mqtt.dialect import ConnectRefused, Login, Message, Reply, SessionTopics
from firstboot_plugins.transports.mqtt.door import Door
from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Packet, Publish

LEVELS = (3, 4, 5)

# The answers of contract 2.4, byte for byte.
NOT_FOUND = b'{"errorMsg":"Provision data was not found!","status":"NOT_FOUND"}'
FAILURE = b'{"errorMsg":"Failed to provision device!","status":"FAILURE"}'


def token_answer(token: str) -> bytes:
    return b'{"credentialsValue":"%s","credentialsType":"ACCESS_TOKEN","status":"SUCCESS"}' % token.encode()


@pytest.fixture
def quiet_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail the test if anything above WARNING, or a traceback, was logged (threat MQ-5)."""
    caplog.set_level(logging.DEBUG)
    yield
    loud = [
        record
        for phase in ("setup", "call", "teardown")
        for record in caplog.get_records(phase)  # type: ignore[arg-type]
        if record.levelno > logging.WARNING or record.exc_info
        if record.name != "firstboot.watchdog"  # a busy machine is no fault of the server
    ]
    assert not loud, [record.getMessage() for record in loud]


def door_of(server: TestServer) -> Door:
    """Return the server's door, which keeps itself to itself."""
    doors = [thing for thing in gc.get_objects() if isinstance(thing, Door)]
    (door,) = [door for door in doors if getattr(door, "services", None) is server.services]
    return door


def insides(server: TestServer, door: Door) -> tuple[int, ...]:
    """Return how many of each thing the door holds; all are zero when nobody is there."""
    return (len(door._connections), len(door._tasks), len(door.crowd), len(door.crowd._by_source),
            len(server.services.sessions))  # fmt: skip


async def until(condition: Callable[[], bool]) -> None:
    """Give the server turns until the condition holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 -- the server has no event for its own insides
            await asyncio.sleep(0)


async def emptied(server: TestServer, door: Door) -> None:
    """Wait until nobody is left in the door; fails when somebody stays."""
    try:
        await until(lambda: not any(insides(server, door)))
    except TimeoutError:
        pytest.fail(f"the door still holds {insides(server, door)}")


async def rest(peer: MqttPeer) -> bytes:
    """Return every byte that the server sends before it closes, and close as well."""
    received = bytearray()
    async with asyncio.timeout(WAIT_S):
        try:
            while chunk := await peer.reader.read(65536):
                received += chunk
        except ConnectionResetError:
            pass
    await peer.close()
    return bytes(received)


def reset(peer: MqttPeer) -> None:
    """Drop the connection with an RST."""
    sock = peer.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.writer.transport.abort()


def request_packet(
    request: Mapping[str, Any] | bytes, qos: int = 0, packet_id: int | None = None, *, dup: bool = False
) -> Publish:
    payload = request if isinstance(request, bytes) else json.dumps(request).encode()
    return Publish(REQUEST_TOPIC, payload, qos=qos, packet_id=packet_id or (1 if qos else None), dup=dup)


async def connected(server: TestServer, connect: Connect) -> MqttPeer:
    """Open a session that must be accepted."""
    peer = await server.peer(connect)
    assert (await peer.expect(Connack)).reason == 0
    return peer


async def token_device(server: TestServer, profile: Profile, name: str) -> str:
    """Make a device with an access token; return the token."""
    credentials = AccessTokens().renew(Credentials("ACCESS_TOKEN", "-"))
    await _create(server, profile, name, credentials)
    return credentials.id


async def basic_device(
    server: TestServer, profile: Profile, name: str, *, c: str | None = None, u: str | None = None,
    p: str | None = None,
) -> None:  # fmt: skip
    """Make a device with MQTT credentials."""
    credentials = MqttBasic()._credentials(c or "", u or "", p or "")
    await _create(server, profile, name, credentials)


async def _create(server: TestServer, profile: Profile, name: str, credentials: Credentials) -> None:
    await server.core.devices.create(
        profile.profile, DeviceDraft(name=name, credentials=credentials), actor="test"
    )


class Topics:
    """Session topics that do what a test wants."""

    def __init__(self, publish: Callable[[Publish], Any]) -> None:
        self._publish = publish
        self._filters: set[str] = set()

    def owns(self, topic: str) -> bool:
        return True

    def close(self) -> None:
        pass

    def subscribe(self, topic_filter: str, qos: int) -> int | None:
        if topic_filter == "crash":
            raise ZeroDivisionError("a test's dialect")
        self._filters.add(topic_filter)
        return qos

    def unsubscribe(self, topic_filter: str) -> bool:
        existed = topic_filter in self._filters
        self._filters.discard(topic_filter)
        return existed

    async def publish(self, message: Publish) -> Reply:
        answer = self._publish(message)
        return await answer if asyncio.iscoroutine(answer) else answer


class ProbeDialect:
    """A dialect that takes clients whose id begins with ``probe``, and crashes for some."""

    FIRSTBOOT_API = 1
    name = "probe"

    def __init__(self, publish: Callable[[Publish], Any] = lambda message: Reply()) -> None:
        self._publish = publish

    @hookimpl
    def firstboot_mqtt_dialects(self) -> list[object]:
        return [self]

    def provision_session(self, connect: Connect, origin: Origin) -> SessionTopics | None:
        if connect.client_id == "crash-at-once":
            raise ZeroDivisionError("a test's dialect")
        return Topics(self._publish) if connect.client_id.startswith("probe") else None

    async def login(self, connect: Connect, origin: Origin) -> Login:
        if connect.client_id == "crash-at-login":
            raise ZeroDivisionError("a test's dialect")
        raise ConnectRefused(5, 0x87)


def echo(message: Publish) -> Reply:
    return Reply(messages=(Message(message.topic, message.payload, 0),))


async def answers(peer: MqttPeer, count: int) -> list[Packet]:
    """Return the next packets."""
    received = []
    for _ in range(count):
        packet = await peer.receive()
        assert packet is not None, f"closed after {received}"
        received.append(packet)
    return received
