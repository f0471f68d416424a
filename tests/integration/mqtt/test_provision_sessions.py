"""Sessions that may only provision, over a real socket (ThingsBoard contract 2.6)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.harness import (
    REQUEST_TOPIC,
    RESPONSE_TOPIC,
    MqttPeer,
    Profile,
    TestServer,
    provision_over_mqtt,
    running,
)
from tests.integration.mqtt.probe import (
    FAILURE,
    LEVELS,
    NOT_FOUND,
    answers,
    connected,
    door_of,
    request_packet,
    rest,
    token_answer,
    until,
)

from firstboot_plugins.transports.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet_log")]

levels = pytest.mark.parametrize("level", LEVELS)
CONNACK = {3: b"\x20\x02\0\0", 4: b"\x20\x02\0\0", 5: b"\x20\x03\0\0\0"}
UNKNOWN = {"provisionDeviceKey": "nobody's", "provisionDeviceSecret": "nothing"}


async def alive(peer: MqttPeer) -> None:
    """Fail unless the next thing that the server says is the answer to a ping."""
    await peer.send(Pingreq())
    await peer.expect(Pingresp)


# -- CONNECT ---------------------------------------------------------------------------------------


@levels
@pytest.mark.parametrize(
    "who",
    [
        {"client_id": "", "username": "provision"},
        {"client_id": "provision"},
        {"client_id": "provision", "username": "provision", "password": b"whatever"},
        {"client_id": "c", "username": "provision", "password": b"\xff"},
        {"client_id": "provision", "username": "somebody"},
        {"client_id": "", "username": "provision", "clean_start": False},
        {"client_id": "provision", "will": Will("a/b", b"gone", 1, True)},
    ],
)
async def test_pm1_pm2_pm3_either_name_opens_a_provision_session_at_once(
    shared: TestServer, level: int, who: dict[str, object]
) -> None:
    peer = await shared.peer(Connect(level, **who))  # type: ignore[arg-type]

    # Session Present 0 (contract, section 7) and no properties, byte for byte.
    assert await peer.reader.readexactly(len(CONNACK[level])) == CONNACK[level]
    await alive(peer)
    await peer.close()


@levels
@pytest.mark.parametrize("name", ["Provision", "provision ", "provisio", "PROVISION"])
async def test_pm1_a_similar_name_is_an_ordinary_login(shared: TestServer, level: int, name: str) -> None:
    peer = await shared.peer(Connect(level, name, username=name))

    assert (await peer.expect(Connack)).reason == (0x86 if level == 5 else 5)
    await peer.close()


async def test_pm1_the_name_wins_over_credentials_that_are_valid(shared: TestServer, demo: Profile) -> None:
    answer = await provision_over_mqtt(shared, demo.request("pm1-named", token="pm1-token"))
    assert answer["status"] == "SUCCESS"

    peer = await connected(shared, Connect(5, "provision", username="pm1-token"))

    # A device's session would announce its terms; and it answers provisioning requests.
    assert (await peer.provision(UNKNOWN))["status"] == "NOT_FOUND"
    await peer.close()


# -- SUBSCRIBE and the rest ------------------------------------------------------------------------


@levels
async def test_pm5_only_the_response_topic_may_be_subscribed_to(shared: TestServer, level: int) -> None:
    refused = 0x8F if level == 5 else 0x80
    peer = await shared.provision_peer(level)
    others = [
        "provision/response", "/provision/response/", "/provision/request", "#", "/#", "+/+/+", "/provision/+",
        "/provision/#", "$SYS/#", "$share/g//provision/response", "/provision/Response", "v1/devices/me/#",
    ]  # fmt: skip

    await peer.send(Subscribe(7, [(others[0], 0), (RESPONSE_TOPIC, 2), *((other, 1) for other in others[1:])]))

    suback = await peer.expect(Suback)
    assert suback.packet_id == 7
    assert suback.reasons == [refused, 1, *[refused] * (len(others) - 1)]
    await peer.close()


@levels
@pytest.mark.parametrize(("asked", "granted"), [(0, 0), (1, 1), (2, 1)])
async def test_pm5_pm9_the_granted_qos_is_the_qos_of_the_answer(
    shared: TestServer, level: int, asked: int, granted: int
) -> None:
    peer = await shared.provision_peer(level)

    assert await peer.subscribe(qos=asked) == granted
    await peer.send(request_packet(UNKNOWN))

    answer = await peer.expect(Publish)
    assert (answer.qos, answer.payload) == (granted, NOT_FOUND)
    await peer.close()


@levels
async def test_pm9_without_a_subscription_the_answer_comes_with_qos_1(shared: TestServer, level: int) -> None:
    peer = await shared.provision_peer(level)
    await peer.send(request_packet(UNKNOWN))
    first = await peer.expect(Publish)

    await peer.subscribe(qos=0)
    await peer.send(Unsubscribe(2, [RESPONSE_TOPIC]))
    await peer.expect(Unsuback)
    await peer.send(request_packet(UNKNOWN))

    assert (first.qos, (await peer.expect(Publish)).qos) == (1, 1)
    await peer.close()


@levels
async def test_pm6_unsubscribe_is_answered_for_each_filter(shared: TestServer, level: int) -> None:
    peer = await shared.provision_peer(level)
    await peer.subscribe()

    await peer.send(Unsubscribe(8, [RESPONSE_TOPIC, "other", RESPONSE_TOPIC]), Unsubscribe(9, ["#"]))

    first, second = await peer.expect(Unsuback), await peer.expect(Unsuback)
    assert (first.packet_id, second.packet_id) == (8, 9)
    if level == 5:
        assert (first.reasons, second.reasons) == ([0x00, 0x11, 0x11], [0x11])
    await peer.close()


@levels
async def test_pm7_ping_is_answered_and_disconnect_closes(shared: TestServer, level: int) -> None:
    peer = await shared.provision_peer(level)

    await peer.send(Pingreq(), Disconnect())

    # Version 5: the server says DISCONNECT 0x00 itself before it closes.
    assert await rest(peer) == b"\xd0\0" + (b"\xe0\0" if level == 5 else b"")


@levels
async def test_pm7_other_packets_are_ignored(shared: TestServer, level: int) -> None:
    peer = await shared.provision_peer(level)

    await peer.send(Puback(9), Pubrec(9), Pubrel(9), Pubcomp(9))
    if level == 5:
        await peer.send(Auth(0x18, {Property.AUTHENTICATION_METHOD: "SCRAM"}))

    await alive(peer)
    await peer.close()


# -- PUBLISH ---------------------------------------------------------------------------------------


@levels
@pytest.mark.parametrize(
    "topic", ["provision/request", "/provision/request/", RESPONSE_TOPIC, "v1/devices/me/telemetry", "$SYS/x"]
)
async def test_pm4_pm8_a_publish_elsewhere_is_acknowledged_and_ends_the_session(
    shared: TestServer, level: int, topic: str
) -> None:
    by_qos = {}
    for qos in (0, 1, 2):
        peer = await shared.provision_peer(level)
        await peer.send(Publish(topic, b"{}", qos=qos, packet_id=0x1234 if qos else None))
        by_qos[qos] = await rest(peer)

    acknowledgement = b"\x40\x03\x12\x34\x90" if level == 5 else b"\x40\x02\x12\x34"
    farewell = b"\xe0\x01\x90" if level == 5 else b""
    assert by_qos == {0: farewell, 1: acknowledgement + farewell, 2: acknowledgement + farewell}


@levels
async def test_pm10_the_acknowledgement_comes_before_the_answer_and_says_nothing_about_it(
    shared: TestServer, level: int, demo: Profile
) -> None:
    peer = await shared.provision_peer(level)
    requests = [UNKNOWN, demo.request(" "), demo.request(f"pm10-{level}", token=f"pm10-{level}")]

    for packet_id, request in enumerate(requests, 40):
        await peer.send(request_packet(request, 1, packet_id))

    received = await answers(peer, 6)
    acknowledgements, responses = received[::2], received[1::2]
    assert acknowledgements == [Puback(packet_id, 0) for packet_id in (40, 41, 42)]
    assert [response.payload for response in responses] == [  # type: ignore[union-attr]
        NOT_FOUND, FAILURE, token_answer(f"pm10-{level}")
    ]  # fmt: skip
    await peer.close()


@levels
async def test_pm10_qos_0_has_no_acknowledgement_and_qos_2_has_puback(shared: TestServer, level: int) -> None:
    peer = await shared.provision_peer(level)

    await peer.send(request_packet(UNKNOWN, 0))
    await peer.send(request_packet(UNKNOWN, 2, 77))

    first, acknowledgement, second = await answers(peer, 3)
    assert isinstance(first, Publish)
    assert acknowledgement == Puback(77, 0)
    assert isinstance(second, Publish)
    await peer.close()


@levels
async def test_pm11_answers_are_plain_messages_numbered_from_1(shared: TestServer, level: int) -> None:
    peer = await shared.provision_peer(level)
    properties = {Property.RESPONSE_TOPIC: "elsewhere", Property.CORRELATION_DATA: b"42"} if level == 5 else {}

    for _ in range(3):
        await peer.send(Publish(REQUEST_TOPIC, json.dumps(UNKNOWN).encode(), retain=True, properties=properties))

    assert await answers(peer, 3) == [
        Publish(RESPONSE_TOPIC, NOT_FOUND, qos=1, retain=False, dup=False, packet_id=number)
        for number in (1, 2, 3)
    ]
    await peer.close()


@levels
async def test_pm11_the_whole_exchange_byte_by_byte(shared: TestServer, level: int) -> None:
    peer = await shared.provision_peer(level)
    no_properties = b"\0" if level == 5 else b""
    body = b"\0\x13/provision/response" + b"\0\1" + no_properties + NOT_FOUND

    await peer.send(request_packet(UNKNOWN, 1, 0x0102))

    expected = b"\x40\x02\x01\x02" + b"\x32" + bytes((len(body),)) + body
    assert await peer.reader.readexactly(len(expected)) == expected
    await peer.close()


@levels
async def test_what_a_client_asked_for_before_it_left_is_done(
    shared: TestServer, level: int, demo: Profile
) -> None:
    peer = await shared.provision_peer(level)

    await peer.send(request_packet(demo.request(f"left-{level}")), Disconnect())
    await rest(peer)
    door = door_of(shared)
    await until(lambda: not door._tasks)

    assert await shared.device(f"left-{level}") is not None


@levels
async def test_pv9_a_request_that_is_sent_again_on_the_connection_gets_the_same_answer(
    shared: TestServer, level: int, demo: Profile
) -> None:
    peer = await shared.provision_peer(level)
    request = demo.request(f"pv9-{level}")

    await peer.send(request_packet(request, 1, 5), request_packet(request, 1, 5, dup=True))
    first, second = (await answers(peer, 4))[1::2]
    await peer.send(request_packet(request, 1, 6, dup=True), request_packet(request, 1, 6))
    third, fourth = (await answers(peer, 4))[1::2]

    payloads = [answer.payload for answer in (first, second, third, fourth)]  # type: ignore[union-attr]
    assert json.loads(payloads[0])["status"] == "SUCCESS"
    assert payloads[1] == payloads[0]
    # Another packet id is another request, whatever its DUP flag says.
    assert payloads[2:] == [FAILURE, FAILURE]
    await peer.close()


# -- time ------------------------------------------------------------------------------------------


@levels
async def test_pm12_a_session_ends_some_time_after_its_answer_without_a_word(tmp_path: Path, level: int) -> None:
    async with running(tmp_path, mqtt={"provision_linger": "60s"}) as server:
        door = door_of(server)
        asking, silent = await server.provision_peer(level), await server.provision_peer(level)
        answered_at = door.now()
        await asking.subscribe()
        await asking.provision(UNKNOWN)
        await asking.provision(UNKNOWN)  # more may be asked until then

        for connection in list(door._connections):
            connection.check(answered_at + 59)
        await alive(asking)
        for connection in list(door._connections):
            connection.check(door.now() + 60.1)

        assert await rest(asking) == b""
        await alive(silent)
        await silent.close()


async def test_pm12_a_request_under_way_is_answered_before_the_session_ends(shared: TestServer) -> None:
    peer = await shared.provision_peer()
    await peer.subscribe()
    await peer.provision(UNKNOWN)
    door = door_of(shared)
    (connection,) = [each for each in door._connections if each._linger_until]

    await peer.send(request_packet(UNKNOWN))
    await until(lambda: bool(connection._exchange and connection._exchange.is_busy))
    connection.check(door.now() + 61)  # after its 60 s, before its keep-alive of 91 s

    assert (await peer.expect(Publish)).payload == NOT_FOUND
    await peer.close()
