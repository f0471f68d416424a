"""Retained messages (threat MQ-9)."""

from __future__ import annotations

import pytest
from tests.harness import TestServer
from tests.integration.mqtt.probe import door_of
from tests.integration.pubsub.people import LEVELS, Person, public_id

from firstboot.sessions import Owner, SessionEnd
from firstboot_plugins.transports.mqtt.packets import Puback, Publish, Suback, Subscribe, Unsuback, Unsubscribe

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet_log")]

levels = pytest.mark.parametrize("level", LEVELS)


@levels
@pytest.mark.parametrize("topic_filter", ["r/a", "r/+", "r/#", "#"])
async def test_a_new_subscription_gets_the_last_retained_message(
    server: TestServer, level: int, topic_filter: str
) -> None:
    speaker = await Person.come(server, "app-1", level=level, client_id="speaker")
    await speaker.say("r/a", b"old", retain=True)
    await speaker.say("r/a", b"new", retain=True)
    listener = await Person.come(server, "app-1", level=level, client_id="listener")

    assert await listener.listen(topic_filter, qos=2) == [2]  # the SUBACK comes first
    message = await listener.hear()
    assert (message.topic, message.payload, message.qos, message.retain) == ("r/a", b"new", 1, True)

    await speaker.say("r/a", b"live", retain=True)
    message = await listener.hear()
    assert (message.payload, message.retain) == (b"live", False)
    await speaker.say("r/a", b"", retain=True)
    assert (await listener.hear()).payload == b""
    third = await Person.come(server, "app-1", level=level, client_id="third")
    await third.listen(topic_filter)
    await third.hears_nothing_but(speaker, "r/a", "r/a")


@levels
async def test_nobody_else_gets_what_is_retained_for_a_new_subscription(server: TestServer, level: int) -> None:
    speaker = await Person.come(server, "app-1", level=level, client_id="speaker")
    bystander = await Person.come(server, "app-1", level=level, client_id="bystander")
    await speaker.say("r", b"kept", retain=True)
    await bystander.listen("#")
    assert (await bystander.hear()).payload == b"kept"

    listener = await Person.come(server, "app-1", level=level, client_id="listener")
    await listener.listen("r")
    await listener.hear()

    await bystander.hears_nothing_but(speaker, "t", "t")
    await speaker.say("r", b"", retain=True)


@levels
async def test_mq9_retain_is_cleared_for_who_may_not_retain(server: TestServer, level: int) -> None:
    application = await Person.come(server, "app-1", level=level)
    for number, expected in ((1, []), (100, [b"kept"])):
        device = await Person.come(server, f"device-{number}", level=level)

        await device.say("devices/me/status", b"kept", retain=True)

        own = f"devices/{public_id(number)}/status"
        await application.listen(own)
        for payload in expected:
            assert (await application.hear()).payload == payload
        await application.hears_nothing_but(device, "devices/me/status", own)
        await device.say("devices/me/status", b"", retain=True)
        await application.hear()


@levels
async def test_mq9_mq10_what_is_retained_goes_with_the_rights_of_its_publisher(
    server: TestServer, level: int
) -> None:
    device = await Person.come(server, "device-100", level=level)
    await device.say("devices/me/status", b"kept", retain=True)

    # As when its credentials are changed.
    server.services.sessions.end(Owner("device", 100), SessionEnd.CREDENTIALS_CHANGED)

    application = await Person.come(server, "app-1", level=level)
    await application.listen("devices/#")
    await application.hears_nothing_but(application, "devices/x", "devices/x")


@levels
async def test_more_is_retained_than_a_client_takes_at_once(server: TestServer, level: int) -> None:
    """It gets all of it, as fast as it acknowledges."""
    speaker = await Person.come(server, "app-1", level=level, client_id="speaker")
    topics = [f"many/{number:03}" for number in range(300)]
    for topic in topics:
        await speaker.say(topic, b"x" * 1000, retain=True)
    listener = await Person.come(server, "app-1", level=level, client_id="listener")

    await listener.listen("many/+", qos=1)
    assert sorted([(await listener.hear()).topic for _ in topics]) == topics

    for topic in topics:
        await speaker.say(topic, b"", retain=True)
    broker = door_of(server).pubsub._broker
    assert broker is not None
    assert len(broker.retained) == 0


# -- version 5 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handling", "heard"), [(0, [True, True, True]), (1, [True, False, True]), (2, [False] * 3)]
)
async def test_v5_retain_handling(server: TestServer, handling: int, heard: list[bool]) -> None:
    speaker = await Person.come(server, "app-1", level=5, client_id="speaker")
    await speaker.say("r", b"kept", retain=True)
    listener = await Person.come(server, "app-1", level=5, client_id="listener")

    for step, expected in enumerate(heard):  # new, again, new after unsubscribing
        if step == 2:
            await listener.send(Unsubscribe(3, ["r"]))
            await listener.expect(Unsuback)
        await listener.send(Subscribe(step + 1, [("r", handling << 4)]))
        await listener.expect(Suback)
        if expected:
            assert (await listener.hear()).payload == b"kept"
        await listener.hears_nothing_but(speaker, "r", "r")

    await speaker.say("r", b"", retain=True)


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("as_published", [0x08, 0])
async def test_v5_retain_as_published(server: TestServer, published: bool, as_published: int) -> None:
    person = await Person.come(server, "app-1", level=5)
    await person.listen("r", options=as_published)

    await person.send(Publish("r", b"x", 1, packet_id=1, retain=published))

    message = await person.hear()
    assert message.retain == (published and bool(as_published))
    assert await person.expect(Puback) == Puback(1)
    await person.say("r", b"", retain=True)
