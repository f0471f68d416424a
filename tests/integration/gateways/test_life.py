"""GW-1, GW-2 and the topics of contract 4.6, on both databases: one gateway from its first device to its end."""

from __future__ import annotations

from asyncio import create_task, gather
from contextlib import AsyncExitStack
from datetime import timedelta

from tests.harness import TestServer
from tests.integration.gateways.gateway import Gateway, customer, disconnected, found, is_connected, waiting_device

from firstboot.model import Scope


async def test_gw_1_devices_are_made_report_ask_are_told_and_are_called(stored: TestServer) -> None:
    gateway = await Gateway.make(stored)

    async with gateway.session(5):
        await gateway.listens()
        assert await gateway.connects("A", type="thermometer") == 0
        assert await gateway.say("telemetry", {"A": [{"ts": 1_600_000_000_000, "values": {"t": "21.5"}}, {"n": 1}],
                                               "B": [{"t": 3}]}) == 0  # fmt: skip
        assert await gateway.say("attributes", {"A": {"fw": "1.2"}, "C": {"serial": "x"}}) == 0
        device_a, device_b = await found(stored, "A"), await found(stored, "B")

        assert await gateway.behind() == {"A", "B", "C"}
        assert await gateway.values("A") == {"t": 21.5, "n": 1}
        assert await gateway.values("B") == {"t": 3}
        assert await gateway.attributes("A") == {"fw": 1.2}
        assert await gateway.attributes("C") == {"serial": "x"}

        await stored.services.attributes.save(device_a.ref, Scope.SHARED, {"c": 1}, actor="test")
        assert await gateway.told() == ("v1/gateway/attributes", {"device": "A", "data": {"c": 1}}, 1)
        await stored.services.attributes.delete(device_a.ref, Scope.SHARED, ["c"], actor="test")
        assert await gateway.told() == ("v1/gateway/attributes", {"device": "A", "data": {"deleted": ["c"]}}, 1)

        call = create_task(
            stored.services.rpc.call(
                device_b.ref, "setGpio", {"pin": 7}, timeout=timedelta(seconds=10), one_way=False, actor="test"
            )
        )
        topic, content, _ = await gateway.told()
        assert (topic, content["device"]) == ("v1/gateway/rpc", "B")
        assert {**content["data"], "id": 0} == {"id": 0, "method": "setGpio", "params": {"pin": 7}}
        answer = {"device": "B", "id": content["data"]["id"], "data": {"done": True}}
        assert await gateway.say("rpc", answer) == 0
        assert (await call).value == {"done": True}

        assert is_connected(stored, device_a)
        assert await gateway.say("disconnect", {"device": "A"}) == 0
        assert not is_connected(stored, device_a)
        assert is_connected(stored, device_b)
    await disconnected(stored, device_a, device_b)


async def test_gw_1_a_new_device_has_profile_owner_gateway_and_a_token_and_is_audited(stored: TestServer) -> None:
    gateway = await Gateway.make(stored)
    buyer = await customer(stored, "buyer")
    await gateway.give_to(buyer)

    async with gateway.session():
        await gateway.connects("A", type="thermometer")
        await gateway.connects("B", type=None)

    device = await found(stored, "A")
    profiles = {each.id: each for each in await stored.services.profiles.all(1)}
    assert profiles[device.profile_id].name == "thermometer"
    assert profiles[device.profile_id].strategy == "disabled"
    assert profiles[(await found(stored, "B")).profile_id].name == "default"
    assert (device.customer_id, device.gateway_id) == (buyer.id, gateway.device.id)  # GW-2
    assert device.additional_info == {"lastConnectedGateway": str(gateway.device.public_id)}
    assert device.provision_state is None
    credentials = await stored.services.devices.credentials(device)
    assert (credentials.type, len(credentials.id)) == ("ACCESS_TOKEN", 20)
    entries = [row.entry for row in await stored.audit()]
    (made,) = [each for each in entries if (each.event, each.device) == ("device-created", "A")]
    assert (made.actor, made.profile) == ("gateway:gw", "thermometer")
    assert [
        each.actor for each in entries if (each.event, each.profile) == ("profile-created", "thermometer")
    ] == ["gateway:gw"]


async def test_gw_3_a_device_that_exists_is_used_as_it_is(stored: TestServer) -> None:
    gateway = await Gateway.make(stored)
    profile = await stored.services.profiles.named(1, "meters", actor="test")
    before = await waiting_device(stored, "A", profile=profile, label="cellar", additional_info={"floor": -1})

    async with gateway.session():
        assert await gateway.connects("A", type="other") == 0

    after = await found(stored, "A")
    assert (after.id, after.profile_id, after.label) == (before.id, before.profile_id, "cellar")
    assert after.gateway_id == gateway.device.id
    assert after.additional_info == {"floor": -1, "lastConnectedGateway": str(gateway.device.public_id)}
    assert "other" not in [each.name for each in await stored.services.profiles.all(1)]


async def test_gw_1_a_device_goes_from_one_gateway_to_another_of_its_fleet(stored: TestServer) -> None:
    profile = await stored.profile("gateways")
    one, two = await Gateway.make(stored, "one", profile), await Gateway.make(stored, "two", profile)

    async with one.session(5), two.session(5):
        await one.connects("A")
        await one.listens()
        await two.listens()
        assert await two.connects("A") == 0
        device = await found(stored, "A")
        assert device.gateway_id == two.device.id
        # Both may hear it, as on ThingsBoard; calls reach it through the one that heard of it last.
        assert await one.say("telemetry", {"A": [{"t": 1}]}) == 0
        call = create_task(
            stored.services.rpc.call(
                device.ref, "m", None, timeout=timedelta(seconds=10), one_way=True, actor="test"
            )
        )
        assert (await two.told())[0] == "v1/gateway/rpc"
        await call
        await one.hears_nothing()

    assert await one.values("A") == {"t": 1}
    moves = [row.entry for row in await stored.audit() if row.entry.event == "device-put-behind-gateway"]
    assert [(each.device, each.actor) for each in moves] == [("A", "gateway:two")]


async def test_pv_5_two_gateways_and_their_doubles_make_one_device_of_one_name(stored: TestServer) -> None:
    profile = await stored.profile("gateways")
    gateways = [await Gateway.make(stored, f"gw {number}", profile) for number in range(5)]

    async with AsyncExitStack() as stack:
        for gateway in gateways:
            await stack.enter_async_context(gateway.session(5))
        for name in "ABCDE":
            # One of them writes the name in two ways in one message: that is one device too.
            reports = {name: [{"t": 1}], f" {name}": [{"u": 1}]}
            reasons = await gather(*(gateway.say("telemetry", reports) for gateway in gateways))
            assert reasons == [0] * 5
            assert await gateways[0].values(name) == {"t": 1, "u": 1}

    made = [row.entry.device for row in await stored.audit() if row.entry.event == "device-created"]
    assert sorted(name for name in made if name and len(name) == 1) == list("ABCDE")
