"""Contract 4.2 over MQTT: a device opens itself for claiming, is told its owner, and takes itself back."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from tests.harness import TestServer, running
from tests.integration.claiming.buyers import Buyer, codes, owner, windows
from tests.integration.thingsboard_device.board import LEVELS, ME, Board

from firstboot.model import CLAIMING_ALLOWED, ClaimOpener, Scope
from firstboot_plugins.transports.mqtt.packets import Disconnect, Puback, Publish, Pubrec

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLAIM = f"{ME}/claim"
RELEASE = f"{ME}/release"
IN_PROTOBUF = bytes.fromhex("0a0576616c756510e0d403")
"""The contract's example: ``value`` for 60000 ms."""


async def open_for_ms(board: Board) -> int:
    """Return for how long the device's only window is open in all."""
    (window,) = await windows(board)
    return window.expires_at_ms - window.opened_at_ms


# -- what is accepted ------------------------------------------------------------------------------


@pytest.mark.asyncio(loop_scope="function")
async def test_4_5_a_device_is_claimed_with_what_it_said_and_both_know(stored: TestServer) -> None:
    board, buyer = await Board.make(stored), await Buyer.make(stored)

    async with board.session(5):
        await board.subscribe(f"{ME}/attributes")
        assert await board.publish(CLAIM, {"secretKey": "value", "durationMs": 60000}) == 0
        (window,) = await windows(board)
        assert window.opened_by is ClaimOpener.DEVICE
        assert window.expires_at_ms - window.opened_at_ms == 60_000

        device = await buyer.claim(board, "value")

        assert device.customer_id == buyer.user.customer_id == await owner(board)
        assert await board.told() == (f"{ME}/attributes", {"claimed": True}, 1)
        assert await windows(board) == []


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_4_2_a_claim_is_acknowledged_as_any_message_is(
    board: Board, buyer: Buyer, level: int, qos: int
) -> None:
    async with board.session(level):
        await board.peer.send(board.message(CLAIM, {"secretKey": "s"}, qos=qos))
        if qos == 1:
            assert (await board.peer.expect(Puback)).reason == 0
        elif qos == 2:
            assert (await board.peer.expect(Pubrec)).reason == 0
        await board.hears_nothing()  # contract, section 7: no PUBACK for QoS 0

    assert (await buyer.claim(board, "s")).customer_id == buyer.user.customer_id


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"secretKey":null,"durationMs":null}'], ids=repr)
async def test_4_2_without_a_secret_the_name_is_enough_for_a_short_time(
    board: Board, buyer: Buyer, payload: bytes
) -> None:
    """CM-4."""
    async with board.session():
        assert await board.publish(CLAIM, payload) == 0

    assert await open_for_ms(board) == 5 * 60_000
    assert (await buyer.claim(board, "")).customer_id == buyer.user.customer_id


@pytest.mark.parametrize(
    ("sent", "opened_for_ms"),
    [
        (60000, 60_000),
        ("60000", 60_000),
        (60000.9, 60_000),
        (0, 86_400_000),
        (-1, 86_400_000),
        (None, 86_400_000),
        (86_400_001, 86_400_000),
    ],
)
async def test_4_1_and_4_2_a_window_is_open_as_long_as_was_said_within_the_bounds(
    board: Board, sent: Any, opened_for_ms: int
) -> None:
    async with board.session():
        assert await board.publish(CLAIM, {"secretKey": "s", "durationMs": sent}) == 0

    assert await open_for_ms(board) == opened_for_ms


async def test_4_2_a_number_as_the_secret_is_its_text(board: Board, buyer: Buyer) -> None:
    async with board.session():
        await board.publish(CLAIM, b'{"secretKey":12345}')

    assert (await buyer.claim(board, "12345")).customer_id == buyer.user.customer_id


async def test_7_the_latest_message_replaces_the_one_before(board: Board, buyer: Buyer) -> None:
    """CL-4, corrected."""
    async with board.session():
        await board.publish(CLAIM, {"secretKey": "first"})
        await board.publish(CLAIM, {"secretKey": "second"})

    assert await buyer.is_refused(board, "first") == "wrong-secret"
    assert (await buyer.claim(board, "second")).customer_id == buyer.user.customer_id


