"""A gateway on its socket, and what the server has of the devices behind it."""

from __future__ import annotations

import itertools
import json
from collections import deque
from dataclasses import replace
from typing import Any

from tests.harness import MqttPeer, Profile, TestServer
from tests.integration.mqtt.probe import token_device, until
from tests.integration.thingsboard_device.board import Board

from firstboot.devices import DeviceDraft
from firstboot.events import DeviceConnected, DeviceDisconnected
from firstboot.hookspecs import hookimpl
from firstboot.model import Credentials, Customer, Device, DeviceProfile, Scope
from firstboot.sessions import device_owner
from firstboot_plugins.transports.mqtt.packets import Puback, Publish

_numbers = itertools.count(1)
FILTERS = ("v1/gateway/attributes", "v1/gateway/attributes/response", "v1/gateway/rpc")


class Gateway(Board):
    """A device that speaks for others."""

    def __init__(self, server: TestServer, device: Device, token: str) -> None:
        super().__init__(server, device, token)
        self._kept: deque[Publish] = deque()

    @classmethod
    async def make(cls, server: TestServer, name: str = "gw", profile: Profile | None = None) -> Gateway:
        token = await token_device(server, profile or await server.profile(f"gateways of {name}"), name)
        device = await server.device(name)
        assert device is not None
        gateway = cls(server, device, token)
        await gateway.change(additional_info={"gateway": True})
        return gateway

    async def change(self, **fields: Any) -> None:
        """Change the gateway as an administrator does."""
        device = await self.server.device(self.device.name)
        assert device is not None
        self.device = await self.server.services.devices.update(replace(device, **fields), actor="test")

    async def give_to(self, customer: Customer | None) -> None:
        self.device = await self.server.services.ownership.assign(self.device, customer, actor="test")

    # -- what it says ------------------------------------------------------------------------------

    async def publish(self, topic: str, payload: Any) -> int:
        """Publish with QoS 1; return the reason of the acknowledgement. What comes before that is kept."""
        message = self.message(topic, payload)
        await self.peer.send(message)
        while isinstance(packet := await self.peer.receive(), Publish):
            self._kept.append(packet)
        assert isinstance(packet, Puback), packet
        assert packet.packet_id == message.packet_id
        return packet.reason

    async def told(self) -> tuple[str, Any, int]:
        message = self._kept.popleft() if self._kept else await self.peer.expect(Publish)
        if message.packet_id is not None:
            await self.peer.send(Puback(message.packet_id))
        return message.topic, json.loads(message.payload), message.qos

    async def say(self, what: str, content: Any) -> int:
        """Publish on a topic of gateways; return the reason of the acknowledgement."""
        return await self.publish(f"v1/gateway/{what}", content)

    async def connects(self, name: str, **more: Any) -> int:
        return await self.say("connect", {"device": name, **more})

    async def listens(self) -> None:
        """Subscribe to what ThingsBoard's SDK subscribes to."""
        assert await self.subscribe_all(*((each, 1) for each in FILTERS)) == [1, 1, 1]

    async def notices(self) -> dict[str, int]:
        """Return the notices that the gateway was sent until now: reasons by device."""
        await self.peer.send(self.message("v1/devices/me/attributes/request/98", {"clientKeys": "none"}, qos=0))
        found: dict[str, int] = {}
        while True:
            topic, content, _ = await self.told()
            if topic != "v1/gateway/disconnect":
                return found
            found[content["device"]] = content["reason"]

    # -- what the server has -----------------------------------------------------------------------

    async def behind(self) -> set[str]:
        """Return the names of the devices behind it."""
        return {each.name for each in await self.server.services.storage.devices_behind(self.device.id)}

    async def values(self, name: str) -> dict[str, Any]:
        """Return the newest values that a device has reported."""
        device = await found(self.server, name)
        return {each.key: each.value for each in await self.server.services.telemetry.latest(device.id)}

    async def attributes(self, name: str, scope: Scope = Scope.CLIENT) -> dict[str, Any]:
        device = await found(self.server, name)
        return {each.key: each.value for each in await self.server.services.attributes.read(device.id, scope)}


async def found(server: TestServer, name: str) -> Device:
    device = await server.device(name)
    assert device is not None, f"there is no device {name!r}"
    return device


def is_connected(server: TestServer, device: Device) -> bool:
    return server.services.sessions.is_open(device_owner(device.id))


async def disconnected(server: TestServer, *devices: Device) -> None:
    """Wait until none of the devices has a session."""
    await until(lambda: not any(is_connected(server, each) for each in devices))


async def waiting_device(
    server: TestServer,
    name: str,
    *,
    profile: DeviceProfile | None = None,
    customer: Customer | None = None,
    **more: Any,
) -> Device:
    """Make a device as an administrator does, for a gateway to speak for."""
    profile = profile or await server.services.profiles.default(1)
    draft = DeviceDraft(
        name=name,
        credentials=Credentials("ACCESS_TOKEN", f"token-{next(_numbers)}"),
        customer_id=customer.id if customer else None,
        **more,
    )
    return await server.services.devices.create(profile, draft, actor="test")


async def customer(server: TestServer, title: str) -> Customer:
    return await server.services.customers.create(1, title, {}, actor="test")


async def rest_of(peer: MqttPeer) -> list[object]:
    """Return what the server sends before it closes, without notices."""
    return [
        packet
        for packet in await peer.expect_closed()
        if not (isinstance(packet, Publish) and packet.topic == "v1/gateway/disconnect")
    ]


class Sessions:
    """A plugin that keeps who was connected and disconnected."""

    FIRSTBOOT_API = 1

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    @hookimpl
    def firstboot_device_connected(self, event: DeviceConnected) -> None:
        self.seen.append((event.device.name, f"connected by {event.origin.dialect} over {event.origin.transport}"))

    @hookimpl
    def firstboot_device_disconnected(self, event: DeviceDisconnected) -> None:
        self.seen.append((event.device.name, event.reason))

    def of(self, name: str) -> list[str]:
        return [what for device, what in self.seen if device == name]
