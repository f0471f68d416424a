"""Devices behind a gateway are connected: observers hear of it, and their sessions end as others do."""

from __future__ import annotations

from asyncio import create_task
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from tests.harness import TestServer
from tests.integration.gateways.gateway import (
    Gateway,
    Sessions,
    customer,
    disconnected,
    found,
    is_connected,
)
from tests.integration.mqtt.probe import connected, door_of, emptied, until

from firstboot.model import Credentials, Device, Scope
from firstboot.sessions import SessionEnd
from firstboot_plugins.transports.mqtt.packets import Connect, Disconnect, Pingreq, Pingresp

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONNECTED = "connected by thingsboard over mqtt"


async def test_observers_hear_once_that_a_device_was_connected_and_disconnected(
    gateway: Gateway, sessions: Sessions, name: str
) -> None:
    async with gateway.session(5):
        for _ in range(3):
            await gateway.connects(name)
            await gateway.say("telemetry", {name: [{"t": 1}]})
        await gateway.say("disconnect", {"device": name})
        await gateway.say("disconnect", {"device": name})
        await gateway.say("attributes", {name: {"k": 1}})

    await until(lambda: len(sessions.of(name)) == 4)
    assert sessions.of(name) == [CONNECTED, "disconnected", CONNECTED, "gateway disconnected"]


async def test_a_disconnect_makes_no_device(gateway: Gateway, name: str) -> None:
    async with gateway.session(5):
        assert await gateway.say("disconnect", {"device": name}) == 0

    assert await gateway.server.device(name) is None


async def test_a_gateway_that_comes_back_begins_without_devices(gateway: Gateway, name: str) -> None:
    server = gateway.server
    again = Gateway(server, gateway.device, gateway.token)

    async with gateway.session(5):
        await gateway.listens()
        await gateway.connects(name)
        device = await found(server, name)
        async with again.session(5):  # takes over
            await again.listens()
            assert not is_connected(server, device)
            await again.connects(name)
            assert is_connected(server, device)
            await again.hears_nothing()
    await disconnected(server, device)


async def delete(server: TestServer, device: Device) -> None:
    await server.services.devices.delete(device, actor="test")


async def switch_off(server: TestServer, device: Device) -> None:
    await server.services.devices.set_enabled(device, False, actor="test")


async def rotate(server: TestServer, device: Device) -> None:
    new = Credentials("ACCESS_TOKEN", f"other-token-{device.id}")
    await server.services.devices.change_credentials(device, new, actor="test")


@pytest.mark.parametrize("end", [delete, switch_off, rotate])
@pytest.mark.parametrize("level", [4, 5])
async def test_mq_10_a_devices_session_ends_with_its_rights_and_the_gateways_goes_on(
    gateway: Gateway, name: str, end: Callable[[TestServer, Device], Awaitable[None]], level: int
) -> None:
    server = gateway.server

    async with gateway.session(level):
        await gateway.connects(name)
        await gateway.connects(f"{name} 2")
        device, other = await found(server, name), await found(server, f"{name} 2")
        await end(server, device)
        await disconnected(server, device)

        assert await gateway.notices() == ({name: 128} if level == 5 else {})
        assert is_connected(server, other)
        assert not server.services.downlinks.is_listening(device.id)


async def test_gw_1_a_device_that_was_deleted_is_made_again_when_its_gateway_still_has_it(
    gateway: Gateway, name: str
) -> None:
    async with gateway.session(5):
        await gateway.connects(name)
        await gateway.server.services.devices.delete(await found(gateway.server, name), actor="test")
        assert await gateway.say("telemetry", {name: [{"t": 1}]}) == 0

    assert await gateway.values(name) == {"t": 1}


@pytest.mark.parametrize("end", [delete, switch_off, rotate])
async def test_mq_10_with_the_gateways_rights_all_sessions_end(
    gateway: Gateway, name: str, end: Callable[[TestServer, Device], Awaitable[None]]
) -> None:
    async with gateway.session(5):
        await gateway.connects(name)
        device = await found(gateway.server, name)
        await end(gateway.server, gateway.device)

        assert await gateway.peer.expect_closed() == [Disconnect(0x98)]
        await disconnected(gateway.server, device)


