"""Ordinary messages among devices and applications, for every protocol version."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.harness import TestServer
from tests.integration.mqtt.probe import door_of
from tests.integration.pubsub.people import LEVELS, Person, people, public_id

from firstboot_plugins.transports.mqtt.packets import (
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Unsuback,
    Unsubscribe,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet_log")]

levels = pytest.mark.parametrize("level", LEVELS)
DEVICE_1 = f"devices/{public_id(1)}"


@levels
async def test_a_device_and_an_application_hear_each_other(server: TestServer, level: int) -> None:
    device = await Person.come(server, "device-1", level=level)
    application = await Person.come(server, "app-1", level=level)
    assert await device.listen("devices/me/commands/#", qos=1) == [1]
    assert await application.listen("devices/+/status", qos=1) == [1]

    await device.say("devices/me/status", b"up")
    await application.say(f"{DEVICE_1}/commands/blink", b"3 times")

    heard = await application.hear()
    assert (heard.topic, heard.payload, heard.qos, heard.retain) == (f"{DEVICE_1}/status", b"up", 1, False)
    heard = await device.hear()
    assert (heard.topic, heard.payload) == ("devices/me/commands/blink", b"3 times")


@levels
@pytest.mark.parametrize("published", [0, 1, 2])
@pytest.mark.parametrize("granted", [0, 1, 2])
async def test_a_message_has_the_lower_qos_of_publisher_and_subscriber(
    server: TestServer, level: int, published: int, granted: int
) -> None:
    speaker = await Person.come(server, "app-1", level=level, client_id="speaker")
    listener = await Person.come(server, "app-1", level=level, client_id="listener")
    assert await listener.listen("t", qos=granted) == [granted]

    await speaker.say("t", b"x", published)

    assert (await listener.expect(Publish)).qos == min(published, granted)


@levels
async def test_qos_2_a_message_sent_again_is_passed_on_once(server: TestServer, level: int) -> None:
    speaker = await Person.come(server, "app-1", level=level, client_id="speaker")
    listener = await Person.come(server, "app-1", level=level, client_id="listener")
    await listener.listen("t")
    message = Publish("t", b"once", 2, packet_id=5)

    await speaker.send(message)
    assert await speaker.expect(Pubrec) == Pubrec(5)
    await speaker.send(Publish("t", b"once", 2, dup=True, packet_id=5))
    assert await speaker.expect(Pubrec) == Pubrec(5)
    await speaker.send(Pubrel(5))
    assert await speaker.expect(Pubcomp) == Pubcomp(5)
    await speaker.send(message)  # the number is free again
    assert await speaker.expect(Pubrec) == Pubrec(5)

    assert [(await listener.hear()).payload for _ in range(2)] == [b"once"] * 2
    await listener.hears_nothing_but(speaker, "t", "t")


@levels
async def test_qos_2_to_a_client_takes_the_whole_handshake(tmp_path: Path, level: int) -> None:
    async with people(tmp_path, max_in_flight=1) as server:
        speaker = await Person.come(server, "app-1", level=level, client_id="speaker")
        listener = await Person.come(server, "app-1", level=level, client_id="listener")
        await listener.listen("t", qos=2)

        for payload in (b"1", b"2"):
            await speaker.say("t", payload, 2)
        assert (await listener.expect(Publish)).payload == b"1"
        await listener.send(Pubrec(1))
        assert await listener.expect(Pubrel) == Pubrel(1)
        await listener.send(Pingreq())
        assert isinstance(await listener.receive(), Pingresp)  # the second waits for the first
        await listener.send(Pubcomp(1))

        assert (await listener.expect(Publish)).payload == b"2"


@levels
async def test_overlapping_filters_bring_a_message_once_with_the_highest_qos(
    server: TestServer, level: int
) -> None:
    person = await Person.come(server, "app-1", level=level)
    await person.listen("a/#")
    await person.listen("a/+", qos=1)
    await person.listen("a/b")

    await person.send(Publish("a/b", b"1"), Publish("a/b", b"2", 1, packet_id=3))

    first = await person.hear()
    assert (first.payload, first.qos) == (b"1", 0)
    second, acknowledged = await person.receive(), await person.receive()
    assert isinstance(second, Publish)
    assert (second.payload, second.qos) == (b"2", 1)
    assert acknowledged == Puback(3)


@levels
async def test_messages_keep_their_order(server: TestServer, level: int) -> None:
    speaker = await Person.come(server, "app-1", level=level, client_id="speaker")
    listener = await Person.come(server, "app-1", level=level, client_id="listener")
    await listener.listen("t", qos=1)
    payloads = [b"%d" % number for number in range(300)]

    # More than may be under way at once: reading pauses, nobody is sent away.
    await speaker.send(b"".join(Publish("t", each).encode(level) for each in payloads))

    assert [(await listener.hear()).payload for _ in payloads] == payloads


@levels
async def test_what_was_published_before_a_disconnect_arrives(server: TestServer, level: int) -> None:
    listener = await Person.come(server, "app-1", level=level, client_id="listener")
    await listener.listen("devices/#")
    for number in (1, 2, 3):
        device = await Person.open(server.mqtt_port)
        device.level = level
        await device.send(
            Connect(level, "c", username=f"device-{number}"), Publish("devices/me/t", b"x"), Disconnect()
        )
        assert (await listener.hear()).topic == f"devices/{public_id(number)}/t"


@levels
async def test_after_unsubscribing_nothing_comes(server: TestServer, level: int) -> None:
    person = await Person.come(server, "app-1", level=level)
    await person.listen("a", "b/#", "c")
    await person.send(Unsubscribe(3, ["a", "b/#", "never"]))
    expected = [0, 0, 0x11] if level == 5 else []
    assert await person.expect(Unsuback) == Unsuback(3, expected)

    await person.send(Publish("a", b""), Publish("b/c", b""), Publish("c", b"still"))

    assert (await person.hear()).payload == b"still"


@levels
async def test_the_dialect_s_topics_never_enter_the_broker(server: TestServer, level: int) -> None:
    """MQ-8: an application that may hear everything does not hear what a device tells its dialect."""
    spy = await Person.come(server, "app-1", level=level)
    assert await spy.listen("#", qos=2) == [2]
    device = await Person.come(server, "device-1", level=level)
    assert await device.listen("own/#", "devices/me/#", qos=2) == [1, 2]

    await device.send(Publish("own/question", b"secret"))

    answer = await device.hear()
    assert (answer.topic, answer.payload) == ("own/answer", b"secret")
    await spy.hears_nothing_but(device, "devices/me/t", f"{DEVICE_1}/t")


async def test_a_session_that_uses_no_ordinary_topic_costs_nothing_in_the_broker(tmp_path: Path) -> None:
    async with people(tmp_path) as server:
        device = await Person.come(server, "device-1", stays=True)
        await device.listen("own/#")
        await device.send(Publish("own/t", b""))
        await device.hear()

        assert door_of(server).pubsub._broker is None
