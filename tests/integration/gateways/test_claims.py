"""Contract 4.2 over gateways: several devices are opened for claiming at once, and claimed one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.harness import TestServer
from tests.integration.claiming.buyers import FROM_REST, Buyer
from tests.integration.gateways.gateway import Gateway, customer, found, rest_of
from tests.integration.thingsboard_device.board import LEVELS

from firstboot.model import ClaimOpener, Device, DeviceProfile
from firstboot.secret import Secret
from firstboot_plugins.transports.mqtt.packets import Disconnect, Puback

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROTOBUF = {
    "transportType": "MQTT",
    "transportConfiguration": {
        "type": "MQTT",
        "transportPayloadTypeConfiguration": {"transportPayloadType": "PROTOBUF"},
    },
}
IN_PROTOBUF = bytes.fromhex("0a100a0141120b0a0576616c756510e0d403")
"""The contract's example: device ``A``, secret ``value``, 60000 ms."""


async def open_for_ms(gateway: Gateway, name: str) -> int | None:
    """Return for how long a device's window is open in all, None when it has none."""
    windows = await gateway.server.services.claim_windows.list(await found(gateway.server, name))
    assert [window.opened_by for window in windows] in ([], [ClaimOpener.DEVICE])
    return windows[0].expires_at_ms - windows[0].opened_at_ms if windows else None


async def claim(buyer: Buyer, name: str, secret: str) -> Device:
    return await buyer.server.services.claiming.claim(buyer.user, name, Secret(secret), FROM_REST)


@pytest.mark.asyncio(loop_scope="function")
async def test_4_2_a_gateway_opens_several_devices_and_each_buyer_gets_its_own(stored: TestServer) -> None:
    gateway = await Gateway.make(stored)
    one, two = await Buyer.make(stored, "one"), await Buyer.make(stored, "two")

    async with gateway.session(5):
        await gateway.listens()
        claims = {"A": {"secretKey": "value_A", "durationMs": 60000}, "B": {}, "C": "skipped", "D": None}
        assert await gateway.say("claim", claims) == 0
        assert await gateway.behind() == {"A", "B"}  # CL-5
        assert await open_for_ms(gateway, "A") == 60_000

        assert (await claim(one, "A", "value_A")).customer_id == one.user.customer_id
        assert await gateway.told() == ("v1/gateway/attributes", {"device": "A", "data": {"claimed": True}}, 1)
        assert (await claim(two, "B", "")).customer_id == two.user.customer_id
        assert await gateway.told() == ("v1/gateway/attributes", {"device": "B", "data": {"claimed": True}}, 1)

        # The gateway goes on speaking for what others own now.
        assert await gateway.say("telemetry", {"A": [{"t": 1}], "B": [{"t": 2}]}) == 0
        assert await gateway.say("claim", {"A": {"secretKey": "again"}}) == 0  # CL-1
        assert await open_for_ms(gateway, "A") is None
    assert await gateway.values("B") == {"t": 2}
    assert (await found(stored, "gw")).customer_id is None


async def test_gw_2_what_a_customers_gateway_makes_cannot_be_claimed(gateway: Gateway, name: str) -> None:
    await gateway.give_to(await customer(gateway.server, f"owner {name}"))

    async with gateway.session(5):
        assert await gateway.say("claim", {name: {"secretKey": "s"}}) == 0  # CL-1

    assert await open_for_ms(gateway, name) is None


@pytest.mark.asyncio(loop_scope="function")
@pytest.mark.parametrize("follows", [False, True])
async def test_gw_4_devices_are_claimed_with_their_gateway_where_its_profile_says_so(
    stored: TestServer, follows: bool
) -> None:
    gateway = await Gateway.make(stored, profile=await stored.profile("gateways", claim_with_gateway=follows))
    buyer = await Buyer.make(stored)

    async with gateway.session(5):
        await gateway.listens()
        await gateway.say("telemetry", {"A": [{"t": 1}], "B": [{"t": 1}]})
        assert await gateway.publish("v1/devices/me/claim", {"secretKey": "s"}) == 0
        await claim(buyer, "gw", "s")
        if follows:
            told = [(await gateway.told())[1] for _ in range(2)]
            assert sorted(each["device"] for each in told) == ["A", "B"]
        assert await gateway.say("telemetry", {"A": [{"t": 2}]}) == 0

    owners = {(await found(stored, name)).customer_id for name in "AB"}
    assert owners == {buyer.user.customer_id if follows else None}


# -- malformed -------------------------------------------------------------------------------------

