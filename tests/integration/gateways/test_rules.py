"""Contract 4.6, GW-5, GW-6 and section 7: what gateways are granted, acknowledged, refused and told."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from tests.harness import TestServer, running
from tests.integration.gateways.gateway import Gateway, found, rest_of
from tests.integration.thingsboard_device.board import LEVELS, Board, failing

from firstboot.errors import Unavailable
from firstboot.model import ProfileLimits, Scope
from firstboot_plugins.dialects.thingsboard import gateway_devices
from firstboot_plugins.transports.mqtt.packets import Disconnect, Puback

pytestmark = pytest.mark.asyncio(loop_scope="module")


# -- acknowledgements ------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
async def test_4_6_every_topic_is_served_in_every_version(gateway: Gateway, name: str, level: int) -> None:
    async with gateway.session(level):
        assert await gateway.connects(name) == 0
        assert await gateway.say("telemetry", {name: [{"t": 1}]}) == 0
        assert await gateway.say("attributes", {name: {"k": "v"}}) == 0
        assert await gateway.say("rpc", {"device": name, "id": 1, "data": {}}) == 0
        assert await gateway.say("claim", {name: {}}) == 0
        assert await gateway.say("attributes/request", {"id": 5, "device": name, "client": True, "key": "k"}) == 0
        assert await gateway.told() == (
            "v1/gateway/attributes/response", {"id": 5, "device": name, "value": "v"}, 1,
        )  # fmt: skip
        assert await gateway.say("disconnect", {"device": name}) == 0
        await gateway.hears_nothing()


async def test_gw_6_a_message_of_qos_0_is_served_and_not_acknowledged(gateway: Gateway, name: str) -> None:
    async with gateway.session(5):
        messages: dict[str, Any] = {
            "connect": {"device": name},
            "telemetry": {name: [{"t": 1}]},
            "attributes": {name: {"k": 1}},
            "claim": {name: {"secretKey": "s"}},
        }
        for what, content in messages.items():
            await gateway.peer.send(gateway.message(f"v1/gateway/{what}", content, qos=0))
        await gateway.hears_nothing()

    assert await gateway.values(name) == {"t": 1}
    assert await gateway.attributes(name) == {"k": 1}
    (window,) = await gateway.server.services.claim_windows.list(await found(gateway.server, name))
    assert window.opened_by == "device"


@pytest.mark.parametrize(("level", "reason"), [(3, 0), (4, 0), (5, 0x90)])
async def test_7_a_device_that_is_no_gateway_is_never_left_without_an_answer(
    shared: TestServer, name: str, level: int, reason: int
) -> None:
    board = await Board.make(shared, f"{name} itself")

    async with board.session(level):
        for what in ("connect", "disconnect", "telemetry", "attributes", "attributes/request", "rpc", "claim"):
            assert await board.publish(f"v1/gateway/{what}", {"device": name, name: {}}) == reason
            await board.peer.send(board.message(f"v1/gateway/{what}", {"device": name}, qos=0))
        await board.hears_nothing()

    assert await shared.device(name) is None


@pytest.mark.parametrize(("level", "reason"), [(3, 0), (4, 0), (5, 0x90)])
async def test_gw_5_an_unknown_topic_is_acknowledged(gateway: Gateway, level: int, reason: int) -> None:
    async with gateway.session(level):
        for what in ("", "x", "telemetry/", "rpc/response", "claims", "attributes/response"):
            assert await gateway.say(what, {"device": "A"}) == reason


# -- names -----------------------------------------------------------------------------------------

EMPTY = [
    ("connect", {"device": ""}),
    ("disconnect", {"device": ""}),
    ("telemetry", {"": [{"t": 1}]}),
    ("attributes", {"": {"k": 1}}),
    ("claim", {"": {}}),
    ("rpc", {"device": "", "id": 1, "data": {}}),
    ("attributes/request", {"device": "", "id": 1, "key": "k"}),
]


@pytest.mark.parametrize(("what", "content"), EMPTY)
@pytest.mark.parametrize("level", LEVELS)
async def test_gw_5_an_empty_name_is_acknowledged_and_ends_the_session(
    gateway: Gateway, level: int, what: str, content: dict[str, Any]
) -> None:
    async with gateway.session(level):
        message = gateway.message(f"v1/gateway/{what}", content)
        await gateway.peer.send(message)

        packets = await gateway.peer.expect_closed()

    assert message.packet_id is not None
    expected = [Puback(message.packet_id, 0x83), Disconnect(0x83)] if level == 5 else [Puback(message.packet_id)]
    assert packets == expected


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "bad",
    ["  ", "a\tb", "x" * 256, "<script>", "\N{RIGHT-TO-LEFT OVERRIDE}x"],
    ids=["blank", "control", "long", "markup", "invisible"],
)
async def test_ht_7_a_name_that_no_device_may_have_is_refused_and_the_session_stays(
    gateway: Gateway, level: int, bad: str
) -> None:
    async with gateway.session(level):
        assert await gateway.connects(bad) == (0x99 if level == 5 else 0)
        assert await gateway.notices() == ({bad: 129} if level == 5 else {})

    assert await gateway.behind() == set()


async def test_a_long_name_and_one_in_any_script_can_do_everything(gateway: Gateway) -> None:
    name = f"Fühler Nº 1 {gateway.device.id} ".ljust(255, "ß")

    async with gateway.session(5):
        await gateway.listens()
        assert await gateway.say("telemetry", {name: [{"t": 1}]}) == 0
        assert await gateway.say("claim", {name: {"secretKey": "s"}}) == 0
        device = await found(gateway.server, name)
        await gateway.server.services.attributes.save(device.ref, Scope.SHARED, {"c": 1}, actor="test")
        assert (await gateway.told())[1] == {"device": name, "data": {"c": 1}}


async def test_a_gateway_hears_of_a_device_by_the_name_that_it_writes(gateway: Gateway, name: str) -> None:
    async with gateway.session(5):
        await gateway.listens()
        await gateway.connects(f" {name} ")
        device = await found(gateway.server, name)
        await gateway.server.services.attributes.save(device.ref, Scope.SHARED, {"c": 1}, actor="test")

        assert (await gateway.told())[1] == {"device": f" {name} ", "data": {"c": 1}}


# -- payloads --------------------------------------------------------------------------------------

UNREADABLE = [
    ("connect", b"x"),
    ("connect", b"[]"),
    ("connect", b"{}"),
    ("connect", b'{"device":null}'),
    ("connect", b'{"device":"A","type":5}'),
    ("disconnect", b"{}"),
    ("telemetry", b"x"),
    ("telemetry", b"[1]"),
    ("telemetry", b'{"A":[{"t":1}],"A":[]}'),
    ("attributes", b"5"),
    ("attributes/request", b'{"id":1,"device":"A"}'),
    ("attributes/request", b'{"id":1,"device":"A","keys":[]}'),
    ("attributes/request", b'{"id":1,"device":"A","keys":[1]}'),
    ("attributes/request", b'{"id":true,"device":"A","key":"k"}'),
    ("rpc", b'{"device":"A","data":{}}'),
    ("rpc", b"{" * 100),
]


@pytest.mark.parametrize(("what", "payload"), UNREADABLE)
async def test_da_2_version_5_is_told_of_an_unreadable_payload(
    gateway: Gateway, what: str, payload: bytes
) -> None:
    async with gateway.session(5):
        assert await gateway.say(what, payload) == 0x99

    assert await gateway.behind() == set()


@pytest.mark.parametrize(("what", "payload"), UNREADABLE)
@pytest.mark.parametrize("level", [3, 4])
async def test_da_2_version_3_is_closed_after_an_unreadable_payload(
    gateway: Gateway, level: int, what: str, payload: bytes
) -> None:
    async with gateway.session(level):
        await gateway.peer.send(gateway.message(f"v1/gateway/{what}", payload))

        assert await gateway.peer.expect_closed() == []


@pytest.mark.parametrize("level", LEVELS)
async def test_one_bad_device_in_a_message_harms_no_other(gateway: Gateway, name: str, level: int) -> None:
    reports: dict[str, Any] = {
        f"{name} 1": [{"t": 1}],
        f"{name} 2": {"t": 1},
        f"{name} 3": [{"ts": "x", "values": {}}],
        "a\tb": [{"t": 1}],
        f"{name} 4": [{" ": 1}],
        f"{name} 5": [{"t": 1}],
    }

    async with gateway.session(level):
        assert await gateway.say("telemetry", reports) == (0x99 if level == 5 else 0)
        bad = [f"{name} 2", f"{name} 3", "a\tb", f"{name} 4"]
        assert await gateway.notices() == (dict.fromkeys(bad, 129) if level == 5 else {})

    assert await gateway.values(f"{name} 1") == await gateway.values(f"{name} 5") == {"t": 1}
    assert await gateway.values(f"{name} 2") == {}


async def test_an_empty_name_among_others_harms_no_other(gateway: Gateway, name: str) -> None:
    async with gateway.session(5):
        await gateway.peer.send(gateway.message("v1/gateway/attributes", {"": {"k": 1}, name: {"k": 1}}))
        assert await rest_of(gateway.peer) == [Puback(gateway._last_id, 0x83), Disconnect(0x83)]

    assert await gateway.attributes(name) == {"k": 1}


async def test_the_operator_learns_why_without_a_value_in_the_log(
    gateway: Gateway, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async with gateway.session(5):
        for _ in range(30):
            await gateway.say("telemetry", {name: [{"ts": "S3CRET", "values": {}}]})

    lines = [record for record in caplog.records if record.message == "a message of a device was refused"]
    assert len(lines) == 10  # one gateway does not fill the log
    assert name[:30] in lines[0].reason  # type: ignore[attr-defined]
    assert "S3CRET" not in "".join(str(vars(record)) for record in caplog.records)


async def test_many_refusals_in_one_message_do_not_drown_the_gateway(gateway: Gateway) -> None:
    bad: dict[str, list[object]] = {f"a\t{number}": [] for number in range(3000)}

    async with gateway.session(5):
        assert await gateway.say("telemetry", bad) == 0x99
        assert len(await gateway.notices()) == 50


# -- attributes ------------------------------------------------------------------------------------


async def test_4_6_attributes_are_answered_one_as_value_and_several_as_values(gateway: Gateway, name: str) -> None:
    response = "v1/gateway/attributes/response"
    asked: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"client": True, "key": "k"}, {"value": 1}),
        ({"client": True, "keys": ["k"]}, {"value": 1}),
        ({"client": True, "keys": ["k", "none"]}, {"values": {"k": 1}}),
        ({"client": True, "keys": ["l", "k"]}, {"values": {"k": 1, "l": {"x": [2]}}}),
        ({"client": False, "key": "k"}, {}),
        ({"client": False, "keys": ["s", "k"]}, {"values": {"s": True}}),
        ({"key": "s"}, {"value": True}),
    ]

    async with gateway.session(5):
        await gateway.say("attributes", {name: {"k": 1, "l": {"x": [2]}}})
        device = await found(gateway.server, name)
        await gateway.server.services.attributes.save(device.ref, Scope.SHARED, {"s": True}, actor="test")
        await gateway.server.services.attributes.save(device.ref, Scope.SERVER, {"k": "hidden"}, actor="test")
        for number, (question, answer) in enumerate(asked):
            assert await gateway.say("attributes/request", {"id": number, "device": name, **question}) == 0
            assert await gateway.told() == (response, {"id": number, "device": name, **answer}, 1)


async def test_da_1_a_gateway_is_told_with_the_qos_of_its_subscription_and_only_what_it_wants(
    gateway: Gateway, name: str
) -> None:
    services = gateway.server.services

    async with gateway.session(5):
        await gateway.connects(name)
        device = await found(gateway.server, name)
        await services.attributes.save(device.ref, Scope.SHARED, {"c": 1}, actor="test")
        await services.changes.catch_up()  # else it might be told when the gateway listens
        await gateway.hears_nothing()
        await gateway.subscribe("v1/gateway/attributes", 0)
        await services.attributes.save(device.ref, Scope.SHARED, {"c": 2}, actor="test")
        assert await gateway.told() == ("v1/gateway/attributes", {"device": name, "data": {"c": 2}}, 0)
        await gateway.unsubscribe("v1/gateway/attributes")
        assert not services.downlinks.is_listening(device.id)
        await services.attributes.save(device.ref, Scope.SHARED, {"c": 3}, actor="test")
        await gateway.hears_nothing()


# -- limits ----------------------------------------------------------------------------------------


@pytest.mark.asyncio(loop_scope="function")
async def test_gw_5_at_the_limit_of_devices_the_session_stays(tmp_path: Path) -> None:
    async with running(tmp_path, thingsboard={"devices_per_gateway": 2}) as server:
        for level in (5, 4):
            gateway = await Gateway.make(server, f"gw {level}")
            refused = 0x97 if level == 5 else 0
            async with gateway.session(level):
                reports = {f"{level} {letter}": [{"t": 1}] for letter in "ABC"}
                assert await gateway.say("telemetry", reports) == refused
                notices = await gateway.notices()
                behind = await gateway.behind()
                (left_out,) = reports.keys() - behind
                assert notices == ({left_out: 128} if level == 5 else {})
                # Nor one after the other: so many may be behind it, connected or not.
                first = min(behind)
                await gateway.say("disconnect", {"device": first})
                assert await gateway.connects(left_out) == refused
                assert await gateway.connects(first) == 0
            assert await gateway.behind() == behind


async def test_pv_3_the_limits_of_a_profile_hold_for_gateways_too(shared: TestServer, gateway: Gateway) -> None:
    await shared.profile("two of them", limits=ProfileLimits(max_devices=1))
    await shared.profile("numbers", limits=ProfileLimits(name_pattern="[0-9]+"))
    await shared.profile("slow", limits=ProfileLimits(max_per_minute=1))
    await shared.profile("off", enabled=False)

    async with gateway.session(5):
        assert await gateway.connects("limit 1", type="two of them") == 0
        assert await gateway.connects("limit 2", type="two of them") == 0x97
        assert await gateway.connects("letters", type="numbers") == 0x87
        assert await gateway.connects("4711", type="numbers") == 0
        assert await gateway.connects("slow 1", type="slow") == 0
        assert await gateway.connects("slow 2", type="slow") == 0x97
        assert await gateway.connects("off 1", type="off") == 0x87
        assert await gateway.notices() == {"limit 2": 128, "letters": 128, "slow 2": 150, "off 1": 128}

    assert await gateway.behind() == {"limit 1", "4711", "slow 1"}


@pytest.mark.asyncio(loop_scope="function")
async def test_gateways_leave_room_for_the_profiles_of_administrators(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_devices, "MAX_PROFILES_WITH_THEIRS", 3)
    gateway = await Gateway.make(server)

    async with gateway.session(5):
        reasons = [await gateway.connects(f"dev {number}", type=f"type {number}") for number in range(4)]
        assert await gateway.connects("one more", type="type 0") == 0

    assert reasons == [0, 0, 0x97, 0x97]


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "closed"), [(4, True), (5, False)])
async def test_what_is_not_on_disk_is_not_acknowledged(
    gateway: Gateway, name: str, level: int, closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, gateway.server.services.telemetry, Unavailable("away")):
        async with gateway.session(level):
            if closed:
                await gateway.peer.send(gateway.message("v1/gateway/telemetry", {name: [{"t": 1}]}))
                assert await gateway.peer.expect_closed() == []
            else:
                assert await gateway.say("telemetry", {name: [{"t": 1}]}) == 0x83


async def test_da_3_the_limits_of_a_gateways_session_have_those_of_its_devices(gateway: Gateway) -> None:
    async with gateway.session(5):
        await gateway.publish("v1/devices/me/rpc/request/1", {"method": "getSessionLimits", "params": {}})
        limits = (await gateway.told())[1]

    assert limits["gatewayRateLimits"] == limits["rateLimits"]


async def test_a_message_with_thousands_of_devices_is_served(gateway: Gateway) -> None:
    names = [f"{gateway.device.id}.{number}" for number in range(1500)]
    payload = json.dumps({name: [{"t": 1}] for name in names}).encode()

    async with gateway.session(5):
        assert await gateway.say("telemetry", payload) == 0

    assert await gateway.behind() == set(names)
