"""Observing hooks are told what happened to a device, once each."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.harness import WAIT_S, login, running

from firstboot.events import CredentialsChanged, DeviceConnected, DeviceDisconnected, DeviceProvisioned
from firstboot.hookspecs import API_VERSION, hookimpl
from firstboot.model import ReprovisionPolicy


class Observer:
    """Keeps what it is told."""

    FIRSTBOOT_API = API_VERSION

    def __init__(self) -> None:
        self.told: asyncio.Queue[object] = asyncio.Queue()

    async def next(self) -> object:
        async with asyncio.timeout(WAIT_S):
            return await self.told.get()

    @hookimpl
    async def firstboot_device_provisioned(self, event: DeviceProvisioned) -> None:
        self.told.put_nowait(event)

    @hookimpl
    async def firstboot_credentials_changed(self, event: CredentialsChanged) -> None:
        self.told.put_nowait(event)

    @hookimpl
    async def firstboot_device_connected(self, event: DeviceConnected) -> None:
        self.told.put_nowait(event)

    @hookimpl
    async def firstboot_device_disconnected(self, event: DeviceDisconnected) -> None:
        self.told.put_nowait(event)


async def test_rotated_credentials_are_told_as_a_change_and_as_a_provisioning(tmp_path: Path) -> None:
    observer = Observer()
    async with running(tmp_path, plugins={"observer": observer}) as server:
        demo = await server.profile(reprovision=ReprovisionPolicy.ROTATE)
        first = await server.post(demo.request("meter-1"))
        created = await observer.next()

        await server.post(demo.request("meter-1", token=first["credentialsValue"]))

        changed, rotated = await observer.next(), await observer.next()
        device = await server.device("meter-1")
        assert device is not None
        assert isinstance(created, DeviceProvisioned)
        assert isinstance(changed, CredentialsChanged)
        assert isinstance(rotated, DeviceProvisioned)
        assert (created.how, rotated.how) == ("created", "rotated")
        assert (changed.device.public_id, changed.credentials_type) == (device.public_id, "ACCESS_TOKEN")


async def test_a_login_and_its_end_are_told(tmp_path: Path) -> None:
    observer = Observer()
    async with running(tmp_path, plugins={"observer": observer}) as server:
        demo = await server.profile()
        token = (await server.post(demo.request("meter-1")))["credentialsValue"]
        assert isinstance(await observer.next(), DeviceProvisioned)

        await login(server, username=token)

        connected, disconnected = await observer.next(), await observer.next()
        assert isinstance(connected, DeviceConnected)
        assert isinstance(disconnected, DeviceDisconnected)
        assert connected.device.name == disconnected.device.name == "meter-1"
        assert connected.origin.dialect == disconnected.origin.dialect == "thingsboard"
