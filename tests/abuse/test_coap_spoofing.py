"""What may be sent over UDP in somebody else's name, and what one datagram may cost (threats CO-1 to CO-4)."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from tests.abuse.test_coap import bound_peer
from tests.harness import TestServer, running
from tests.integration.coap.raw_coap import OBSERVE, PROVISION, CoapPeer, block, coap_peer, coap_request
from tests.integration.thingsboard_device.board import Board

from firstboot import throttle
from firstboot.model import ReprovisionPolicy, Scope
from firstboot_plugins.transports.coap.messages import MAX_OPTIONS, Code, Message, Option, Type, empty

TOKEN = b"spoofed"


@pytest.fixture
async def board(server: TestServer) -> Board:
    board = await Board.make(server)
    await board.set(Scope.SHARED, {f"key-{number}": "v" * 100 for number in range(100)})
    return board


async def begun(peer: CoapPeer, board: Board) -> Message:
    """Register in somebody's name; return the answer, which somebody gets."""
    peer.send(coap_request(Code.GET, f"api/v1/{board.token}/rpc", token=TOKEN, options=OBSERVE))
    while (answer := await peer.hear()).code == Code.EMPTY:
        pass
    assert answer.type is Type.CON
    return answer


async def ratio(peer: CoapPeer, board: Board) -> float:
    """Return by how much a request is answered with more bytes than it has."""
    sent = peer.send(coap_request(Code.GET, f"api/v1/{board.token}/attributes", message_id=2, token=b"large"))
    got = 0
    while True:
        data = await peer.receive()
        got += len(data)
        if data[1] != Code.EMPTY and data[4:9] == b"large":
            return got / sent


@pytest.mark.parametrize("type_", [Type.ACK, Type.RST])
async def test_co_1_whoever_acknowledges_or_rejects_an_answer_may_not_have_asked(
    server: TestServer, board: Board, type_: Type
) -> None:
    """As the machine does in whose name the request was sent, if CoAP is spoken there."""
    async with coap_peer(server.coap_port) as victim:
        answer = await begun(victim, board)
        victim.send(empty(type_, answer.id))

        assert await ratio(victim, board) <= 3


async def test_co_1_whoever_answers_an_empty_message_may_not_have_asked(tmp_path: Path) -> None:
    """Every machine that speaks CoAP does so, whatever it is in whose name."""
    begin = (Option.BLOCK1, block(0, True, 0))
    async with running(tmp_path, coap={"max_uploads": 1}) as server, coap_peer(server.coap_port) as victim:
        board = await Board.make(server)
        await board.set(Scope.SHARED, {"key": "v" * 1000})
        async with bound_peer(server.coap_port, "127.1.2.1") as other:
            await other.ask(Code.POST, PROVISION, bytes(16), options=(begin,))
        victim.send(coap_request(Code.POST, PROVISION, bytes(16), token=TOKEN, options=(begin,)))
        asked = await victim.hear()
        victim.send(empty(Type.RST, asked.id))
        begun_for_it = await victim.answer(TOKEN)

        assert (asked.type, asked.code) == (Type.CON, Code.EMPTY)
        assert begun_for_it.code == Code.CONTINUE
        assert await ratio(victim, board) <= 3


async def test_co_1_the_blocks_of_news_cannot_be_had_in_somebody_else_s_name(
    server: TestServer, board: Board
) -> None:
    """A machine that acknowledges what it has not asked for is sent one message for each acknowledgement."""
    path = f"api/v1/{board.token}/attributes"
    async with coap_peer(server.coap_port) as victim:
        victim.send(coap_request(Code.GET, path, token=TOKEN, options=OBSERVE))
        await victim.answer(TOKEN)
        await board.set(Scope.SHARED, {"news": "n" * 2000})
        await victim.answer(TOKEN)
        second = (Option.BLOCK2, block(1, False, 6))
        victim.send(coap_request(Code.GET, path, message_id=2, token=b"large", options=(second,)))
        refused = await victim.answer(b"large")

    assert refused.code == Code.UNAUTHORIZED
    assert refused.first(Option.ECHO) is not None


async def test_pv_6_a_delivery_is_not_confirmed_by_guessing(server: TestServer) -> None:
    profile = await server.profile("retry", reprovision=ReprovisionPolicy.RETRY)
    async with coap_peer(server.coap_port) as spoofed:
        body = b'{"deviceName":"m","provisionDeviceKey":"%s","provisionDeviceSecret":"%s"}' % (
            profile.key.encode(), profile.secret.encode(),
        )  # fmt: skip
        spoofed.send(coap_request(Code.POST, PROVISION, body, token=TOKEN))
        while (answer := await spoofed.hear()).code == Code.EMPTY:
            pass
        for distance in range(-20, 21):
            spoofed.send(empty(Type.ACK, (answer.id + distance) % (1 << 16)))
        await spoofed.ping()
        again = await spoofed.hear()
        device = await server.device("m")

    assert answer.type is Type.CON
    assert again == answer  # the server still waits for its acknowledgement
    assert device is not None
    assert device.delivered_at_ms is None