async def test_a_device_that_claims_fifty_times_at_once_has_one_window_with_the_last_secret(
    shared: TestServer, board: Board, buyer: Buyer
) -> None:
    async with board.session(5):
        for number in range(50):
            await board.peer.send(board.message(CLAIM, {"secretKey": f"s{number}"}, qos=0))
        await board.hears_nothing()
        for start in range(0, 50, 10):  # fewer than may be in flight
            for number in range(start, start + 10):
                await board.peer.send(board.message(CLAIM, {"secretKey": f"t{number}"}))
            for _ in range(10):
                assert (await board.peer.expect(Puback)).reason == 0

    assert len(await windows(board)) == 1
    assert await buyer.is_refused(board, "s49") == "wrong-secret"
    assert (await buyer.claim(board, "t49")).customer_id == buyer.user.customer_id


async def test_6_a_session_sees_nothing_of_its_claims_and_none_may_listen(board: Board) -> None:
    async with board.session(5):
        assert await board.subscribe_all((CLAIM, 1), (RELEASE, 1)) == [0x8F, 0x8F]
        await board.publish(CLAIM, {"secretKey": "s"})
        await board.hears_nothing()


# -- what is refused, silently ---------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
async def test_cl_1_and_cl_2_a_device_that_has_an_owner_is_not_told_that_it_is_not_opened(
    board: Board, buyer: Buyer, level: int
) -> None:
    async with board.session(level):
        await board.publish(CLAIM, {"secretKey": "s"})
        await buyer.claim(board, "s")

        assert await board.publish(CLAIM, {"secretKey": "t"}) == 0
        await board.hears_nothing()

    assert await windows(board) == []
    assert await codes(board, "claim-window-refused") == ["already-claimed"]


@pytest.mark.asyncio(loop_scope="function")
async def test_cl_2_where_devices_may_not_the_attribute_lets_one_and_only_as_a_boolean(tmp_path: Path) -> None:
    async with running(tmp_path, claiming={"allow_by_default": False}) as server:
        board = await Board.make(server)
        opened = []
        async with board.session(5):
            for allowed in (None, "true", 1, False, True):
                if allowed is not None:
                    await board.set(Scope.SERVER, {CLAIMING_ALLOWED: allowed})
                assert await board.publish(CLAIM, {"secretKey": "s"}) == 0
                opened.append(len(await windows(board)))

        assert opened == [0, 0, 0, 0, 1]
        assert await codes(board, "claim-window-refused") == ["claiming-not-allowed"] * 4


@pytest.mark.asyncio(loop_scope="function")
async def test_cm_4_where_secrets_are_needed_a_device_without_one_is_not_opened(tmp_path: Path) -> None:
    async with running(tmp_path, claiming={"allow_empty_secret": False}) as server:
        board = await Board.make(server)
        async with board.session(5):
            assert await board.publish(CLAIM, {}) == 0

        assert await windows(board) == []
        assert await codes(board, "claim-window-refused") == ["empty-secret"]


# -- what cannot be read ---------------------------------------------------------------------------

NO_OBJECT = [b"[]", b"null", b"5", b'"s"', b"PRIVATE", b"{", b'{"secretKey":"PRIVATE"', b"\xff"]
BAD_FIELDS = [{"durationMs": "soon"}, {"durationMs": True}, {"secretKey": {"a": "PRIVATE"}}, {"secretKey": []}]
TOO_LONG = {"secretKey": "PRIVATE" * 40}


def in_short(payload: Any) -> str:
    """Return a name for a payload that does not give its secret away: devices are named after their tests."""
    return repr(payload)[:40].replace("PRIVATE", "...")


@pytest.mark.parametrize("payload", [*NO_OBJECT, *BAD_FIELDS, TOO_LONG], ids=in_short)
@pytest.mark.parametrize("level", [3, 4])
@pytest.mark.parametrize("qos", [0, 1])
async def test_4_2_what_cannot_be_read_closes_a_session_of_version_3_without_an_acknowledgement(
    board: Board, level: int, qos: int, payload: Any
) -> None:
    async with board.session(level):
        await board.peer.send(board.message(CLAIM, payload, qos=qos))
        assert await board.peer.expect_closed() == []

    assert await windows(board) == []


