"""GW-3 and what is safe of it: for which devices that exist a gateway may speak (`gateways_take`)."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness import running
from tests.integration.gateways.gateway import (
    Gateway,
    customer,
    found,
    is_connected,
    waiting_device,
)
from tests.integration.mqtt.probe import connected, token_device

from firstboot.clock import Clock
from firstboot.model import Device
from firstboot_plugins.transports.mqtt.packets import Connect

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSED = 0x87


async def stays_out(gateway: Gateway, device: Device) -> None:
    """Prove that the gateway can do nothing at all for the device."""
    name = device.name
    async with gateway.session(5):
        assert await gateway.connects(name) == REFUSED
        assert await gateway.say("telemetry", {name: [{"t": 1}]}) == REFUSED
        assert await gateway.say("attributes", {name: {"k": 1}}) == REFUSED
        assert await gateway.say("claim", {name: {"secretKey": "mine"}}) == REFUSED
        assert await gateway.say("attributes/request", {"id": 1, "device": name, "key": "c"}) == REFUSED
        assert await gateway.say("rpc", {"id": 1, "device": name, "data": 1}) == REFUSED
        assert await gateway.notices() == {name: 128}
        assert not is_connected(gateway.server, device)

    assert await gateway.values(name) == {}
    assert await gateway.attributes(name) == {}
    assert await gateway.server.services.claim_windows.list(device) == []
    assert await found(gateway.server, name) == device


async def test_mq_8_a_device_that_was_provisioned_speaks_for_itself(gateway: Gateway, name: str) -> None:
    profile = await gateway.server.profile(f"p {name}")
    await gateway.server.post(profile.request(name))

    await stays_out(gateway, await found(gateway.server, name))


async def test_mq_8_a_device_that_has_logged_in_speaks_for_itself(gateway: Gateway, name: str) -> None:
    profile = await gateway.server.profile(f"p {name}")
    token = await token_device(gateway.server, profile, name)
    peer = await connected(gateway.server, Connect(4, "c", True, 60, username=token))
    await peer.close()
    await gateway.server.core.commits.drain()

    await stays_out(gateway, await found(gateway.server, name))


async def test_mq_8_a_device_of_another_owner_is_left_alone(gateway: Gateway, name: str) -> None:
    one = await customer(gateway.server, f"one {name}")
    device = await waiting_device(gateway.server, name, customer=one)

    await stays_out(gateway, device)
    await gateway.give_to(await customer(gateway.server, f"two {name}"))
    await stays_out(gateway, device)
    await gateway.give_to(one)
    async with gateway.session(5):
        assert await gateway.connects(name) == 0


async def test_mq_8_a_customers_gateway_takes_nothing_from_the_shelf(gateway: Gateway, name: str) -> None:
    """Else whoever owns a gateway opens devices for claiming that nobody has bought yet."""
    await gateway.give_to(await customer(gateway.server, f"one {name}"))

    await stays_out(gateway, await waiting_device(gateway.server, name))


async def test_mq_8_a_gateway_speaks_for_no_gateway_and_not_for_itself(gateway: Gateway, name: str) -> None:
    other = await waiting_device(gateway.server, name, gateway=True)

    await stays_out(gateway, other)
    async with gateway.session(5):
        assert await gateway.connects(gateway.device.name) == REFUSED
        assert await gateway.notices() == {gateway.device.name: 128}


async def test_pv_4_a_gateway_of_another_kind_takes_no_devices_from_a_gateway(gateway: Gateway, name: str) -> None:
    """Whoever has read the provision key of a thermometer can make itself a gateway, in that profile."""
    async with gateway.session(5):
        assert await gateway.connects(name) == 0
    intruder = await Gateway.make(gateway.server, f"intruder {name}")

    await stays_out(intruder, await found(gateway.server, name))


async def test_a_customers_device_goes_to_a_gateway_of_that_customer_and_the_former_one_is_cut_off(
    gateway: Gateway, name: str
) -> None:
    server = gateway.server
    buyer = await customer(server, f"buyer {name}")
    own = await Gateway.make(server, f"own {name}")
    await own.give_to(buyer)

    async with gateway.session(5), own.session(5):
        await gateway.connects(name)
        device = await found(server, name)
        await server.services.ownership.assign(device, buyer, actor="test")
        assert (
            await gateway.say("telemetry", {name: [{"t": 1}]}) == 0
        )  # it is behind this gateway, whoever owns it
        assert await own.connects(name) == 0
        assert (await found(server, name)).gateway_id == own.device.id
        assert is_connected(server, device)
        assert await gateway.say("telemetry", {name: [{"t": 2}]}) == REFUSED
        assert await own.say("telemetry", {name: [{"u": 3}]}) == 0

    assert await own.values(name) == {"t": 1, "u": 3}


async def test_when_the_former_gateway_is_deleted_its_devices_are_free(gateway: Gateway, name: str) -> None:
    former = await Gateway.make(gateway.server, f"former {name}")
    async with former.session(5):
        await former.connects(name)
    await gateway.server.services.devices.delete(former.device, actor="test")

    async with gateway.session(5):
        assert await gateway.connects(name) == 0
    assert await gateway.behind() == {name}


async def test_the_operator_learns_why_and_what_to_do(
    gateway: Gateway, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    profile = await gateway.server.profile(f"p {name}")
    await gateway.server.post(profile.request(name))

    async with gateway.session(5):
        await gateway.connects(name)

    (line,) = [record for record in caplog.records if record.message == "a message of a device was refused"]
    assert "speaks for itself" in line.reason  # type: ignore[attr-defined]
    assert "gateways_take" in line.reason  # type: ignore[attr-defined]


# -- switched off, or no gateway any more ----------------------------------------------------------


@pytest.mark.parametrize("connected_before", [False, True])
async def test_mq_10_a_device_that_is_switched_off_is_refused(
    gateway: Gateway, name: str, connected_before: bool
) -> None:
    services = gateway.server.services
    device = await waiting_device(gateway.server, name)

    async with gateway.session(5):
        if connected_before:
            await gateway.connects(name)
            device = await found(gateway.server, name)
        device = await services.devices.set_enabled(device, False, actor="test")
        if connected_before:
            assert await gateway.told() == ("v1/gateway/disconnect", {"device": name, "reason": 128}, 1)
        assert await gateway.say("telemetry", {name: [{"t": 1}]}) == REFUSED
        await services.devices.set_enabled(device, True, actor="test")
        assert await gateway.say("telemetry", {name: [{"t": 2}]}) == 0

    assert await gateway.values(name) == {"t": 2}


@pytest.mark.asyncio(loop_scope="function")
async def test_mq_10_a_gateway_that_is_none_any_more_speaks_for_nobody_within_a_second(tmp_path: Path) -> None:
    passed = [0.0]
    clock = Clock(monotonic=lambda: time.monotonic() + sum(passed))
    async with running(tmp_path, clock=clock) as server:
        gateway = await Gateway.make(server)
        async with gateway.session(5):
            await gateway.connects("A")
            device = await found(server, "A")
            await gateway.change(additional_info={"gateway": False})
            passed.append(1.1)
            assert await gateway.say("telemetry", {"A": [{"t": 1}]}) == 0x90
            assert not is_connected(server, device)
            await gateway.change(additional_info={"gateway": True})
            passed.append(1.1)
            assert await gateway.say("telemetry", {"A": [{"t": 2}]}) == 0

        assert await gateway.values("A") == {"t": 2}


@pytest.mark.asyncio(loop_scope="function")
async def test_gw_2_an_owner_that_changes_counts_within_a_second(tmp_path: Path) -> None:
    passed = [0.0]
    clock = Clock(monotonic=lambda: time.monotonic() + sum(passed))
    async with running(tmp_path, clock=clock) as server:
        gateway, buyer = await Gateway.make(server), await customer(server, "buyer")
        async with gateway.session(5):
            await gateway.connects("A")
            await gateway.give_to(buyer)
            passed.append(1.1)
            await gateway.connects("B")

        assert (await found(server, "A")).customer_id is None  # GW-4
        assert (await found(server, "B")).customer_id == buyer.id


# -- the setting -----------------------------------------------------------------------------------


@pytest.mark.asyncio(loop_scope="function")
@pytest.mark.parametrize(
    ("take", "reasons"),
    [("own", [0, REFUSED, REFUSED, REFUSED]), ("fleet", [0, 0, 0, REFUSED]), ("any", [0, 0, 0, 0])],
)
async def test_gw_3_an_administrator_chooses_what_gateways_take(
    tmp_path: Path, take: str, reasons: list[int]
) -> None:
    async with running(tmp_path, thingsboard={"gateways_take": take}) as server:
        profile = await server.profile("gateways")
        gateway, other = await Gateway.make(server, "gw", profile), await Gateway.make(server, "other", profile)
        placed = await waiting_device(server, "placed")
        await server.services.devices.update(replace(placed, gateway_id=gateway.device.id), actor="test")
        await waiting_device(server, "waiting")
        async with other.session(5):
            await other.connects("roaming")
        await server.post((await server.profile("others")).request("speaks for itself"))

        async with gateway.session(5):
            names = ["placed", "waiting", "roaming", "speaks for itself"]
            assert [await gateway.connects(name) for name in names] == reasons


@pytest.mark.asyncio(loop_scope="function")
async def test_gw_3_even_where_all_may_be_taken_tenants_never_meet(tmp_path: Path) -> None:
    async with running(tmp_path, thingsboard={"gateways_take": "any"}) as server:
        gateway = await Gateway.make(server)
        tenant = await server.services.tenants.create("other", actor="test")
        theirs = await waiting_device(server, "A", profile=await server.services.profiles.default(tenant.id))

        async with gateway.session(5):
            assert await gateway.say("telemetry", {"A": [{"t": 1}]}) == 0

        assert (await found(server, "A")).id != theirs.id
        assert await server.services.telemetry.latest(theirs.id) == []