NO_CLAIMS = [b"", b"x", b"5", b"[1]", b'"A"', b"null", b"{}", b'{"A":5}', b'{"A":null,"B":[1]}']


@pytest.mark.parametrize("payload", NO_CLAIMS)
@pytest.mark.parametrize("level", LEVELS)
async def test_4_2_a_message_without_a_claim_is_acknowledged_and_ends_the_session(
    gateway: Gateway, level: int, payload: bytes
) -> None:
    async with gateway.session(level):
        message = gateway.message("v1/gateway/claim", payload)
        await gateway.peer.send(message)
        packets = await gateway.peer.expect_closed()

    assert message.packet_id is not None
    expected = [Puback(message.packet_id, 0x83), Disconnect(0x83)] if level == 5 else [Puback(message.packet_id)]
    assert packets == expected
    assert await gateway.behind() == set()


BAD = [{"durationMs": "soon"}, {"durationMs": True}, {"secretKey": ["x"]}, {"secretKey": "s" * 256}]


@pytest.mark.parametrize("bad", BAD, ids=["text", "truth", "list", "long"])
@pytest.mark.parametrize("level", LEVELS)
async def test_4_2_a_bad_value_in_one_device_is_told_and_harms_no_other(
    gateway: Gateway, name: str, level: int, bad: dict[str, Any]
) -> None:
    claims = {f"{name} 1": {"secretKey": "s"}, f"{name} 2": bad, f"{name} 3": {"secretKey": "t"}}

    async with gateway.session(level):
        if level == 5:
            assert await gateway.say("claim", claims) == 0x99
        else:
            await gateway.peer.send(gateway.message("v1/gateway/claim", claims))
            assert await rest_of(gateway.peer) == []

    assert await open_for_ms(gateway, f"{name} 1")
    assert await open_for_ms(gateway, f"{name} 3")


async def test_4_2_and_7_texts_of_numbers_fractions_and_nulls_are_taken(gateway: Gateway, name: str) -> None:
    claims = {
        f"{name} 1": {"secretKey": 5, "durationMs": "60000"},
        f"{name} 2": {"secretKey": None, "durationMs": None},
        f"{name} 3": {"secretKey": "s", "durationMs": 1500.9},
        f"{name} 4": {"secretKey": "s", "durationMs": -1},
    }

    async with gateway.session(4):
        assert await gateway.say("claim", claims) == 0

    hour = 3_600_000
    durations = [await open_for_ms(gateway, each) for each in claims]
    assert durations == [60_000, 5 * 60_000, 1500, 24 * hour]


async def test_se_5_no_secret_is_in_the_log(gateway: Gateway, name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    async with gateway.session(5):
        await gateway.say("claim", {name: {"secretKey": "S3CRET", "durationMs": "soon"}})
        await gateway.say("claim", {name: {"secretKey": "S3CRET" * 50}})
        await gateway.say("claim", {f"{name}\t": {"secretKey": "S3CRET"}})

    assert "S3CRET" not in "".join(str(vars(record)) for record in caplog.records)


# -- protobuf --------------------------------------------------------------------------------------


async def protobuf_gateway(server: TestServer, name: str, *, compatible: bool) -> Gateway:
    details = json.loads(json.dumps(PROTOBUF))
    payloads = details["transportConfiguration"]["transportPayloadTypeConfiguration"]
    payloads["enableCompatibilityWithJsonPayloadFormat"] = compatible
    profile: DeviceProfile = (await server.profile(f"protobuf {name}", details=details)).profile
    gateway = await Gateway.make(server, f"gw {name}", await server.profile(f"gateways {name}", details=details))
    assert profile.details == details
    return gateway


@pytest.mark.asyncio(loop_scope="function")
@pytest.mark.parametrize("compatible", [False, True])
async def test_4_2_a_gateway_whose_profile_says_so_claims_in_protobuf_and_in_nothing_else(
    server: TestServer, compatible: bool
) -> None:
    gateway = await protobuf_gateway(server, "p", compatible=compatible)

    async with gateway.session(5):
        assert await gateway.say("claim", IN_PROTOBUF) == 0
        assert await open_for_ms(gateway, "A") == 60_000
        assert await gateway.say("claim", b'{"B":{"secretKey":"s"}}') == 0x99
        await gateway.peer.send(gateway.message("v1/gateway/claim", b""))
        assert await gateway.peer.expect_closed() == [Puback(gateway._last_id, 0x83), Disconnect(0x83)]

    assert await gateway.behind() == {"A"}
