"""What happens to devices on one server takes effect at once, and is told to plugins and to whoever watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.harness import WAIT_S, TestServer, login, running
from tests.integration.devices.sessions import LOSSES, Listener, connected, make_device, token_of

from firstboot import changes
from firstboot.downlink import AttributeUpdate
from firstboot.errors import DeviceOffline, RpcUnanswered
from firstboot.events import AttributesChanged, DeviceRpc, TelemetryReceived
from firstboot.hookspecs import hookimpl
from firstboot.model import Origin, Scope, TelemetryPoint
from firstboot_plugins.transports.mqtt.packets import Disconnect

ORIGIN = Origin(transport="test", dialect="test", address="192.0.2.1")


class Plugin:
    """Keeps what it is told, and answers one method."""

    FIRSTBOOT_API = 1

    def __init__(self) -> None:
        self.told: asyncio.Queue[object] = asyncio.Queue()

    @hookimpl
    async def firstboot_telemetry_received(self, event: TelemetryReceived) -> None:
        self.told.put_nowait(event)

    @hookimpl
    async def firstboot_attributes_changed(self, event: AttributesChanged) -> None:
        self.told.put_nowait(event)

    @hookimpl
    async def firstboot_device_rpc(self, request: DeviceRpc) -> Any:
        return [request.device.name, request.params] if request.method == "echo" else None


@pytest.fixture
def plugin() -> Plugin:
    return Plugin()


@pytest_asyncio.fixture
async def server(
    tmp_path: Path, database: str | None, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TestServer]:
    """A server that does not look for changes by itself: what is at once is not the poll's doing."""
    monkeypatch.setattr(changes, "POLL_INTERVAL_S", 3600.0)
    async with running(tmp_path, database=database, plugins={"plugin": plugin}) as started:
        yield started


@pytest.mark.parametrize("loss", LOSSES)
async def test_mq_10_a_device_that_loses_its_rights_is_disconnected_at_once(server: TestServer, loss: str) -> None:
    demo = await server.profile()
    for level in (3, 4, 5):
        device = await make_device(server, demo, f"meter-{level}")
        peer = await connected(server, device.name, level)

        await LOSSES[loss](server, device)

        packets = await peer.expect_closed()
        await peer.close()
        assert [type(packet) for packet in packets] == ([Disconnect] if level == 5 else [])
        assert await login(server, username=token_of(device.name)) == 5


async def test_a_disabled_device_is_refused_as_if_it_were_unknown(server: TestServer) -> None:
    device = await make_device(server, await server.profile(), "meter")
    await LOSSES["disabled"](server, device)

    for level in (4, 5):
        unknown = await login(server, level=level, username="token-of-nobody")
        assert await login(server, level=level, username=token_of("meter")) == unknown != 0


async def test_shared_attributes_are_told_at_once_and_others_are_not(server: TestServer) -> None:
    device = (await make_device(server, await server.profile(), "meter")).ref
    listener = Listener()
    server.services.downlinks.listen(device.id, listener)
    save = server.services.attributes.save

    await save(device, Scope.CLIENT, {"client": 1}, actor="device")
    await save(device, Scope.SERVER, {"server": 1}, actor="test")
    await save(device, Scope.SHARED, {"a": 1, "b": {"c": [2]}}, actor="test")
    await listener.hears("a", 1)

    assert listener.updates == [AttributeUpdate({"a": 1, "b": {"c": [2]}})]


async def test_plugins_are_told_of_telemetry_and_attributes(server: TestServer, plugin: Plugin) -> None:
    device = (await make_device(server, await server.profile(), "meter")).ref

    await server.services.telemetry.save(device, [TelemetryPoint(5, {"t": 1.5})], ORIGIN)
    await server.services.attributes.save(device, Scope.CLIENT, {"a": 1}, actor="device")
    await server.services.attributes.delete(device, Scope.CLIENT, ["a"], actor="user:x")

    async with asyncio.timeout(WAIT_S):
        telemetry, saved, deleted = [await plugin.told.get() for _ in range(3)]
    assert isinstance(telemetry, TelemetryReceived)
    assert (telemetry.device, telemetry.points) == (device, (TelemetryPoint(5, {"t": 1.5}),))
    assert isinstance(saved, AttributesChanged)
    assert (saved.scope, saved.values, saved.actor) == (Scope.CLIENT, {"a": 1}, "device")
    assert isinstance(deleted, AttributesChanged)
    assert (deleted.values, deleted.deleted, deleted.actor) == ({}, ("a",), "user:x")


async def test_a_plugin_answers_a_call_of_a_device(server: TestServer) -> None:
    device = (await make_device(server, await server.profile(), "meter")).ref

    assert await server.services.rpc.ask(device, "echo", {"a": 1}, ORIGIN) == ["meter", {"a": 1}]
    with pytest.raises(RpcUnanswered):
        await server.services.rpc.ask(device, "other", None, ORIGIN)


async def test_a_call_to_a_device_without_a_session_is_audited_and_ends(server: TestServer) -> None:
    device = (await make_device(server, await server.profile(), "meter")).ref

    with pytest.raises(DeviceOffline):
        await server.services.rpc.call(
            device, "reboot", {"secret": "x"}, timeout=timedelta(milliseconds=1), one_way=False, actor="user:x"
        )

    (entry,) = [row.entry for row in await server.audit() if row.entry.event == "device-called"]
    assert (entry.device, entry.actor, entry.detail) == ("meter", "user:x", "reboot")


async def test_whoever_watches_sees_a_device_from_its_first_boot_to_its_end(server: TestServer) -> None:
    watching = server.services.live_events.subscribe(1)
    demo = await server.profile()

    answer = await server.post(demo.request("meter"))
    await server.post({**demo.request("meter"), "provisionDeviceSecret": "wrong"})
    assert await login(server, username=answer["credentialsValue"]) == 0

    async with asyncio.timeout(WAIT_S):
        seen = [await anext(watching) for _ in range(4)]
    assert [event.kind for event in seen] == [
        "device-provisioned", "provisioning-refused", "device-connected", "device-disconnected",
    ]  # fmt: skip
    device = await server.device("meter")
    assert device is not None
    for event in (seen[0], seen[2], seen[3]):
        assert (event.data["deviceId"], event.data["device"]) == (str(device.public_id), "meter")
    for secret in (answer["credentialsValue"], demo.secret):  # SE-5
        assert secret not in repr(seen)


async def test_watching_ends_when_the_server_stops(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        watching = server.services.live_events.subscribe(1)

    assert [event async for event in watching] == []


async def test_a_server_that_runs_is_well(server: TestServer) -> None:
    health = await server.services.health()

    assert (health.status, health.reasons, health.warnings) == ("ok", (), ())