async def test_a_device_may_have_a_session_of_its_own_beside(gateway: Gateway, name: str) -> None:
    server = gateway.server

    async with gateway.session(5):
        await gateway.listens()
        await gateway.connects(name)
        device = await found(server, name)
        token = (await server.services.devices.credentials(device)).id
        own = await connected(server, Connect(4, "c", True, 60, username=token))
        assert await gateway.say("telemetry", {name: [{"t": 1}]}) == 0
        await own.send(Pingreq())
        await own.expect(Pingresp)
        await own.close()
        await gateway.hears_nothing()
        assert is_connected(server, device)
    await disconnected(server, device)


async def test_a_call_waits_for_the_gateway_to_connect_the_device_and_to_subscribe(
    gateway: Gateway, name: str
) -> None:
    server = gateway.server
    async with gateway.session(5):
        await gateway.connects(name)
        device = await found(server, name)
        call = create_task(
            server.services.rpc.call(device.ref, "m", 1, timeout=timedelta(seconds=10), one_way=True, actor="test")
        )
        await gateway.hears_nothing()
        await gateway.subscribe("v1/gateway/rpc")
        assert (await gateway.told())[1]["data"]["params"] == 1
        await call


async def test_mq_8_a_gateway_answers_for_no_device_but_its_own(gateway: Gateway, name: str) -> None:
    server = gateway.server
    other = await Gateway.make(server, f"other {name}")

    async with gateway.session(5), other.session(5):
        await gateway.listens()
        await gateway.connects(name)
        await other.connects(f"{name} 2")
        device = await found(server, name)
        call = create_task(
            server.services.rpc.call(
                device.ref, "m", 1, timeout=timedelta(seconds=10), one_way=False, actor="test"
            )
        )
        id_ = (await gateway.told())[1]["data"]["id"]
        assert await other.say("rpc", {"device": f"{name} 2", "id": id_, "data": "forged"}) == 0
        assert await other.say("rpc", {"device": name, "id": id_, "data": "forged"}) == 0x87
        assert await gateway.say("rpc", {"device": name, "id": str(id_), "data": "true"}) == 0

        assert (await call).value == "true"


async def test_messages_that_a_gateway_left_behind_are_served_and_connect_nothing(
    gateway: Gateway, name: str
) -> None:
    server = gateway.server
    names = {f"{name} {number}" for number in range(5)}

    async with gateway.session(4):
        messages = [gateway.message("v1/gateway/telemetry", {each: [{"t": 1}]}) for each in sorted(names)]
        await gateway.peer.send(*messages, Disconnect())
        assert await gateway.peer.expect_closed() is not None
    await emptied(server, door_of(server))

    assert await gateway.behind() == names


@pytest.mark.asyncio(loop_scope="function")
async def test_mq_11_news_of_all_devices_at_once_do_not_drown_their_gateway(server: TestServer) -> None:
    """The gateway acknowledges nothing until the server has read all that it has to tell."""
    gateway = await Gateway.make(server, profile=await server.profile("gateways", claim_with_gateway=True))
    names = [f"dev {number}" for number in range(1200)]

    async with gateway.session(5):
        await gateway.listens()
        assert await gateway.say("telemetry", {name: [{"t": 1}] for name in names}) == 0
        await gateway.give_to(await customer(server, "buyer"))
        device = await found(server, names[-1])
        await server.services.attributes.save(device.ref, Scope.SHARED, {"c": 1}, actor="test")
        await server.services.attributes.delete(device.ref, Scope.SHARED, ["claimed"], actor="test")
        downlinks = server.services.downlinks
        await until(lambda: not downlinks._changes)

        told: dict[str, dict[str, object]] = {}
        while len(told) < len(names) or "deleted" not in told[names[-1]]:
            content = (await gateway.told())[1]
            told.setdefault(content["device"], {}).update(content["data"])

    assert all(told[name] == {"claimed": True} for name in names[:-1])
    assert {**told[names[-1]], "claimed": None} == {"claimed": None, "c": 1, "deleted": ["claimed"]}


@pytest.mark.asyncio(loop_scope="function")
async def test_op_2_when_the_server_stops_gateways_hear_of_that_alone(server: TestServer) -> None:
    gateway = await Gateway.make(server)

    async with gateway.session(5):
        for number in range(20):
            await gateway.connects(f"dev {number}")
        server.services.sessions.end_all(SessionEnd.SERVER_STOPS)

        assert await gateway.peer.expect_closed() == [Disconnect(0x8B)]
    assert len(server.services.sessions) == 0
