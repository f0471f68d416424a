"""What only MQTT 5 has."""

from __future__ import annotations

import pytest
from tests.harness import TestServer
from tests.integration.pubsub.people import Person, public_id

from firstboot_plugins.transports.mqtt.packets import (
    Disconnect,
    Property,
    Puback,
    Publish,
    Suback,
    Subscribe,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet_log")]

PROPERTIES = {
    Property.PAYLOAD_FORMAT_INDICATOR: 1,
    Property.CONTENT_TYPE: "text/plain",
    Property.CORRELATION_DATA: b"\0\xff",
    Property.USER_PROPERTY: [("a", "1"), ("b", "2"), ("a", "3")],
}


@pytest.mark.parametrize("retained", [True, False])
async def test_properties_reach_subscribers_of_version_5_and_hinder_no_other(
    server: TestServer, retained: bool
) -> None:
    speaker = await Person.come(server, "app-1", level=5, client_id="speaker")
    listeners = [await Person.come(server, "app-1", level=level, client_id=f"c{level}") for level in (3, 4, 5)]
    if retained:
        await speaker.say("t", b"x", retain=True, properties=PROPERTIES)
    for listener in listeners:
        await listener.listen("t")
    if not retained:
        await speaker.say("t", b"x", properties=PROPERTIES)

    assert [(await listener.hear()).properties for listener in listeners] == [{}, {}, PROPERTIES]
    await speaker.say("t", b"", retain=True)


async def test_a_question_carries_the_topic_of_its_answer_into_both_views(server: TestServer) -> None:
    application = await Person.come(server, "app-1", level=5)
    device = await Person.come(server, "device-1", level=5)
    answers = f"devices/{public_id(1)}/answers"
    await application.listen(answers)
    await device.listen("devices/me/questions")
    asked = {Property.RESPONSE_TOPIC: answers, Property.CORRELATION_DATA: b"42"}

    await application.say(f"devices/{public_id(1)}/questions", b"how are you", properties=asked)
    question = await device.hear()
    assert question.properties == {**asked, Property.RESPONSE_TOPIC: "devices/me/answers"}
    back = {Property.CORRELATION_DATA: question.properties[Property.CORRELATION_DATA]}
    await device.say(question.properties[Property.RESPONSE_TOPIC], b"well", properties=back)

    answer = await application.hear()
    assert (answer.topic, answer.payload, answer.properties) == (answers, b"well", back)


async def test_mq8_a_topic_for_answers_that_is_not_the_receiver_s_to_know_is_left_out(server: TestServer) -> None:
    application = await Person.come(server, "app-1", level=5)
    device = await Person.come(server, "device-1", level=5)
    await device.listen("devices/me/questions")

    for topic in ("elsewhere", f"devices/{public_id(2)}/t", "$SYS/t"):
        await application.say(f"devices/{public_id(1)}/questions", properties={Property.RESPONSE_TOPIC: topic})
        assert (await device.hear()).properties == {}


@pytest.mark.parametrize("own", [True, False])
async def test_no_local(server: TestServer, own: bool) -> None:
    person = await Person.come(server, "app-1", level=5, client_id="a")
    other = await Person.come(server, "app-1", level=5, client_id="b")
    await person.listen("t", options=0x04)
    if own:
        await person.listen("+")  # the other filter does not say so

    await person.say("t", b"mine")

    if own:
        assert (await person.hear()).payload == b"mine"
    await person.hears_nothing_but(other, "t", "t")


async def test_a_message_tells_how_long_it_is_good_for(server: TestServer) -> None:
    speaker = await Person.come(server, "app-1", level=5, client_id="speaker")
    listener = await Person.come(server, "app-1", level=5, client_id="listener")
    await listener.listen("t")

    await speaker.say("t", properties={Property.MESSAGE_EXPIRY_INTERVAL: 0})
    await speaker.say("t", properties={Property.MESSAGE_EXPIRY_INTERVAL: 100})

    assert 95 < (await listener.hear()).properties[Property.MESSAGE_EXPIRY_INTERVAL] <= 100


async def test_the_client_s_limits_are_respected(server: TestServer) -> None:
    limits = {Property.RECEIVE_MAXIMUM: 2, Property.MAXIMUM_PACKET_SIZE: 100}
    speaker = await Person.come(server, "app-1", level=5, client_id="speaker")
    listener = await Person.come(server, "app-1", level=5, client_id="listener", properties=limits)
    await listener.listen("t", qos=1)

    for payload in (b"1", b"2" * 100, b"3", b"4"):
        await speaker.say("t", payload)

    heard = [await listener.expect(Publish) for _ in range(2)]
    assert [each.payload for each in heard] == [b"1", b"3"]
    await listener.send(Subscribe(5, [("other", 0)]))
    assert isinstance(await listener.receive(), Suback)  # nothing more until it acknowledges
    await listener.send(Puback(heard[0].packet_id or 0))
    assert (await listener.hear()).payload == b"4"


async def test_what_the_server_does_not_offer_it_says_and_refuses(server: TestServer) -> None:
    person = await Person.come(server, "app-1", level=5)
    assert person.connack.properties[Property.SHARED_SUBSCRIPTION_AVAILABLE] == 0
    assert person.connack.properties[Property.SUBSCRIPTION_IDENTIFIER_AVAILABLE] == 0
    assert Property.TOPIC_ALIAS_MAXIMUM not in person.connack.properties

    assert await person.listen("$share/g/t") == [0x9E]
    await person.send(Subscribe(1, [("t", 0)], {Property.SUBSCRIPTION_IDENTIFIER: [3]}))
    assert await person.expect(Disconnect) == Disconnect(0xA1)

    person = await Person.come(server, "app-1", level=5)
    await person.send(Publish("t", b"", properties={Property.TOPIC_ALIAS: 1}))
    assert await person.expect(Disconnect) == Disconnect(0x94)


async def test_a_client_without_an_id_comes_back_by_the_one_that_it_was_given(server: TestServer) -> None:
    person = await Person.come(server, "app-1", level=5, client_id="", stays=True)
    other = await Person.come(server, "app-1", level=5, client_id="", stays=True)
    given = person.connack.properties[Property.ASSIGNED_CLIENT_IDENTIFIER]
    assert given != other.connack.properties[Property.ASSIGNED_CLIENT_IDENTIFIER]

    back = await Person.come(server, "app-1", level=5, client_id=given, stays=True)

    assert back.connack.session_present
    assert await person.expect(Disconnect) == Disconnect(0x8E)
    await Person.come(server, "app-1", level=5, client_id=given, clean=True)
