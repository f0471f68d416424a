"""Devices that are connected, and what a test changes while they are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.harness import WAIT_S, MqttPeer, Profile, TestServer

from firstboot.devices import DeviceDraft
from firstboot.downlink import AttributeUpdate, RpcRequest
from firstboot.model import Credentials, Device
from firstboot_plugins.transports.mqtt.packets import Connack, Connect

SECOND = 1.0
"""How long a change of rights may take to reach every server."""


async def make_device(server: TestServer, demo: Profile, name: str) -> Device:
    """Make a device whose access token is its name and a word."""
    draft = DeviceDraft(name=name, credentials=Credentials("ACCESS_TOKEN", token_of(name)))
    return await server.services.devices.create(demo.profile, draft, actor="test")


def token_of(name: str) -> str:
    return f"token-of-{name}"


async def connected(server: TestServer, name: str, level: int = 4) -> MqttPeer:
    """Log a device in over MQTT."""
    peer = await server.peer(Connect(level, "client", True, 60, username=token_of(name)))
    assert (await peer.expect(Connack)).reason == 0
    return peer


async def disable(server: TestServer, device: Device) -> None:
    await server.services.devices.set_enabled(device, False, actor="test")


async def delete(server: TestServer, device: Device) -> None:
    await server.services.devices.delete(device, actor="test")


async def change_credentials(server: TestServer, device: Device) -> None:
    another = Credentials("ACCESS_TOKEN", f"another-{device.name}")
    await server.services.devices.change_credentials(device, another, actor="test")


LOSSES: Mapping[str, Callable[[TestServer, Device], Awaitable[None]]] = {
    "disabled": disable,
    "deleted": delete,
    "credentials changed": change_credentials,
}
"""How a device loses its right to be connected."""


class Listener:
    """A session of a device, as far as downlinks see it."""

    def __init__(self) -> None:
        self.updates: list[AttributeUpdate] = []
        self._more = asyncio.Event()

    def attributes_changed(self, update: AttributeUpdate) -> None:
        self.updates.append(update)
        self._more.set()

    def rpc_requested(self, request: RpcRequest) -> bool:
        return False

    async def hears(self, key: str, value: Any) -> None:
        """Wait until it is told this value."""
        async with asyncio.timeout(WAIT_S):
            while not any(update.values.get(key) == value for update in self.updates):
                self._more.clear()
                await self._more.wait()
