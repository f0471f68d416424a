"""A device on its socket, as the tests of the device API drive it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.harness import WAIT_S, MqttPeer, Profile, TestServer
from tests.integration.mqtt.probe import connected, token_device, until

from firstboot.events import AttributesChanged, TelemetryReceived
from firstboot.hookspecs import hookimpl
from firstboot.model import Device, Scope
from firstboot_plugins.transports.mqtt.packets import (
    Connect,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)

LEVELS = (3, 4, 5)
ME = "v1/devices/me"


class Board:
    """A device that the server knows, and its MQTT session if it has one."""

    def __init__(self, server: TestServer, device: Device, token: str) -> None:
        self.server = server
        self.device = device
        self.token = token
        self.peer: MqttPeer
        self._last_id = 0

    @classmethod
    async def make(cls, server: TestServer, name: str = "meter-7", profile: Profile | None = None) -> Board:
        """Make a device with an access token."""
        token = await token_device(server, profile or await server.profile(f"profile of {name}"), name)
        device = await server.device(name)
        assert device is not None
        return cls(server, device, token)

    @property
    def url(self) -> str:
        return f"{self.server.url}/api/v1/{self.token}"

    # -- what the server has of it -----------------------------------------------------------------

    async def latest(self) -> dict[str, tuple[int, Any]]:
        """Return the newest values with their moments."""
        values = await self.server.services.telemetry.latest(self.device.id)
        return {value.key: (value.at_ms, value.value) for value in values}

    async def stored(self, scope: Scope) -> dict[str, Any]:
        stored = await self.server.services.attributes.read(self.device.id, scope)
        return {attribute.key: attribute.value for attribute in stored}

    async def set(self, scope: Scope, values: Mapping[str, Any]) -> None:
        """Set attributes as an administrator does."""
        await self.server.services.attributes.save(self.device.ref, scope, values, actor="test")

    async def delete(self, scope: Scope, *keys: str) -> None:
        await self.server.services.attributes.delete(self.device.ref, scope, keys, actor="test")

    async def called(self, method: str, params: Any) -> Any:
        """Call the device; return its answer."""
        answer = await self.server.services.rpc.call(
            self.device.ref, method, params, timeout=timedelta(seconds=WAIT_S), one_way=False, actor="test"
        )
        return answer.value

    async def waits(self, requests: int = 1) -> None:
        """Return when so many requests of the device wait for news."""
        listeners = self.server.services.downlinks._listeners
        await until(lambda: len(listeners.get(self.device.id, ())) == requests)

    # -- what it does over MQTT --------------------------------------------------------------------

    @asynccontextmanager
    async def session(self, level: int = 4) -> AsyncIterator[Board]:
        """Log in; leave at the end."""
        self.peer = await connected(self.server, Connect(level, "c", True, 60, username=self.token))
        try:
            yield self
        finally:
            await self.peer.close()

    def message(self, topic: str, payload: Any, qos: int = 1, *, dup: bool = False) -> Publish:
        self._last_id += bool(qos)
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return Publish(topic, body, qos=qos, packet_id=self._last_id if qos else None, dup=dup)

    async def publish(self, topic: str, payload: Any) -> int:
        """Publish with QoS 1; return the reason of the acknowledgement."""
        message = self.message(topic, payload)
        await self.peer.send(message)
        ack = await self.peer.expect(Puback)
        assert ack.packet_id == message.packet_id
        return ack.reason

    async def subscribe(self, topic_filter: str, qos: int = 1) -> int:
        return (await self.subscribe_all((topic_filter, qos)))[0]

    async def subscribe_all(self, *filters: tuple[str, int]) -> list[int]:
        await self.peer.send(Subscribe(1, list(filters)))
        return list((await self.peer.expect(Suback)).reasons)

    async def unsubscribe(self, topic_filter: str) -> None:
        await self.peer.send(Unsubscribe(1, [topic_filter]))
        await self.peer.expect(Unsuback)

    async def told(self) -> tuple[str, Any, int]:
        """Return topic, content and QoS of the next message, and acknowledge it."""
        message = await self.peer.expect(Publish)
        assert not message.retain
        assert not message.dup
        if message.packet_id is not None:
            await self.peer.send(Puback(message.packet_id))
        return message.topic, json.loads(message.payload), message.qos

    async def hears_nothing(self) -> None:
        """Prove that nothing is on its way: the answer to a later question comes next."""
        await self.peer.send(self.message(f"{ME}/attributes/request/99", {"clientKeys": "none"}, qos=0))
        assert (await self.told())[0] == f"{ME}/attributes/response/99"


class Answers:
    """A plugin that answers calls of devices: ``echo`` and ``fail``, and keeps what it was asked."""

    FIRSTBOOT_API = 1

    def __init__(self) -> None:
        self._asked: list[tuple[UUID, str, Any]] = []

    def asked_by(self, board: Board) -> list[tuple[str, Any]]:
        """Return the calls of a device: methods and parameters."""
        return [(method, params) for id_, method, params in self._asked if id_ == board.device.public_id]

    @hookimpl
    async def firstboot_device_rpc(self, request: Any) -> Any:
        self._asked.append((request.device.public_id, request.method, request.params))
        if request.method == "fail":
            raise ZeroDivisionError("a test's plugin")
        return {"echo": request.params} if request.method == "echo" else None


class Watcher(Answers):
    """A plugin that answers calls, and notices when the device has reported a key."""

    def __init__(self) -> None:
        super().__init__()
        self._reported: dict[str, asyncio.Event] = {}

    def reported(self, key: str) -> asyncio.Event:
        return self._reported.setdefault(key, asyncio.Event())

    @hookimpl
    async def firstboot_telemetry_received(self, event: TelemetryReceived) -> None:
        for point in event.points:
            for key in point.values:
                self.reported(key).set()

    @hookimpl
    async def firstboot_attributes_changed(self, event: AttributesChanged) -> None:
        if event.scope is Scope.CLIENT:
            for key in event.values:
                self.reported(key).set()


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, service: object, error: Exception) -> Iterator[None]:
    """Let what a service saves fail."""

    async def save(*arguments: Any, **named: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(service, "save", save)
        yield