async def test_co_3_a_slow_device_is_heard_however_late_its_sign_of_life_comes(tmp_path: Path) -> None:
    """Its radio takes longer than the server waits: what it has asked for was refused, and it asks again."""
    begin = (Option.BLOCK1, block(0, True, 0))
    async with running(tmp_path, coap={"max_uploads": 1}) as server, coap_peer(server.coap_port) as slow:
        async with bound_peer(server.coap_port, "127.1.2.1") as other:
            await other.ask(Code.POST, PROVISION, bytes(16), options=(begin,))
        slow.send(coap_request(Code.POST, PROVISION, bytes(16), token=TOKEN, options=(begin,)))
        asked = await slow.hear()
        while (refused := await slow.hear()).code == Code.EMPTY:
            pass
        slow.send(empty(Type.RST, asked.id))
        slow.send(coap_request(Code.POST, PROVISION, bytes(16), message_id=2, token=TOKEN, options=(begin,)))
        answer = await slow.hear()  # and not one more question

    assert asked.type is Type.CON
    assert [refused.code, answer.code] == [Code.SERVICE_UNAVAILABLE, Code.CONTINUE]


# -- CO-4: options without end ---------------------------------------------------------------------


def bomb(count: int) -> bytes:
    """Return a request that is fine, but for so many options without a value that may be ignored."""
    request = coap_request(Code.POST, PROVISION, options=((Option.BLOCK1, block(0, True, 6)),)).encode()
    return request + b"\x10" + bytes(count - 5)


@pytest.mark.parametrize("count", [MAX_OPTIONS + 1, 60_000])
async def test_co_4_a_datagram_full_of_options_is_not_read_to_its_end(server: TestServer, count: int) -> None:
    demo = await server.profile()
    async with coap_peer(server.coap_port) as peer:
        peer.send(bomb(count))

        assert await peer.receive() == empty(Type.RST, 1)
        assert (await peer.provision(demo.request("m"))).code == Code.CREATED


async def test_co_4_options_that_are_too_long_are_not_kept(server: TestServer) -> None:
    async with coap_peer(server.coap_port) as peer:
        peer.send(coap_request(Code.POST, PROVISION, options=((Option.REQUEST_TAG + 1000, bytes(5000)),)))

        assert await peer.receive() == empty(Type.RST, 1)


async def test_as_many_options_as_there_may_be_are_read(server: TestServer) -> None:
    async with coap_peer(server.coap_port) as peer:
        peer.send(bomb(MAX_OPTIONS))

        assert (await peer.hear()).code == Code.BAD_REQUEST  # a block without its bytes


# -- CO-2, SE-6: as many sources as one likes --------------------------------------------------------


async def test_se_6_strangers_with_many_addresses_do_not_fill_the_logs(
    server: TestServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(throttle, "MAX_REPORTS", 20)
    caplog.set_level(logging.INFO)
    body = b'{"provisionDeviceKey":"nobody","provisionDeviceSecret":"guessed"}'

    for number in range(100):
        async with bound_peer(server.coap_port, f"127.1.1.{number + 1}") as stranger:
            assert (await stranger.ask(Code.POST, PROVISION, body)).code == Code.BAD_REQUEST
            assert (await stranger.ask(Code.POST, "api/v1/guessed/telemetry", b"{}")).code == Code.UNAUTHORIZED

    refused = [row for row in await server.audit() if row.entry.event == "provisioning-refused"]
    lines = [record.getMessage() for record in caplog.records]
    assert lines.count("device refused") == len(refused)
    assert lines.count("device refused") + lines.count("login refused") == 20


# -- CO-3: uploads in the name of others -------------------------------------------------------------


async def test_co_3_uploads_that_are_begun_in_the_name_of_others_make_room_for_who_is_there(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, coap={"max_uploads": 20}) as server, coap_peer(server.coap_port) as peer:
        demo = await server.profile()
        first = (Option.BLOCK1, block(0, True, 0))
        for number in range(20):
            async with bound_peer(server.coap_port, f"127.1.2.{number + 1}") as spoofed:
                spoofed.send(coap_request(Code.POST, PROVISION, bytes(16), options=(first,)))
                assert (await spoofed.hear()).code == Code.CONTINUE

        body = json.dumps(demo.request("m")).encode()
        pieces = [body[at : at + 64] for at in range(0, len(body), 64)]
        for number, piece in enumerate(pieces):
            part = (Option.BLOCK1, block(number, piece is not pieces[-1], 2))
            answer = await peer.ask(Code.POST, PROVISION, piece, options=(part,))

    assert len(pieces) > 1
    assert answer.code == Code.CREATED


async def test_co_3_who_gives_no_sign_of_life_takes_nobodys_place(tmp_path: Path) -> None:
    async with running(tmp_path, coap={"max_uploads": 1}) as server, coap_peer(server.coap_port) as peer:
        begun = await peer.ask(Code.POST, PROVISION, bytes(16), options=((Option.BLOCK1, block(0, True, 0)),))
        async with bound_peer(server.coap_port, "127.1.2.1") as spoofed:
            spoofed.send(
                coap_request(Code.POST, PROVISION, bytes(16), options=((Option.BLOCK1, block(0, True, 0)),))
            )
            while (refused := await spoofed.hear()).code == Code.EMPTY:
                pass
        goes_on = await peer.ask(Code.POST, PROVISION, bytes(16), options=((Option.BLOCK1, block(1, True, 0)),))

    assert [begun.code, refused.code, goes_on.code] == [Code.CONTINUE, Code.SERVICE_UNAVAILABLE, Code.CONTINUE]