@pytest.mark.parametrize("payload", [*NO_OBJECT, TOO_LONG], ids=in_short)
async def test_4_2_what_is_no_object_is_refused_in_version_5_and_the_session_stays(
    board: Board, payload: Any
) -> None:
    async with board.session(5):
        assert await board.publish(CLAIM, payload) == 0x99
        await board.hears_nothing()

    assert await windows(board) == []


@pytest.mark.parametrize("payload", BAD_FIELDS, ids=in_short)
@pytest.mark.parametrize("qos", [0, 1])
async def test_4_2_a_bad_field_ends_a_session_of_version_5_without_an_acknowledgement(
    board: Board, qos: int, payload: Any
) -> None:
    async with board.session(5):
        await board.peer.send(board.message(CLAIM, payload, qos=qos))
        (packet,) = await board.peer.expect_closed()

    assert isinstance(packet, Disconnect)
    assert packet.reason == 0x8B
    assert await windows(board) == []


async def test_a_refused_message_leaves_the_window_before_it_as_it_was(board: Board, buyer: Buyer) -> None:
    async with board.session(5):
        await board.publish(CLAIM, {"secretKey": "good"})
        await board.publish(CLAIM, b"[]")

    assert (await buyer.claim(board, "good")).customer_id == buyer.user.customer_id


