"""DA-1, DA-2, DA-4: what is granted, acknowledged and refused, and with which quality of service."""

from __future__ import annotations

import logging
from asyncio import create_task
from datetime import timedelta

import pytest
from tests.harness import TestServer
from tests.integration.thingsboard_device.board import LEVELS, ME, Answers, Board, failing

from firstboot.errors import NotFound, Unavailable
from firstboot.model import Scope
from firstboot_plugins.transports.mqtt.packets import Disconnect, Pingreq, Pingresp, Puback, Publish

pytestmark = pytest.mark.asyncio(loop_scope="module")

SDK_FILTERS = [f"{ME}/attributes", f"{ME}/attributes/response/+", f"{ME}/rpc/request/+", f"{ME}/rpc/response/+"]
GATEWAY_FILTERS = ["v1/gateway/attributes", "v1/gateway/attributes/response", "v1/gateway/rpc"]


# -- subscriptions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
async def test_da_4_what_the_sdk_and_a_gateway_subscribe_to_is_granted(board: Board, level: int) -> None:
    async with board.session(level):
        granted = await board.subscribe_all(*((each, 1) for each in SDK_FILTERS + GATEWAY_FILTERS))

    assert granted == [1] * 7


@pytest.mark.parametrize(("qos", "granted"), [(0, 0), (1, 1), (2, 1)])
async def test_da_1_more_than_qos_1_is_not_granted(board: Board, qos: int, granted: int) -> None:
    async with board.session():
        assert await board.subscribe(f"{ME}/attributes", qos) == granted


@pytest.mark.parametrize(("level", "refused"), [(3, 0x80), (4, 0x80), (5, 0x8F)])
async def test_da_1_and_mq_8_any_other_filter_is_refused_and_the_session_stays(
    board: Board, level: int, refused: int
) -> None:
    filters = [
        "v1/#",
        "v2/#",
        "v1/devices/+/attributes",
        f"{ME}/#",
        "/provision/response",
        "v2/a/p",
        f"{ME}/telemetry",
    ]

    async with board.session(level):
        assert await board.subscribe_all(*((each, 1) for each in filters)) == [refused] * len(filters)
        await board.peer.send(Pingreq())
        await board.peer.expect(Pingresp)


@pytest.mark.parametrize(("qos", "told"), [(0, 0), (1, 1), (2, 1)])
async def test_da_1_a_message_has_the_qos_of_its_subscription(board: Board, qos: int, told: int) -> None:
    async with board.session():
        await board.subscribe_all(*((each, qos) for each in SDK_FILTERS))

        await board.set(Scope.SHARED, {"c": 1})
        assert (await board.told())[2] == told
        await board.publish(f"{ME}/attributes/request/1", {})
        assert (await board.told())[2] == told
        await board.publish(f"{ME}/rpc/request/1", {"method": "echo"})
        assert (await board.told())[2] == told


async def test_da_1_without_a_subscription_answers_come_with_qos_1_and_news_not_at_all(board: Board) -> None:
    async with board.session():
        await board.set(Scope.SHARED, {"c": 1})

        await board.publish(f"{ME}/attributes/request/1", {})
        assert await board.told() == (f"{ME}/attributes/response/1", {"shared": {"c": 1}}, 1)
        await board.publish("v2/r/req/2", {"method": "echo", "params": 1})
        assert await board.told() == ("v2/r/res/2", {"echo": 1}, 1)


async def test_6_a_device_with_two_spellings_is_told_once_by_the_one_it_subscribed_last(board: Board) -> None:
    async with board.session():
        await board.subscribe_all((f"{ME}/attributes", 1), ("v2/a", 0))

        await board.set(Scope.SHARED, {"c": 1})
        assert await board.told() == ("v2/a", {"c": 1}, 0)
        await board.unsubscribe("v2/a")
        await board.set(Scope.SHARED, {"c": 2})
        assert await board.told() == (f"{ME}/attributes", {"c": 2}, 1)
        await board.unsubscribe(f"{ME}/attributes")
        await board.set(Scope.SHARED, {"c": 3})
        await board.hears_nothing()


async def test_a_session_that_has_ended_listens_no_more(board: Board) -> None:
    downlinks = board.server.services.downlinks
    again = Board(board.server, board.device, board.token)

    async with board.session():
        await board.subscribe(f"{ME}/attributes")
        await board.hears_nothing()
        assert downlinks.is_listening(board.device.id)
        async with again.session():  # takes over
            await again.subscribe(f"{ME}/rpc/request/+")
            await again.hears_nothing()
            assert downlinks.is_listening(board.device.id)
            await again.unsubscribe(f"{ME}/rpc/request/+")
            assert not downlinks.is_listening(board.device.id)


