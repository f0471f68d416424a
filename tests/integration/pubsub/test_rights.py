"""Who may do what: isolation of devices, tenants and client ids."""

from __future__ import annotations

import pytest
from tests.harness import MqttPeer, TestServer
from tests.integration.mqtt.probe import door_of, rest
from tests.integration.pubsub.people import LEVELS, Person, expiry, public_id

from firstboot_plugins.transports.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Publish,
    Will,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet_log")]

levels = pytest.mark.parametrize("level", LEVELS)


def refused(level: int, reason: int = 0x8F) -> int:
    return reason if level == 5 else 0x80


@levels
async def test_mq8_two_devices_share_nothing(server: TestServer, level: int) -> None:
    one = await Person.come(server, "device-1", level=level)
    two = await Person.come(server, "device-2", level=level)
    assert await one.listen("devices/me/#", qos=2) == [2]
    assert await two.listen("devices/me/#", qos=2) == [2]

    await one.say("devices/me/t", b"of one")
    assert (await one.hear()).payload == b"of one"
    await two.hears_nothing_but(two, "devices/me/t", "devices/me/t")


@levels
async def test_mq7_mq8_a_device_cannot_subscribe_to_what_is_not_its_own(server: TestServer, level: int) -> None:
    device = await Person.come(server, "device-1", level=level)
    filters = ["#", "+/#", "devices/#", "devices/+/#", f"devices/{public_id(2)}/#", "v1/#", "$SYS/#",
               "/provision/response", "+/provision/response", "1/#", f"1/devices/{public_id(1)}/t"]  # fmt: skip

    assert await device.listen(*filters) == [refused(level)] * len(filters)
    assert await device.listen("$share/g/devices/me/t") == [refused(level, 0x9E)]


@levels
async def test_mq8_a_device_cannot_publish_to_what_is_not_its_own(server: TestServer, level: int) -> None:
    """MQTT 3 has no reason codes; the message is gone all the same, and the session stays."""
    spy = await Person.come(server, "app-1", level=level, client_id="spy")
    await spy.listen("#")
    device = await Person.come(server, "device-1", level=level)

    for topic in (f"devices/{public_id(2)}/t", "t", "devices", "$SYS/t", "/provision/response"):
        for qos in (0, 1, 2):
            expected = 0x90 if level == 5 and qos else 0
            assert await device.say(topic, b"forged", qos) == expected

    await spy.hears_nothing_but(device, "devices/me/t", f"devices/{public_id(1)}/t")


@levels
async def test_mq8_tenants_never_meet(server: TestServer, level: int) -> None:
    ours = await Person.come(server, "app-1", level=level)
    theirs = await Person.come(server, "foreign-1", level=level)
    await ours.listen("#", qos=1)
    await theirs.listen("#", "1/#", "+/t", qos=1)

    await ours.say("t", b"ours", retain=True)
    assert (await ours.hear()).payload == b"ours"

    await theirs.hears_nothing_but(theirs, "t", "t")
    await ours.say("t", b"", retain=True)


@levels
async def test_a_session_without_rights_gets_the_same_refusals(server: TestServer, level: int) -> None:
    mute = await Person.come(server, "mute-1", level=level)

    assert await mute.listen("devices/me/t", "#", qos=1) == [refused(level)] * 2
    assert await mute.say("devices/me/t") == (0x90 if level == 5 else 0)
    await mute.send(Publish("devices/me/t", b""), Pingreq())
    assert isinstance(await mute.receive(), Pingresp)


@levels
@pytest.mark.parametrize("clean", [True, False])
async def test_mq1_a_refused_connect_with_a_victim_s_client_id_changes_nothing(
    server: TestServer, level: int, clean: bool
) -> None:
    victim = await Person.come(server, "app-1", level=level, client_id="victim", stays=True)
    await victim.listen("t", qos=1)
    speaker = await Person.come(server, "app-1", level=level, client_id="speaker")
    will = Will("t", b"of the attacker", 1)

    for absent in (False, True):
        if absent:
            await victim.send(Disconnect())
            await rest(victim)
            await speaker.say("t", b"while absent")
        for name, password in (("app-1", b"wrong"), ("nobody", None), (None, None), ("", None)):
            attacker = await Person.open(server.mqtt_port)
            connect = Connect(level, "victim", clean, 60, name, password, will, expiry(level, 60))
            await attacker.connect(connect)
            connack = await attacker.expect(Connack)
            assert connack.reason
            assert not connack.session_present
            await rest(attacker)
        if not absent:
            await victim.hears_nothing_but(speaker, "t", "t")

    back = await Person.come(server, "app-1", level=level, client_id="victim", stays=True)
    assert back.connack.session_present
    assert (await back.hear()).payload == b"while absent"
    await back.hears_nothing_but(speaker, "t", "t")
    await Person.come(server, "app-1", level=level, client_id="victim", clean=True)


@levels
async def test_mq2_the_same_client_id_of_somebody_else_is_another_session(server: TestServer, level: int) -> None:
    victim = await Person.come(server, "device-1", level=level, client_id="same", stays=True)
    await victim.listen("devices/me/#", qos=1)
    application = await Person.come(server, "app-1", level=level, client_id="same", stays=True)
    await application.listen("private", qos=1)

    for name in ("device-2", "app-2", "foreign-1"):
        for clean in (False, True):
            other = await Person.come(server, name, level=level, client_id="same", clean=clean)
            assert not other.connack.session_present
            await other.send(Disconnect())
            await rest(other)

    await application.say(f"devices/{public_id(1)}/t", b"still there")
    assert (await victim.hear()).payload == b"still there"
    await application.hears_nothing_but(application, "private", "private")
    assert len(door_of(server).stored) <= 3
    for person, name in ((victim, "device-1"), (application, "app-1")):
        assert isinstance(person, MqttPeer)
        await Person.come(server, name, level=level, client_id="same", clean=True)


@levels
async def test_mq6_a_payload_that_looks_like_packets_stays_a_payload(server: TestServer, level: int) -> None:
    spy = await Person.come(server, "app-1", level=level, client_id="spy")
    await spy.listen("#")
    device = await Person.come(server, "device-1", level=level)
    smuggled = Publish("t", b"smuggled").encode(4) * 3 + Disconnect().encode(4)

    assert await device.say("x", smuggled) == (0x90 if level == 5 else 0)
    await device.say("devices/me/t", smuggled)

    assert (await spy.hear()).payload == smuggled
    await spy.hears_nothing_but(device, "devices/me/t", f"devices/{public_id(1)}/t")