async def test_se_5_no_log_and_no_audit_row_has_a_secret(
    board: Board, buyer: Buyer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    for payload in ({"secretKey": "PRIVATE-1"}, *NO_OBJECT, *BAD_FIELDS, TOO_LONG):
        async with board.session(5):
            await board.peer.send(board.message(CLAIM, payload))
            assert await board.peer.receive() is not None
    assert await buyer.is_refused(board, "PRIVATE-2") == "wrong-secret"

    assert "a message of a device was refused" in caplog.messages
    assert "PRIVATE" not in caplog.text + repr([vars(record) for record in caplog.records])
    assert "PRIVATE" not in repr(await board.server.audit())
    assert "PRIVATE" not in repr(await windows(board))


# -- protobuf --------------------------------------------------------------------------------------


async def speaking_protobuf(server: TestServer, name: str, **more: Any) -> Board:
    payloads = {"transportPayloadType": "PROTOBUF", **more}
    transport = {"type": "MQTT", "transportPayloadTypeConfiguration": payloads}
    details = {"transportType": "MQTT", "transportConfiguration": transport}
    return await Board.make(server, name, await server.profile(f"profile of {name}", details=details))


@pytest.mark.parametrize("level", LEVELS)
async def test_4_2_a_device_of_a_protobuf_profile_speaks_protobuf(
    shared: TestServer, buyer: Buyer, level: int
) -> None:
    board = await speaking_protobuf(shared, f"protobuf {level}")

    async with board.session(level):
        assert await board.publish(CLAIM, IN_PROTOBUF) == 0

    assert await open_for_ms(board) == 60_000
    assert (await buyer.claim(board, "value")).customer_id == buyer.user.customer_id


async def test_4_2_a_device_of_a_protobuf_profile_does_not_speak_json(shared: TestServer) -> None:
    board = await speaking_protobuf(shared, "protobuf alone")

    async with board.session(5):
        assert await board.publish(CLAIM, {"secretKey": "value"}) == 0x99
        assert await board.publish(CLAIM, b"") == 0

    assert await open_for_ms(board) == 5 * 60_000


async def test_4_2_with_compatibility_a_device_of_a_protobuf_profile_speaks_both(
    shared: TestServer, buyer: Buyer
) -> None:
    board = await speaking_protobuf(shared, "both", enableCompatibilityWithJsonPayloadFormat=True)

    async with board.session(5):
        assert await board.publish(CLAIM, IN_PROTOBUF) == 0
        assert await board.publish(CLAIM, {"secretKey": "in JSON"}) == 0

    assert (await buyer.claim(board, "in JSON")).customer_id == buyer.user.customer_id


async def test_4_2_protobuf_is_not_guessed(board: Board) -> None:
    async with board.session(5):
        assert await board.publish(CLAIM, IN_PROTOBUF) == 0x99


# -- release by the device -------------------------------------------------------------------------


async def resettable(server: TestServer, name: str) -> Board:
    return await Board.make(server, name, await server.profile(f"profile of {name}", release_by_device=True))


@pytest.mark.asyncio(loop_scope="function")
async def test_a_device_that_was_reset_takes_itself_from_its_owner(stored: TestServer) -> None:
    board, buyer, next_buyer = (
        await resettable(stored, "d"),
        await Buyer.make(stored),
        await Buyer.make(stored, "2"),
    )

    async with board.session(5):
        await board.subscribe(f"{ME}/attributes")
        await board.publish(CLAIM, {"secretKey": "s"})
        await buyer.claim(board, "s")
        assert (await board.told())[1] == {"claimed": True}

        assert await board.publish(RELEASE, b"") == 0
        assert (await board.told())[1] == {"claimed": False}
        assert await owner(board) is None
        await board.publish(CLAIM, {"secretKey": "t"})

    assert (await next_buyer.claim(board, "t")).customer_id == next_buyer.user.customer_id
    assert await codes(board, "device-released") == ["ok"]


@pytest.mark.parametrize("payload", [b"", b"{}"], ids=repr)
@pytest.mark.parametrize("level", LEVELS)
async def test_a_release_twice_or_without_an_owner_is_as_good(
    shared: TestServer, level: int, payload: bytes
) -> None:
    board = await resettable(shared, f"unowned {level} {payload!r}")

    async with board.session(level):
        assert [await board.publish(RELEASE, payload) for _ in range(2)] == [0, 0]

    assert await owner(board) is None


@pytest.mark.parametrize("level", LEVELS)
async def test_a_release_that_the_profile_does_not_allow_is_refused_and_the_owner_stays(
    board: Board, buyer: Buyer, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async with board.session(level):
        await board.publish(CLAIM, {"secretKey": "s"})
        await buyer.claim(board, "s")
        assert await board.publish(RELEASE, {}) == (0x87 if level == 5 else 0)
        await board.peer.send(board.message(RELEASE, {}, qos=0))
        await board.hears_nothing()

    assert await owner(board) == buyer.user.customer_id
    assert "a message of a device was refused" in caplog.messages


async def test_a_release_that_says_something_is_refused_and_the_owner_stays(
    shared: TestServer, buyer: Buyer
) -> None:
    board = await resettable(shared, "talkative")

    async with board.session(5):
        await board.publish(CLAIM, {"secretKey": "s"})
        await buyer.claim(board, "s")
        for payload in (b'{"secretKey":"s"}', b"[]", b"x"):
            assert await board.publish(RELEASE, payload) == 0x99

    assert await owner(board) == buyer.user.customer_id


async def test_mq_8_a_device_claims_and_releases_nobody_but_itself(shared: TestServer, buyer: Buyer) -> None:
    mine, other = await resettable(shared, "mine"), await resettable(shared, "other")
    async with other.session(5):
        await other.publish(CLAIM, {"secretKey": "s"})
        await buyer.claim(other, "s")

    async with mine.session(5):
        for topic in ("v1/devices/other/claim", f"v1/devices/{other.device.public_id}/release"):
            assert await mine.publish(topic, {}) == 0x90
        assert await mine.publish(RELEASE, {}) == 0

    assert await owner(other) == buyer.user.customer_id


async def test_pv_9_a_message_that_comes_twice_does_no_harm(board: Board, buyer: Buyer) -> None:
    async with board.session():
        sent = board.message(CLAIM, {"secretKey": "s"})
        again = Publish(sent.topic, sent.payload, qos=1, packet_id=sent.packet_id, dup=True)
        await board.peer.send(sent, again)
        assert [(await board.peer.expect(Puback)).packet_id for _ in range(2)] == [sent.packet_id] * 2

    assert (await buyer.claim(board, "s")).customer_id == buyer.user.customer_id