# -- publishing ------------------------------------------------------------------------------------

UNKNOWN = ["v1/devices/me/nope", f"{ME}/attributes/request/x", f"{ME}/rpc/request/", "v2/x",
           "v1/devices/you/telemetry",
           "/provision/request", "v1/x"]  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
async def test_da_1_an_unknown_topic_is_acknowledged_and_the_session_stays(board: Board, level: int) -> None:
    async with board.session(level):
        for topic in UNKNOWN:
            assert await board.publish(topic, {}) == (0x90 if level == 5 else 0)
        await board.hears_nothing()


@pytest.mark.parametrize("level", LEVELS)
async def test_7_what_a_gateway_says_of_others_is_refused_aloud(
    board: Board, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async with board.session(level):
        for topic in ("connect", "disconnect", "telemetry", "attributes", "attributes/request", "rpc"):
            assert await board.publish(f"v1/gateway/{topic}", {"device": "A"}) == (0x90 if level == 5 else 0)
        await board.hears_nothing()

    assert "a message of a device was refused" in caplog.messages


BAD = [
    (f"{ME}/telemetry", b"no json"),
    (f"{ME}/telemetry", b"5"),
    (f"{ME}/telemetry", b'{"ts":-1,"values":{"t":1}}'),
    (f"{ME}/telemetry", b'{" ":1}'),
    (f"{ME}/attributes", b"[1]"),
    (f"{ME}/attributes/request/1", b'{"clientKeys":1}'),
    (f"{ME}/rpc/request/1", b"{}"),
    (f"{ME}/rpc/response/1", b"\xff"),
    ("v2/t/p", b"\x0a\x00"),
    ("v2/a/p", b"{}"),
    ("v2/r/req/p/1", b""),
]


@pytest.mark.parametrize(("topic", "payload"), BAD)
async def test_da_2_version_5_is_told_of_a_bad_payload_and_the_session_stays(
    board: Board, topic: str, payload: bytes
) -> None:
    async with board.session(5):
        assert await board.publish(topic, payload) == 0x99
        await board.hears_nothing()


@pytest.mark.parametrize("level", [3, 4])
@pytest.mark.parametrize(("topic", "payload"), BAD)
async def test_da_2_version_3_is_closed_after_a_bad_payload(
    board: Board, level: int, topic: str, payload: bytes
) -> None:
    async with board.session(level):
        await board.peer.send(board.message(topic, payload))

        assert await board.peer.expect_closed() == []


async def test_da_2_version_5_is_told_in_its_disconnect_when_there_is_no_acknowledgement(board: Board) -> None:
    async with board.session(5):
        await board.peer.send(board.message(f"{ME}/telemetry", b"x", qos=0))

        assert await board.peer.expect_closed() == [Disconnect(0x99)]


async def test_da_2_the_operator_learns_why_and_no_value_is_in_the_log(
    board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "firstboot_plugins.dialects")

    async with board.session(5):
        for _ in range(50):
            await board.publish(f"{ME}/telemetry", b'{"ts":"S3CRET","values":{}}')

    lines = [record for record in caplog.records if record.message == "a message of a device was refused"]
    assert len(lines) == 10  # one device does not fill the log
    assert (lines[0].device, lines[0].topic) == (board.device.name, f"{ME}/telemetry")  # type: ignore[attr-defined]
    assert "S3CRET" not in "".join(str(vars(line)) for line in lines)


async def test_a_message_of_qos_0_is_stored_and_not_acknowledged(board: Board) -> None:
    async with board.session(5):
        await board.peer.send(board.message(f"{ME}/telemetry", {"t": 1}, qos=0))
        await board.hears_nothing()

    assert (await board.latest())["t"][1] == 1


# -- when the storage is away ----------------------------------------------------------------------


@pytest.mark.parametrize("level", [3, 4])
async def test_version_3_gets_no_acknowledgement_for_what_is_not_on_disk(
    board: Board, level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, board.server.services.telemetry, Unavailable("away")):
        async with board.session(level):
            await board.peer.send(board.message(f"{ME}/telemetry", {"t": 1}))

            assert await board.peer.expect_closed() == []


async def test_version_5_is_told_of_what_is_not_on_disk(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    with failing(monkeypatch, board.server.services.telemetry, Unavailable("away")):
        async with board.session(5):
            assert await board.publish(f"{ME}/telemetry", {"t": 1}) == 0x83
            await board.peer.send(board.message(f"{ME}/telemetry", {"t": 1}, qos=0))
            await board.hears_nothing()


async def test_a_device_that_was_deleted_meanwhile_is_sent_away(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, board.server.services.attributes, NotFound("gone")):
        async with board.session(5):
            message = board.message(f"{ME}/attributes", {"t": 1})
            await board.peer.send(message)

            assert message.packet_id is not None
            assert await board.peer.expect_closed() == [Puback(message.packet_id, 0x87), Disconnect(0x87)]


# -- calls -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["unknown", "fail"])
async def test_6_a_call_that_nobody_answers_is_told_so_at_once(board: Board, method: str) -> None:
    async with board.session():
        await board.publish(f"{ME}/rpc/request/9", {"method": method, "params": {}})

        assert await board.told() == (f"{ME}/rpc/response/9", {"error": "timeout"}, 1)


async def test_pv_9_a_call_that_is_sent_again_is_answered_again_and_not_made_again(
    board: Board, plugin: Answers
) -> None:
    async with board.session():
        message = board.message(f"{ME}/rpc/request/1", {"method": "echo", "params": 1})
        again = Publish(message.topic, message.payload, qos=1, packet_id=message.packet_id, dup=True)
        for packet in (message, again):
            await board.peer.send(packet)
            await board.peer.expect(Puback)
            assert await board.told() == (f"{ME}/rpc/response/1", {"echo": 1}, 1)

    assert plugin.asked_by(board) == [("echo", 1)]


async def test_6_a_call_of_qos_0_is_answered_without_an_acknowledgement(board: Board) -> None:
    async with board.session():
        await board.peer.send(board.message(f"{ME}/rpc/request/3", {"method": "echo", "params": 1}, qos=0))

        assert await board.told() == (f"{ME}/rpc/response/3", {"echo": 1}, 1)


@pytest.mark.parametrize("level", LEVELS)
async def test_da_3_a_device_learns_the_limits_of_its_session(board: Board, level: int) -> None:
    async with board.session(level):
        await board.publish(f"{ME}/rpc/request/1", {"method": "getSessionLimits", "params": {"timeout": 5000}})
        answer = await board.told()

    rates = {"messages": "50:1,3000:60", "telemetryMessages": None, "telemetryDataPoints": None}
    assert answer == (
        f"{ME}/rpc/response/1", {"maxPayloadSize": 65536, "maxInflightMessages": 20, "rateLimits": rates}, 1,
    )  # fmt: skip


async def test_da_3_a_gateway_learns_the_limits_of_its_devices_too(shared: TestServer) -> None:
    profile = await shared.profile("gateways")
    token = (await shared.post(profile.request("gw", gateway=True)))["credentialsValue"]
    device = await shared.device("gw")
    assert device is not None

    async with Board(shared, device, token).session(5) as board:
        await board.publish(f"{ME}/rpc/request/1", {"method": "getSessionLimits", "params": {}})
        limits = (await board.told())[1]

    assert list(limits) == ["maxPayloadSize", "maxInflightMessages", "rateLimits", "gatewayRateLimits"]
    assert limits["gatewayRateLimits"] == limits["rateLimits"]


async def test_a_call_waits_for_a_device_and_comes_after_its_suback(board: Board) -> None:
    call = create_task(
        board.server.services.rpc.call(
            board.device.ref, "m", 1, timeout=timedelta(seconds=10), one_way=True, actor="test"
        )
    )

    async with board.session():
        assert await board.subscribe(f"{ME}/rpc/request/+") == 1
        topic, content, _ = await board.told()

        assert content == {"method": "m", "params": 1}
        assert (await call).value is None
        # A late or made-up answer is acknowledged, and changes nothing.
        assert await board.publish(topic.replace("request", "response"), {}) == 0
        assert await board.publish(f"{ME}/rpc/response/123456", {}) == 0


async def test_mq_8_a_device_cannot_answer_for_another(shared: TestServer) -> None:
    called, other = await Board.make(shared, "called"), await Board.make(shared, "other")
    call = create_task(called.called("m", 1))

    async with called.session(), other.session():
        await other.subscribe(f"{ME}/rpc/request/+")
        await called.subscribe(f"{ME}/rpc/request/+")
        topic, _, _ = await called.told()
        answer_topic = topic.replace("request", "response")
        await other.publish(answer_topic, "forged")
        await other.hears_nothing()
        await called.publish(answer_topic, "true")

        assert await call == "true"
